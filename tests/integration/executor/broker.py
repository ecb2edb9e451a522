"""A broker of one test: it keeps a journal, books and trades, and fails as it is told to."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import asyncpg
from uuid_utils import uuid7

from libs.brokers.errors import BrokerError
from libs.brokers.protocol import BrokerSession
from libs.trading.orders import (
    Funds,
    Holding,
    OrderIntent,
    OrderReport,
    OrderStatus,
    Position,
    Product,
    Profile,
    Side,
    Trade,
)


@dataclass
class BrokerWithJournal:
    """Takes every order, remembers each arrival, and answers as it is told to.

    `fails` maps an account to the error raised instead of an answer; whether the order exists all
    the same says `acts_then_fails`. `refusals` are words of a rejection. `seen` are the ledger's
    states at the moment of arrival.
    """

    ledger: asyncpg.Pool
    arrivals: list[OrderIntent] = field(default_factory=list)
    changes: list[tuple[str, str, OrderIntent]] = field(default_factory=list)
    book: dict[str, OrderReport] = field(default_factory=dict)
    fails: dict[str, BrokerError] = field(default_factory=dict)
    acts_then_fails: bool = True
    refusals: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    # How long the answer to a new order takes.
    slow_s: float = 0.0
    # A modification's answer is lost with this; whether it was taken says `changes_taken`.
    changes_fail: BrokerError | None = None
    changes_taken: bool = True
    # Whose account an order is in; one without an owner shows in every book.
    owners: dict[str, str] = field(default_factory=dict)
    trades: list[tuple[str, Trade]] = field(default_factory=list)
    carried: dict[str, int] = field(default_factory=dict)
    book_reads: int = 0
    # What every account has, all of it available.
    money: Decimal = Decimal(0)
    last_price: Decimal = Decimal("812.50")
    # Raised instead of a read of the account.
    unreadable: BrokerError | None = None

    async def warm(self, sessions: Sequence[BrokerSession]) -> None:
        return None

    async def place_order(
        self, session: BrokerSession, intent: OrderIntent, *, not_after: float | None = None
    ) -> OrderReport:
        self.arrivals.append(intent)
        self.seen.append(
            await self.ledger.fetchval(
                "SELECT state FROM executor.orders WHERE client_order_id = $1",
                intent.client_order_id,
            )
        )
        await asyncio.sleep(self.slow_s)
        error = self.fails.get(intent.account_id)
        if error is None or self.acts_then_fails:
            self.show(intent)
        if error is not None:
            raise error
        if (words := self.refusals.get(intent.account_id)) is not None:
            return OrderReport(
                status=OrderStatus.REJECTED, broker_order_id="", code="-99", message=words
            )
        return replace(self.book[intent.client_order_id], status=OrderStatus.ACKED)

    async def modify_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        self.changes.append(("MODIFY", broker_order_id, intent))
        if self.changes_taken or self.changes_fail is None:
            shown = self.book[intent.client_order_id]
            self.book[intent.client_order_id] = replace(shown, terms=intent.terms)
        if self.changes_fail is not None:
            raise self.changes_fail
        return OrderReport(status=OrderStatus.ACKED, broker_order_id=broker_order_id)

    async def cancel_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        self.changes.append(("CANCEL", broker_order_id, intent))
        return OrderReport(status=OrderStatus.CANCELLED, broker_order_id=broker_order_id)

    async def find_order(self, session: BrokerSession, client_order_id: str) -> OrderReport | None:
        return self.book.get(client_order_id)

    async def order_book(self, session: BrokerSession) -> list[OrderReport]:
        self.book_reads += 1
        if self.unreadable is not None:
            raise self.unreadable
        return [
            report
            for tag, report in self.book.items()
            if self.owners.get(tag, session.account_id) == session.account_id
        ]

    async def trade_book(self, session: BrokerSession) -> list[Trade]:
        if self.unreadable is not None:
            raise self.unreadable
        return [trade for account_id, trade in self.trades if account_id == session.account_id]

    async def positions(self, session: BrokerSession) -> list[Position]:
        if self.unreadable is not None:
            raise self.unreadable
        net = Counter(self.carried)
        for trade in await self.trade_book(session):
            net[trade.instrument] += trade.signed_quantity
        return [
            a_position(instrument, quantity, self.last_price)
            for instrument, quantity in net.items()
        ]

    async def profile(self, session: BrokerSession) -> Profile:
        return Profile(broker_client_id=session.client_id, name="")

    async def funds(self, session: BrokerSession) -> Funds:
        if self.unreadable is not None:
            raise self.unreadable
        return Funds(available=self.money, total=self.money, used=Decimal(0))

    async def holdings(self, session: BrokerSession) -> list[Holding]:
        return []

    async def aclose(self) -> None:
        return None

    def show(self, intent: OrderIntent) -> None:
        """Put an order into the book."""
        self.owners[intent.client_order_id] = intent.account_id
        self.book[intent.client_order_id] = OrderReport(
            status=OrderStatus.OPEN,
            broker_order_id=f"B{len(self.book) + 1}",
            client_order_id=intent.client_order_id,
        )

    def fill(self, quantity: int | None = None) -> None:
        """Fill every order in the book, whole or by this quantity."""
        quantities = {intent.client_order_id: intent.terms.quantity for intent in self.arrivals}
        for tag, report in self.book.items():
            filled = quantity or quantities[tag]
            if (news := filled - report.filled_quantity) > 0:
                side = next(i.side for i in self.arrivals if i.client_order_id == tag)
                trade = a_trade(report.broker_order_id, news, tag=tag, side=side)
                self.trades.append((self.owners[tag], trade))
            self.book[tag] = replace(
                report,
                status=OrderStatus.FILLED if filled == quantities[tag] else OrderStatus.PARTIAL,
                filled_quantity=filled,
                average_price=Decimal("812.50"),
            )


BOUGHT_AT = Decimal("812.50")


def a_position(instrument: str, net_quantity: int, last_price: Decimal = BOUGHT_AT) -> Position:
    return Position(
        instrument=instrument,
        product=Product.INTRADAY,
        net_quantity=net_quantity,
        average_price=BOUGHT_AT,
        last_price=last_price,
        realised=Decimal(0),
        unrealised=net_quantity * (last_price - BOUGHT_AT),
    )


def a_trade(
    broker_order_id: str, quantity: int, *, tag: str | None = None, side: Side = Side.BUY
) -> Trade:
    return Trade(
        trade_id=str(uuid7()),
        broker_order_id=broker_order_id,
        client_order_id=tag,
        instrument="NSE:SBIN",
        side=side,
        quantity=quantity,
        price=Decimal("812.50"),
    )
