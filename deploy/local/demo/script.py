"""The story of the demo's day, and the reasons for which followers are left out in it."""

from deploy.local.demo.day import Day
from deploy.local.follows import LARGE_CAPS, MOMENTUM, OPTIONS
from deploy.local.problems import Problem
from libs.trading.reasons import SkipReason

# Every day reaches these, whatever else it reaches; docs/copy-rules.md marks them.
REACHED = frozenset(
    {
        SkipReason.CLOSED_ELSEWHERE,
        SkipReason.INSTRUMENT_LEFT_OUT,
        SkipReason.KILL,
        SkipReason.MASTER_EQUITY_UNKNOWN,
        SkipReason.NO_PRICE,
        SkipReason.NO_QUOTE,
        SkipReason.OPEN_POSITIONS,
        SkipReason.ORDERS_PER_DAY,
        SkipReason.ORDER_QUANTITY,
        SkipReason.ORDER_VALUE,
        SkipReason.PAUSED,
        SkipReason.PRICE_MOVED,
        SkipReason.PRODUCT_LEFT_OUT,
        SkipReason.SEGMENT_LEFT_OUT,
        SkipReason.SHORT,
        SkipReason.TOO_MANY_SLICES,
        SkipReason.TOO_SMALL,
        SkipReason.TRADING_WINDOW,
        SkipReason.UNKNOWN_INSTRUMENT,
        SkipReason.UNSUPPORTED_PRODUCT,
    }
)
_LOT = 65


async def play(day: Day) -> None:
    """Emit every signal, each once what the one before it asked for is done."""
    await _fills(day)
    await _orders(day)
    await _exits(day)
    await _left_out(day)
    day.act("What stands at the end of the day")
    await day.place(MOMENTUM, "NSE:ICICIBANK", "LIMIT", 8)
    await day.place(LARGE_CAPS, "NSE:TATAMOTORS", "LIMIT", 12, away="0.97", paid="0.99")


async def _fills(day: Day) -> None:
    """Four lots of an option, filled in three parts; out again in two."""
    day.act("Fills, each copied by its part")
    option, whole = _option(day), 4 * _LOT
    await day.fill(OPTIONS, option, (0, _LOT), whole)
    await day.fill(OPTIONS, option, (_LOT, 3 * _LOT), whole)
    await day.fill(OPTIONS, option, (3 * _LOT, whole), whole)
    await day.exit(OPTIONS, option, 2 * _LOT, held=whole)
    await day.exit(OPTIONS, option, 2 * _LOT)


async def _orders(day: Day) -> None:
    day.act("Orders, and what becomes of them")
    await day.place(MOMENTUM, "NSE:SBIN", "MARKET", 10)
    await day.place(LARGE_CAPS, "NSE:RELIANCE", "LIMIT", 4, product="DELIVERY", paid="0.99")
    resting = await day.place(MOMENTUM, "NSE:TCS", "LIMIT", 8, away="0.99")
    await day.modify(MOMENTUM, resting, 8, away="1.002")
    await day.over(resting)
    unwanted = await day.place(LARGE_CAPS, "NSE:INFY", "LIMIT", 4, away="0.98")
    await day.cancel(LARGE_CAPS, unwanted)
    await _stop_limit(day, "NSE:ITC", 12)
    await day.place(LARGE_CAPS, "NSE:HDFCBANK", "MARKET", 8, paid="0.99")
    await day.place(MOMENTUM, "NSE:MARUTI", "MARKET", 40_000, product="DELIVERY")


async def _stop_limit(day: Day, instrument: str, quantity: int) -> None:
    trigger = day.price(instrument, "1.01")
    terms = {
        "order_type": "STOP_LIMIT",
        "quantity": quantity,
        "trigger_price": trigger,
        "limit_price": day.price(instrument, "1.02"),
    }
    title = f"STOP_LIMIT {quantity} {instrument}"
    signal_id = await day.enter(MOMENTUM, instrument, terms, title=title)
    await day.simulator.move(instrument, trigger)
    await day.over(signal_id)
    await day.simulator.move(instrument, day.prices[instrument])


async def _exits(day: Day) -> None:
    day.act("Ways out, and turning round")
    await day.exit(MOMENTUM, "NSE:SBIN", 5, held=10)
    waiting = await day.exit(MOMENTUM, "NSE:SBIN", 5, away="1.05")
    await day.modify(MOMENTUM, waiting, 5, away="0.998")
    await day.over(waiting)
    unwanted = await day.exit(MOMENTUM, "NSE:TCS", 8, away="1.05")
    await day.cancel(MOMENTUM, unwanted)
    await day.exit(MOMENTUM, "NSE:TCS", 8)
    await day.exit(MOMENTUM, "NSE:TCS", 8)  # Once more: nothing is left to close.
    await day.reverse(MOMENTUM, "NSE:ITC", 12)
    await day.exit(MOMENTUM, "NSE:ITC", 12, side="BUY")


async def _left_out(day: Day) -> None:
    day.act("What cannot be copied, and stops")
    # Before a follow changes: executors look at the signals of the last half minute then, also at
    # those of a day just played, and would have this price in memory.
    async with day.simulator.without_prices():
        await day.place(LARGE_CAPS, "NSE:WIPRO", "MARKET", 4)
    await day.place(LARGE_CAPS, "NSE:LT", "LIMIT", 4, product="CARRY_FORWARD")
    await day.place(LARGE_CAPS, "NSE:UNLISTED", "MARKET", 4)
    async with day.stopped(LARGE_CAPS):
        await day.place(LARGE_CAPS, "NSE:AXISBANK", "LIMIT", 4)
    async with day.paused(LARGE_CAPS):
        await day.place(LARGE_CAPS, "NSE:KOTAKBANK", "LIMIT", 4)


def _option(day: Day) -> str:
    """Choose an option that is listed: contracts come and go."""
    calls = [name for name in day.prices if name.startswith("NFO:") and name.endswith(":CE")]
    if not calls:
        raise Problem("The simulator lists no option", "Bring its list of instruments up to date")
    return min(calls)
