"""What the paper market shows of one instrument: the best prices on both sides and the price band.

The market is made around the last price, one tick apart a level, so that what is offered is what
an order gets: a buy at the best ask or higher fills at once.
"""

from dataclasses import dataclass
from decimal import Decimal

from libs.paper.exchange import PaperExchange

LEVELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperDepth:
    """`bids` and `asks` best first. A side is empty where the band leaves it no price."""

    last: Decimal
    bids: tuple[Decimal, ...]
    asks: tuple[Decimal, ...]
    lower_circuit: Decimal
    upper_circuit: Decimal


def depth(exchange: PaperExchange, name: str) -> PaperDepth:
    instrument, last = exchange.instruments[name], exchange.prices[name]
    low, high, tick = instrument.lower_circuit, instrument.upper_circuit, instrument.tick_size
    steps = [tick * level for level in range(1, LEVELS + 1)]
    return PaperDepth(
        last=last,
        bids=tuple(last - step for step in steps if low <= last - step <= high),
        asks=tuple(last + step for step in steps if low <= last + step <= high),
        lower_circuit=low,
        upper_circuit=high,
    )
