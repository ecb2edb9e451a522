"""How many a follower gets of what the master traded, and in which slices. Pure, exact.

Quantities are rounded down to whole lots and cut where the exchange would freeze them. A figure
that is missing is a refusal, never a guess.
"""

from decimal import ROUND_DOWN, Context, Decimal

from libs.trading.entries import Entry, Standing
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.instruments import CASH_EXCHANGES, Instrument
from libs.trading.reasons import Refusal, SkipReason

# More orders than this of one decision is a slip of somebody's finger.
SLICES_MAX = 20
# The sizes that change when the master changes the quantity of an order at work. What comes from
# money or from the follower alone stays: the money is bound by the order itself.
MOVES_WITH_MASTER = frozenset({SizingMode.MULTIPLIER, SizingMode.EQUITY_PROPORTIONAL})
# The sizes that come from the follower's own money, and those that buy for rupees.
SIZED_BY_MONEY = frozenset({SizingMode.FUNDS_SHARE, SizingMode.EQUITY_PROPORTIONAL})
SIZED_IN_RUPEES = frozenset({SizingMode.FIXED_VALUE, SizingMode.FUNDS_SHARE})

# Wide enough that no product of quantities, prices and money is ever rounded.
_EXACT = Context(prec=120, rounding=ROUND_DOWN)
_SHOWN = Decimal("0.0001")


def sized(entry: Entry, sizing: Sizing, standing: Standing) -> int | Refusal:
    """Work out a follower's quantity: whole lots, never more than the share; or say why not."""
    share = _share(entry, sizing, standing)
    if isinstance(share, Refusal):
        return share
    wanted, per = share
    lot = entry.instrument.lot_size
    if wanted <= 0:
        return too_small(entry.instrument, Decimal(0))
    lots = int(_EXACT.divide_int(wanted, _EXACT.multiply(per, Decimal(lot))))
    if lots:
        return lots * lot
    return (
        lot
        if sizing.when_small is WhenSmall.ONE_LOT
        else too_small(entry.instrument, _EXACT.divide(wanted, per))
    )


def part_of(entry: Entry, quantity: int) -> int | Refusal:
    """Cut from a follower's whole quantity what the fill of an entry is the copy of.

    Whole lots of all that is filled, less those of what was filled before: parts that are each less
    than a lot are not lost, they come with a later fill.
    """
    if entry.filled_after is None:
        return quantity
    after, before = (
        _filled(entry, quantity, of) for of in (entry.filled_after, entry.filled_before)
    )
    if after > before:
        return after - before
    share = _EXACT.multiply(Decimal(quantity), Decimal(entry.filled_after - entry.filled_before))
    return too_small(entry.instrument, _EXACT.divide(share, Decimal(entry.quantity)))


def _filled(entry: Entry, quantity: int, of: int) -> int:
    lot = entry.instrument.lot_size
    return quantity * min(of, entry.quantity) // (entry.quantity * lot) * lot


def sliced(entry: Entry, quantity: int) -> tuple[int, ...] | Refusal:
    """Cut an entry of whole lots into orders that the exchange does not freeze, or say why not."""
    slices = slices_of(entry.instrument, quantity)
    if slices and len(slices) <= SLICES_MAX:
        return slices
    figures = {
        "quantity": str(quantity),
        "unit": unit_of(entry.instrument),
        "freeze": str(entry.instrument.freeze_quantity),
        "limit": str(SLICES_MAX),
    }
    return Refusal(SkipReason.TOO_MANY_SLICES, figures)


def slices_of(instrument: Instrument, quantity: int) -> tuple[int, ...]:
    """Cut whole lots into orders that the exchange does not freeze; none where it freezes a lot."""
    freeze, lot = instrument.freeze_quantity, instrument.lot_size
    if freeze is None or quantity <= freeze:
        return (quantity,)
    most = freeze // lot * lot
    if not most:
        return ()
    count = -(-quantity // most)
    return (most,) * (count - 1) + (quantity - most * (count - 1),)


def unit_of(instrument: Instrument) -> str:
    """Name what a quantity counts."""
    return "share" if instrument.name.partition(":")[0] in CASH_EXCHANGES else "unit"


def too_small(instrument: Instrument, wanted: Decimal) -> Refusal:
    """Say that a share is less than one lot."""
    shown = wanted.quantize(_SHOWN, ROUND_DOWN).normalize()
    return Refusal(
        SkipReason.TOO_SMALL,
        {"wanted": f"{shown:f}", "unit": unit_of(instrument), "lot": str(instrument.lot_size)},
    )


_Share = tuple[Decimal, Decimal]


def _share(entry: Entry, sizing: Sizing, standing: Standing) -> _Share | Refusal:
    """Tell the quantity wanted as a fraction, above and below the line: dividing would round."""
    match sizing.mode:
        case SizingMode.MULTIPLIER:
            return _EXACT.multiply(Decimal(entry.quantity), sizing.value), Decimal(1)
        case SizingMode.FIXED_QUANTITY:
            return sizing.value, Decimal(1)
        case SizingMode.FIXED_VALUE:
            return _bought_for(entry, sizing.value, Decimal(1))
        case SizingMode.FUNDS_SHARE:
            if standing.funds is None:
                return Refusal(SkipReason.FUNDS_UNKNOWN, {"percent": f"{sizing.value:f}"})
            return _bought_for(entry, _EXACT.multiply(standing.funds, sizing.value), Decimal(100))
        case SizingMode.EQUITY_PROPORTIONAL:
            return _proportional(entry, sizing.value, standing.equity)


def _bought_for(entry: Entry, money: Decimal, per: Decimal) -> _Share | Refusal:
    if entry.price is None or entry.price <= 0:
        return Refusal(SkipReason.NO_PRICE, {"instrument": entry.instrument.name})
    return money, _EXACT.multiply(entry.price, per)


def _proportional(entry: Entry, factor: Decimal, equity: Decimal | None) -> _Share | Refusal:
    """Order value / master's equity x follower's equity x factor; the order's price cancels out."""
    if entry.master_equity is None or entry.master_equity <= 0:
        return Refusal(SkipReason.MASTER_EQUITY_UNKNOWN, {})
    if equity is None:
        return Refusal(SkipReason.EQUITY_UNKNOWN, {})
    wanted = _EXACT.multiply(_EXACT.multiply(Decimal(entry.quantity), equity), factor)
    return wanted, entry.master_equity
