"""A quote: what one instrument costs at one moment, as a broker said it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`bid` and `ask` are the best prices on offer, `last` is the last one traded.

    `lower_limit` and `upper_limit` are the day's price band of the exchange: an order outside of
    it is refused. None is what the broker does not give, or what nobody offers. `at` is when the
    broker was asked or its feed said so: the price cannot be newer.
    """

    instrument: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    lower_limit: Decimal | None = None
    upper_limit: Decimal | None = None
    at: datetime

    def age_s(self, now: datetime) -> float:
        """Tell how old it is; a clock that runs ahead makes it no younger than now."""
        return max(0.0, (now - self.at).total_seconds())
