"""One account's order feed as this replica sees it: its state, its book's needs, what it last said.

Changed only by the flow; the board, the alarms and the keeper read it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Account
from libs.trading.orders import OrderReport
from libs.trading.states import WORKING

_WORKING_STATUSES = frozenset(state.value for state in WORKING)
_ORDERS_REMEMBERED_MAX = 2_000
_MESSAGE_LENGTH_MAX = 200
# A line that held this long is no flapping one: its next break is retried at once.
_STEADY = timedelta(seconds=30)


class FeedState(StrEnum):
    """What an operator reads at `/feeds`."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    EXPIRED = "expired"
    DOWN = "down"


@dataclass(slots=True, kw_only=True, eq=False)
class HeldFeed:
    """The feed of one account, held under lease `epoch` of its shard.

    `since` is when `state` began, `out_since` when the account began to be without its feed: it
    stands through every failed attempt and is None while all is well. `refused` is the session the
    broker no longer takes; it is never tried again. `book_wanted` asks for a whole read of the
    order book.
    """

    account: Account
    shard: int
    epoch: int
    since: datetime
    state: FeedState = FeedState.CONNECTING
    out_since: datetime | None = None
    last_message_at: datetime | None = None
    connections: int = 0
    message: str = ""
    failures: int = 0
    refused: BrokerSession | None = None
    book_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    to_show: bool = True
    shown_message_at: datetime | None = None
    orders: dict[str, OrderReport] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        return self.account.account_id

    @property
    def reconnects(self) -> int:
        return max(0, self.connections - 1)

    def renew(self, account: Account, now: datetime) -> None:
        """Begin anew after a change of the account, with whatever session it has now."""
        self.account = account
        self.failures = 0
        self._enter(FeedState.CONNECTING, now, "")

    def trying(self, now: datetime) -> None:
        """Begin an attempt; only from here on is the account without its feed."""
        self.out_since = self.out_since or now

    def connected(self, now: datetime) -> None:
        self.connections += 1
        self.out_since = None
        self._enter(FeedState.CONNECTED, now, "")
        self.heard(now)

    def heard(self, now: datetime) -> None:
        self.last_message_at = now

    def went_down(self, now: datetime, why: str) -> None:
        steady = self.state is FeedState.CONNECTED and now - self.since >= _STEADY
        self.failures = 1 if steady else self.failures + 1
        self.out_since = self.out_since or now
        self._enter(FeedState.DOWN, now, why)

    def expired(self, now: datetime, session: BrokerSession, why: str) -> None:
        self.refused = session
        self.out_since = self.out_since or now
        self._enter(FeedState.EXPIRED, now, why)

    def ended_by_owner(self, now: datetime, why: str) -> None:
        """No session is wanted here now: shown, but nobody is without a feed they should have."""
        self.out_since = None
        self._enter(FeedState.EXPIRED, now, why)

    def out_for_longer_than(self, seconds: float, now: datetime) -> bool:
        return self.out_since is not None and now - self.out_since >= timedelta(seconds=seconds)

    def remember(self, report: OrderReport) -> None:
        """Keep the newest word about an order."""
        self.orders.pop(report.broker_order_id, None)
        self.orders[report.broker_order_id] = report
        if len(self.orders) > _ORDERS_REMEMBERED_MAX:
            del self.orders[next(iter(self.orders))]

    def remember_book(self, rows: Sequence[OrderReport]) -> list[OrderReport]:
        """Keep a whole order book, forget what is not in it; return the rows that are news."""
        news = [row for row in rows if self.orders.get(row.broker_order_id) != row]
        self.orders = {row.broker_order_id: row for row in rows[-_ORDERS_REMEMBERED_MAX:]}
        return news

    def has_working_orders(self) -> bool:
        return any(report.status.value in _WORKING_STATUSES for report in self.orders.values())

    def _enter(self, state: FeedState, now: datetime, why: str) -> None:
        message = why[:_MESSAGE_LENGTH_MAX]
        if state is not self.state:
            self.state, self.since = state, now
        self.message = message
        self.to_show = True
