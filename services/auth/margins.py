"""What is available at an account: read live within a bound, remembered with its age."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from libs.brokers.errors import BrokerError, SessionExpired

# Several tabs poll; a broker allows auth a tenth of an account's requests.
FRESH_S = 10.0
_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    available: Decimal
    at: datetime


@dataclass(slots=True)
class _Known:
    asked_at: float
    margin: Margin | None


class Margins:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(
        self, account_id: str, read: Callable[[], Awaitable[Decimal]]
    ) -> tuple[Margin | None, bool]:
        """Return what is known, and whether it was read just now.

        A broker that does not answer leaves the last figure with its age. Raise `SessionExpired`
        when the broker says so.
        """
        known = self._known.get(account_id)
        if known and self._clock() - known.asked_at < FRESH_S:
            return known.margin, False
        # Noted before the answer, so that the next poll does not ask a second time.
        last = known.margin if known else None
        self._remember(account_id, _Known(self._clock(), last))
        try:
            available = await read()
        except SessionExpired:
            self.forget(account_id)
            raise
        except (BrokerError, TimeoutError):
            return last, False
        margin = Margin(available=available, at=datetime.now(UTC))
        self._remember(account_id, _Known(self._clock(), margin))
        return margin, True

    def forget(self, account_id: str) -> None:
        self._known.pop(account_id, None)

    def _remember(self, account_id: str, known: _Known) -> None:
        self._known[account_id] = known
        self._known.move_to_end(account_id)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
