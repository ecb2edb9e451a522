"""A broker with every mood: it acts and fails, fails before acting, refuses, lags.

The paper exchange matches behind it. `journal` is its own word of what arrived, and the only judge.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from libs.brokers.errors import (
    AnswerUnreadable,
    BrokerError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
)
from libs.brokers.protocol import BrokerSession
from libs.paper.accounts import PaperAccount, PaperPosition
from libs.paper.errors import OrderIsOver, PaperRefusal
from libs.paper.exchange import PaperExchange
from libs.paper.instruments import BUILT_IN
from libs.paper.orders import OrderRequest, PaperOrder, PaperTrade
from libs.trading.orders import OrderIntent, OrderReport, OrderStatus, Position, Trade
from services.executor.rows import WRITE_WITHIN_S
from tests.model.virtual_time import ProcessLoop, VirtualTime

Mood = Literal[
    "answers",
    "answers slowly",
    "answers too late",
    "acts, then fails",
    "acts, then resets",
    "acts, then babbles",
    "acts late, never answers",
    "fails before acting",
    "cannot be reached",
    "connects slowly",
    "refuses the session",
    "refuses the rate",
    "rejects",
]
INSTRUMENTS = ("NSE:SBIN", "NSE:ITC")
_FUNDS = Decimal(100_000_000)
_ANSWER_S = 0.005
_TIMEOUT_S = 2.0
# How long after its arrival the broker acts, and then answers; None: the client hears nothing.
_PACE: dict[str, tuple[float | None, float | None]] = {
    "answers": (0.0, _ANSWER_S),
    "connects slowly": (0.0, _ANSWER_S),
    "rejects": (0.0, _ANSWER_S),
    "answers slowly": (0.0, 1.5),
    "answers too late": (0.0, 4.5),
    "acts, then fails": (0.0, None),
    "acts, then resets": (0.0, _ANSWER_S),
    "acts, then babbles": (0.0, _ANSWER_S),
    "acts late, never answers": (5.0, None),
    "fails before acting": (None, None),
}
_BROKEN: dict[str, Callable[[], BrokerError]] = {
    "acts, then resets": lambda: OutcomeUnknown("connection reset"),
    "acts, then babbles": lambda: AnswerUnreadable("<html>"),
}


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One request as the broker saw it. `refused`: answered, before anything was processed."""

    at: datetime
    kind: str
    account_id: str
    tag: str
    instrument: str
    broker_order_id: str = ""
    refused: bool = False


@dataclass(slots=True)
class BrokerOfManyMoods:
    """`heard` is told every arrival, `says` every change of an order: the order feed."""

    clock: VirtualTime
    heard: Callable[[Arrival], None]
    says: Callable[[str, OrderReport], None]
    exchange: PaperExchange = field(init=False)
    journal: list[Arrival] = field(default_factory=list)
    moods: dict[tuple[str, str], list[Mood]] = field(default_factory=dict)
    # Sessions up to this version are refused, per account.
    expired: dict[str, int] = field(default_factory=dict)
    visibility_lag_s: float = 0.0
    echo_tags: bool = True
    _visible_at: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exchange = PaperExchange({name: BUILT_IN[name] for name in INSTRUMENTS})
        self.exchange.listen(_Listener(self))

    def open_account(self, account_id: str) -> None:
        self.exchange.open_account(account_id, _FUNDS)

    def next_mood(self, account_id: str, kind: str) -> Mood:
        waiting = self.moods.get((account_id, kind))
        return waiting.pop(0) if waiting else "answers"

    def refuses_session(self, session: BrokerSession) -> bool:
        return int(session.secrets["version"]) <= self.expired.get(session.account_id, 0)

    def arrive(self, arrival: Arrival) -> None:
        self.journal.append(arrival)
        self.heard(arrival)

    def place(self, intent: OrderIntent, mood: Mood) -> OrderReport:
        """Take one order into the book, or reject it there."""
        terms = intent.terms
        if mood == "rejects":
            beyond = (
                BUILT_IN[intent.instrument].upper_circuit + BUILT_IN[intent.instrument].tick_size
            )
            terms = replace(terms, limit_price=beyond)
        order = self.exchange.place(
            OrderRequest(
                client_id=intent.account_id,
                instrument=intent.instrument,
                side=intent.side,
                product=intent.product,
                validity=intent.validity,
                terms=terms,
                tag=intent.client_order_id,
            ),
            self.clock.wall(),
        )
        if order.status is OrderStatus.REJECTED:
            return self.report_of(order)
        # What a placing request is answered with: an id, and nothing about fills.
        return OrderReport(
            status=OrderStatus.ACKED,
            broker_order_id=f"B{order.number}",
            client_order_id=intent.client_order_id,
        )

    def change(self, arrival: Arrival, intent: OrderIntent, mood: Mood) -> OrderReport:
        """Modify or cancel: accepted, refused, or too late because the order is over."""
        number, at = int(arrival.broker_order_id[1:]), self.clock.wall()
        accepted = OrderReport(status=OrderStatus.ACKED, broker_order_id=arrival.broker_order_id)
        refused = replace(accepted, status=OrderStatus.REJECTED, code="-99", message="refused")
        if mood == "rejects":
            return refused
        try:
            if arrival.kind == "CANCEL":
                self.exchange.cancel(arrival.account_id, number, at)
            else:
                self.exchange.modify(arrival.account_id, number, intent.terms, at)
        except OrderIsOver:
            return replace(
                self.report_of(self.exchange.order(arrival.account_id, number)), code=None
            )
        except PaperRefusal:
            return refused
        return accepted

    def book(self, account_id: str) -> list[OrderReport]:
        """Every order of the account that is visible by now."""
        orders = self.exchange.account(account_id).orders.values()
        now = self.clock.monotonic
        return [self.report_of(o) for o in orders if self._visible_at.get(o.number, 0.0) <= now]

    def show_everything(self) -> None:
        self._visible_at.clear()

    def report_of(self, order: PaperOrder) -> OrderReport:
        return OrderReport(
            status=order.status,
            broker_order_id=f"B{order.number}",
            client_order_id=order.request.tag if self.echo_tags else None,
            instrument=order.request.instrument,
            side=order.request.side,
            product=order.request.product,
            terms=order.terms,
            filled_quantity=order.filled_quantity,
            average_price=order.average_price,
            code="RMS" if order.status is OrderStatus.REJECTED else None,
            message=order.message,
            at=order.created_at,
        )

    def changed(self, order: PaperOrder) -> None:
        self._visible_at.setdefault(order.number, self.clock.monotonic + self.visibility_lag_s)
        self.says(order.request.client_id, self.report_of(order))


@dataclass(frozen=True, slots=True)
class OrderDoor:
    """The door of one process to this broker: an `OrderGateway`."""

    broker: BrokerOfManyMoods
    process: ProcessLoop

    async def warm(self, sessions: Sequence[BrokerSession]) -> None:
        return None

    async def place_order(
        self, session: BrokerSession, intent: OrderIntent, *, not_after: float | None = None
    ) -> OrderReport:
        return await self._request("PLACE", session, intent, "", not_after)

    async def modify_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        return await self._request("MODIFY", session, intent, broker_order_id, not_after)

    async def cancel_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        return await self._request("CANCEL", session, intent, broker_order_id, not_after)

    async def find_order(self, session: BrokerSession, client_order_id: str) -> OrderReport | None:
        book = await self.order_book(session)
        return next((row for row in book if row.client_order_id == client_order_id), None)

    async def order_book(self, session: BrokerSession) -> list[OrderReport]:
        await self._read(session)
        book = self.broker.book(session.account_id)
        await asyncio.sleep(_ANSWER_S)
        return book

    async def _read(self, session: BrokerSession) -> None:
        """Take the time of a read, or fail in the mood for it."""
        mood = self.broker.next_mood(session.account_id, "BOOK")
        await asyncio.sleep(1.5 if mood == "answers slowly" else _ANSWER_S)
        if self.broker.refuses_session(session) or mood == "refuses the session":
            raise SessionExpired("token expired")
        if mood == "refuses the rate":
            raise RateLimited("too many requests", retry_after_s=1)
        if mood != "answers" and mood != "answers slowly":
            raise OutcomeUnknown("nothing came")

    async def trade_book(self, session: BrokerSession) -> list[Trade]:
        await self._read(session)
        visible = {row.broker_order_id for row in self.broker.book(session.account_id)}
        return [
            Trade(
                trade_id=f"T{trade.order.number}-{trade.number}",
                broker_order_id=f"B{trade.order.number}",
                instrument=trade.order.request.instrument,
                side=trade.order.request.side,
                quantity=trade.quantity,
                price=trade.price,
                client_order_id=trade.order.request.tag,
                at=trade.at,
            )
            for trade in self.broker.exchange.account(session.account_id).trades
            if f"B{trade.order.number}" in visible
        ]

    async def positions(self, session: BrokerSession) -> list[Position]:
        """Positions are never behind, other than books."""
        await self._read(session)
        held = self.broker.exchange.account(session.account_id).positions.values()
        return [
            Position(
                instrument=position.instrument,
                product=position.product,
                net_quantity=position.net,
                average_price=position.average,
                last_price=self.broker.exchange.prices[position.instrument],
                realised=position.realised,
                unrealised=Decimal(0),
            )
            for position in held
        ]

    async def aclose(self) -> None:
        return None

    async def _request(
        self,
        kind: str,
        session: BrokerSession,
        intent: OrderIntent,
        broker_order_id: str,
        not_after: float | None,
    ) -> OrderReport:
        mood = self.broker.next_mood(session.account_id, kind)
        if mood == "connects slowly":
            await asyncio.sleep(WRITE_WITHIN_S * 0.9)
        if mood == "cannot be reached":
            await asyncio.sleep(_ANSWER_S)
            raise NotSent("connection refused")
        if not_after is not None and self.process.time() > not_after:
            raise NotSent("too late to write")
        arrival = Arrival(
            at=self.broker.clock.wall(),
            kind=kind,
            account_id=intent.account_id,
            tag=intent.client_order_id,
            instrument=intent.instrument,
            broker_order_id=broker_order_id,
        )
        if self.broker.refuses_session(session) or mood == "refuses the session":
            return await self._refuse(arrival, SessionExpired("token expired"))
        if mood == "refuses the rate":
            return await self._refuse(arrival, RateLimited("too many requests", retry_after_s=1))
        self.broker.arrive(arrival)
        return await self._served(arrival, intent, mood)

    async def _refuse(self, arrival: Arrival, error: BrokerError) -> OrderReport:
        arrival.refused = True
        self.broker.arrive(arrival)
        await asyncio.sleep(_ANSWER_S)
        raise error

    async def _served(self, arrival: Arrival, intent: OrderIntent, mood: Mood) -> OrderReport:
        """Act, whether or not anybody still waits for the answer."""
        acts_after_s, answers_after_s = _PACE[mood]
        clock, answer = self.broker.clock, _Answer(self.process)

        def act() -> None:
            report = self._act(arrival, intent, mood)
            if answers_after_s is not None:
                word = _BROKEN[mood]() if mood in _BROKEN else report
                clock.after(answers_after_s, lambda: answer.give(word))

        if acts_after_s == 0:
            act()
        elif acts_after_s is not None:
            clock.after(acts_after_s, act)
        if answers_after_s is None:
            clock.after(_TIMEOUT_S, lambda: answer.give(OutcomeUnknown("no answer")))
        return await answer.come()

    def _act(self, arrival: Arrival, intent: OrderIntent, mood: Mood) -> OrderReport:
        if arrival.kind != "PLACE":
            return self.broker.change(arrival, intent, mood)
        try:
            return self.broker.place(intent, mood)
        except PaperRefusal as error:
            return OrderReport(
                status=OrderStatus.REJECTED, broker_order_id="", code="-50", message=str(error)
            )


class _Answer:
    """What one process waits for; nobody hears it any more when the process is dead."""

    def __init__(self, process: ProcessLoop) -> None:
        self._process = process
        self._word: asyncio.Future[OrderReport | BrokerError] = process.create_future()

    def give(self, word: OrderReport | BrokerError) -> None:
        if not self._process.dead and not self._word.done():
            self._word.set_result(word)

    async def come(self) -> OrderReport:
        word = await self._word
        if isinstance(word, BrokerError):
            raise word
        return word


@dataclass(frozen=True, slots=True)
class _Listener:
    broker: BrokerOfManyMoods

    def order_changed(self, order: PaperOrder) -> None:
        self.broker.changed(order)

    def traded(self, trade: PaperTrade) -> None:
        return None

    def position_changed(self, account: PaperAccount, position: PaperPosition) -> None:
        return None
