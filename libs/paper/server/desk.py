"""The one way to change the paper exchange: every command is carried out, then written down.

The journal holds each command with its instant, and the exchange is deterministic, so replaying
the journal after a restart rebuilds accounts, orders, positions and prices exactly. A simulator
adds kinds of its own (logins, sessions) through `on_replay`.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

from libs.paper.accounts import PaperAccount
from libs.paper.errors import InvalidTerms, PaperRefusal, UnknownInstrument
from libs.paper.exchange import PaperExchange
from libs.paper.fills import FillScript
from libs.paper.orders import OrderRequest, PaperOrder
from libs.paper.server import walk
from libs.paper.server.journal import Journal, Record
from libs.paper.server.records import (
    created_record,
    instant_of,
    request_of,
    script_of,
    script_record,
    terms_of,
    terms_record,
)
from libs.trading.calendar import trading_day
from libs.trading.orders import OrderTerms

Clock = Callable[[], datetime]

_TICK_S = 0.1


class StateUnreadable(Exception):
    """The journal of an earlier run does not fit this program."""


class Desk:
    """Exchange and journal as one. `order_id` spells an order's number the broker's way."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        order_id: Callable[[PaperOrder], str],
        make_exchange: Callable[[], PaperExchange] = PaperExchange,
    ) -> None:
        """Start with an empty exchange; call `replay` once before anything else."""
        self.journal = journal
        self.clock = clock
        self.order_id = order_id
        self.walking = False
        self._make_exchange = make_exchange
        self.exchange = make_exchange()
        self._day: date | None = None
        self._dice = random.Random(7)  # noqa: S311 - prices on paper, the same walk every time.
        self._on_replay: dict[str, Callable[[Record], None]] = {}
        self._on_reset: list[Callable[[], None]] = []
        self._replays: Mapping[str, Callable[[Record], None]] = {
            "account": self._replay_account,
            "order": self._replay_order,
            "modify": self._replay_modify,
            "cancel": self._replay_cancel,
            "prices": self._replay_prices,
            "fills": lambda it: self.exchange.fill_scripts.append(script_of(it)),
            "advance": lambda it: self.exchange.advance(instant_of(it)),
            "day": lambda it: self._close_day(instant_of(it)),
            "reset": lambda _: self._start_over(),
        }

    def on_replay(self, kind: str, action: Callable[[Record], None]) -> None:
        self._on_replay[kind] = action

    def on_reset(self, action: Callable[[], None]) -> None:
        """Call `action` when everything is forgotten: the exchange is a new one from then on."""
        self._on_reset.append(action)

    def replay(self) -> int:
        """Rebuild everything from the journal; return the number of its last line."""
        try:
            for record in self.journal.replay():
                self._replay(record)
        except (PaperRefusal, KeyError, ValueError) as error:
            raise StateUnreadable(
                f"line {self.journal.last_number} of {self.journal.path} cannot be replayed "
                f"({error!r}): move the file away to start anew"
            ) from error
        return self.journal.last_number

    def _replay(self, record: Record) -> None:
        action = self._replays.get(record["kind"]) or self._on_replay.get(record["kind"])
        if action is not None:
            action(record)
            self._day = trading_day(instant_of(record))

    def write(self, kind: str, **facts: object) -> int:
        return self.journal.append({"kind": kind, "at": self.clock(), **facts})

    def open_account(self, client_id: str, funds: Decimal) -> PaperAccount:
        account = self.exchange.open_account(client_id, funds)
        self.write("account", client_id=client_id, funds=funds)
        return account

    def place(self, request: OrderRequest) -> PaperOrder:
        order = self.exchange.place(request, self.clock())
        self.journal.append(created_record(order, self.order_id(order)))
        return order

    def modify(self, client_id: str, number: int, terms: OrderTerms) -> PaperOrder:
        at = self.clock()
        order = self.exchange.modify(client_id, number, terms, at)
        self.journal.append(
            {
                "kind": "modify",
                "at": at,
                "client_id": client_id,
                "number": number,
                "order_id": self.order_id(order),
                **terms_record(terms),
            }
        )
        return order

    def cancel(self, client_id: str, number: int) -> PaperOrder:
        at = self.clock()
        order = self.exchange.cancel(client_id, number, at)
        order_id = self.order_id(order)
        self.journal.append(
            {
                "kind": "cancel",
                "at": at,
                "client_id": client_id,
                "number": number,
                "order_id": order_id,
            }
        )
        return order

    def set_prices(self, prices: Mapping[str, Decimal]) -> None:
        """Move prices. Raise `PaperRefusal`, with nothing moved, when one of them cannot stand."""
        for name, price in prices.items():
            instrument = self.exchange.instruments.get(name)
            if instrument is None:
                raise UnknownInstrument(f"{name} is not listed")
            if price <= 0 or price % instrument.tick_size:
                raise InvalidTerms(f"{name}: price {price} is off the {instrument.tick_size} tick")
        at = self.clock()
        for name, price in prices.items():
            self.exchange.set_price(name, price, at)
        self.journal.append({"kind": "prices", "at": at, "prices": dict(prices)})

    def add_fill_script(self, script: FillScript) -> None:
        self.write("fills", **script_record(script))
        self.exchange.fill_scripts.append(script)

    def reset(self) -> int:
        """Forget every account, order and price; the journal stays. Return its last number."""
        self._start_over()
        return self.write("reset")

    async def run(self) -> None:
        """Let time pass: scripted fills, the end of the day, the walk. Until cancelled."""
        loop = asyncio.get_running_loop()
        next_walk_at = loop.time()
        while True:
            await asyncio.sleep(_TICK_S)
            self.pass_time()
            if self.walking and loop.time() >= next_walk_at:
                next_walk_at = loop.time() + walk.EVERY_S
                self._walk()

    def pass_time(self) -> None:
        """Carry out what has come due by now."""
        at = self.clock()
        if self._day is None:
            self._day = trading_day(at)
        elif trading_day(at) != self._day:
            self.journal.append({"kind": "day", "at": at})
            self._close_day(at)
        due_at = self.exchange.next_due_at
        if due_at is not None and due_at <= at.timestamp():
            self.exchange.advance(at)
            self.journal.append({"kind": "advance", "at": at})

    def _walk(self) -> None:
        exchange = self.exchange
        if moved := walk.next_prices(exchange.instruments, exchange.prices, self._dice):
            self.set_prices(moved)

    def _close_day(self, at: datetime) -> None:
        self.exchange.close_day(at)
        self._day = trading_day(at)

    def _start_over(self) -> None:
        numbers_used = self.exchange.orders_created
        self.exchange = self._make_exchange()
        # An order id never comes twice in one journal.
        self.exchange.orders_created = numbers_used
        for action in self._on_reset:
            action()

    def _replay_account(self, record: Record) -> None:
        self.exchange.open_account(record["client_id"], Decimal(record["funds"]))

    def _replay_order(self, record: Record) -> None:
        self.exchange.place(request_of(record), instant_of(record))

    def _replay_modify(self, record: Record) -> None:
        terms = terms_of(record)
        self.exchange.modify(record["client_id"], record["number"], terms, instant_of(record))

    def _replay_cancel(self, record: Record) -> None:
        self.exchange.cancel(record["client_id"], record["number"], instant_of(record))

    def _replay_prices(self, record: Record) -> None:
        for name, price in record["prices"].items():
            self.exchange.set_price(name, Decimal(price), instant_of(record))
