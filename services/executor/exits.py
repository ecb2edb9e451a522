"""How much an exit closes of what a strategy opened at one account: never an opening. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from libs.trading.instruments import Instrument
from libs.trading.orders import Product, Side
from libs.trading.reasons import Refusal, SkipReason
from libs.trading.signals import Signal
from libs.trading.sizing import too_small, unit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What one strategy did in one instrument and product at one account, by our own ledger.

    `net_quantity` counts fills and is signed; `closing` is what exits still at work will close.
    `ours_today` is what all our orders of the day filled in the instrument, net.
    """

    account_id: str
    net_quantity: int
    closing: int
    ours_today: int = 0

    @property
    def closing_side(self) -> Side:
        return Side.SELL if self.net_quantity > 0 else Side.BUY

    def counted(self, instrument: Instrument) -> dict[str, str]:
        """Give the figures of an exit for which nothing is left."""
        opened, closing = str(abs(self.net_quantity)), str(self.closing)
        return {"opened": opened, "unit": unit_of(instrument), "closing": closing}

    def left(self, product: Product | None, elsewhere: int | None) -> int:
        """Count what an exit may still close.

        No more than the strategy opened, nor than the account still has: its owner may have closed
        it by hand. `elsewhere` is what the account holds besides our orders of today, None when
        nobody looked. Less what is being closed already. Deliveries are left to the strategy's own
        book: what was bought on earlier days is no position at the broker.
        """
        held = abs(self.net_quantity)
        if elsewhere is not None and product is not Product.DELIVERY:
            sign = 1 if self.net_quantity > 0 else -1
            held = min(held, sign * (elsewhere + self.ours_today))
        return max(held - self.closing, 0)


def closed_by(
    signal: Signal, instrument: Instrument, mine: Opened, elsewhere: int | None
) -> int | Refusal:
    """Count what this exit closes, or say why nothing.

    Of a partial exit the master's share, in whole lots; a whole one takes odd lots along.
    """
    left = mine.left(signal.product, elsewhere)
    if signal.side not in {None, mine.closing_side} or not mine.net_quantity:
        return Refusal(SkipReason.CLOSED_ELSEWHERE, {})
    if left == 0:
        return Refusal(SkipReason.CLOSED_ELSEWHERE, mine.counted(instrument))
    if not signal.is_partial_exit or signal.terms is None or signal.held_quantity is None:
        return left
    lot = instrument.lot_size
    quantity = left * signal.terms.quantity // (signal.held_quantity * lot) * lot
    if quantity:
        return quantity
    return too_small(instrument, Decimal(left * signal.terms.quantity) / signal.held_quantity)
