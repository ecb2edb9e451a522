"""One run of one row: its own strategy and followers, what it emitted, and its evidence."""

import asyncio
import contextlib
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from tests.faults.case import AT_BROKER, Alarm, Case, Created, Emitted, Expected
from tests.faults.crowd import Member
from tests.faults.evidence import Net, arrivals_of, created_of, difference
from tests.faults.isolation import Isolation, times_of
from tests.faults.judge import ALARM_WITHIN, not_silent, settled
from tests.faults.secrecy import Secrets
from tests.faults.world import World

SETTLED_WITHIN_S = 30.0
_PROBED_WITHIN_S = 30.0
_TOLD_WITHIN_S = ALARM_WITHIN.total_seconds() + 5
_LOOK_S = 0.05


class Failed(Exception):
    """The row could not be carried out, or its own expectation does not hold."""


@dataclass(slots=True)
class Scene:
    """`dice` gives a row its random timing; the seed of the run is printed."""

    world: World
    number: int
    dice: random.Random
    secrets: Secrets
    master: Member
    followers: Sequence[Member]
    strategy_id: str
    instruments: Sequence[str]
    began_at: datetime
    cursor: int
    net_books: Net
    net_ours: Net
    # Of earlier rows' orders and accounts, and none of this one's business.
    stood_before: frozenset[Alarm]
    signals: list[Emitted] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    # What the row itself saw and must not be.
    violations: list[str] = field(default_factory=list)
    # Followers whom a probe cannot reach, because of what the row did to them.
    unreachable: set[str] = field(default_factory=set)
    over_at: float | None = None
    recovery_s: float | None = None
    probing: "asyncio.Task[None] | None" = None
    # I9: who is struck, by account (None: everybody), and which signals were meanwhile.
    struck: Set[str] | None = None
    isolation: Isolation = field(default_factory=Isolation)
    _struck_from: int = 0
    _struck_until: int | None = None
    settled_within_s: float = SETTLED_WITHIN_S

    def pause(self, least_s: float, most_s: float) -> "Awaitable[None]":
        """Wait a random while: no fault hits the same instant twice."""
        return asyncio.sleep(self.dice.uniform(least_s, most_s))

    def check(self, holds: bool, words: str) -> None:  # reads as an assertion
        """Note a violation of the row's own expectation; the row goes on."""
        if not holds:
            self.violations.append(f"row: {words}")

    def note_foreign(self, order_id: object) -> None:
        """Remember an order that an account's owner placed himself."""
        self.foreign.add(str(order_id))
        self.world.foreign.add(str(order_id))

    async def expect_alarm(self, *names: str, clears: bool = True) -> None:
        """Require one of these alarms within 30 s of now, cleared at the end."""
        since = await self.world.ledger.now()
        self.expected.append(Expected(names=names, since=since, clears=clears))

    def strikes(self, members: Sequence[Member]) -> None:
        """Say whom the fault is about to strike: how the others fare meanwhile is I9."""
        self.struck = {member.account_id for member in members}
        self._struck_from = len(self.signals)

    def fault_over(self) -> None:
        """Say that recovery begins now: the process is dead, the line stands again."""
        if self.over_at is None:
            self.over_at = time.monotonic()

    async def mend(self) -> None:
        """Put the world right and trade once more at once, while the row's end is waited for."""
        self.fault_over()
        await self.world.mend()
        if self.probing is None:
            self._struck_until = len(self.signals)
            self.probing = asyncio.create_task(self._probe())

    def place_body(
        self, instrument: str = "", *, quantity: int = 1, away: str = "", expires_in_s: int = 0
    ) -> dict[str, Any]:
        """Describe a BUY: a limit moved from the last price by `away`, else one that fills at once.

        Never at the market: such an order needs a price first, and a broken broker gives none.
        """
        name = instrument or self.instruments[0]
        price = (Decimal(self.world.prices[name]) * Decimal(away or "1.01")).to_integral_value()
        terms = {"order_type": "LIMIT", "quantity": quantity, "limit_price": str(price)}
        body = {"action": "PLACE", "instrument": name, "side": "BUY", "product": "INTRADAY"}
        ttl = {"expires_in_s": expires_in_s} if expires_in_s else {}
        return {"strategy_id": self.strategy_id, **body, "terms": terms, **ttl}

    def change_body(self, action: str, parent: str, *, away: str = "") -> dict[str, Any]:
        """Describe a MODIFY (to a limit moved by `away`) or CANCEL of the first instrument."""
        terms = {"terms": self.place_body(away=away)["terms"]} if away else {}
        return {
            "strategy_id": self.strategy_id,
            "action": action,
            "parent_signal_id": parent,
            "instrument": self.instruments[0],
            **terms,
        }

    async def send(
        self, body: dict[str, Any], *, key: str | None = None, service: str = "web"
    ) -> httpx.Response:
        """POST a signal once, as the master; a 202 is noted for the judge."""
        address = self.world.url(service)
        answer = await self.world.http.post(
            f"{address}/signals",
            json=body,
            headers={
                "Idempotency-Key": key or uuid.uuid4().hex,
                "Origin": address,
                "Cookie": f"lockstep={self.master.cookie}",
            },
        )
        if answer.status_code == httpx.codes.ACCEPTED:
            self._note(str(answer.json()["signal_id"]), body)
        return answer

    async def emit(self, body: dict[str, Any] | None = None) -> str:
        """Send a signal that must be accepted; return its id."""
        answer = await self.send(body or self.place_body())
        if answer.status_code != httpx.codes.ACCEPTED:
            raise Failed(f"POST /signals answered {answer.status_code} {answer.text[:200]}")
        return str(answer.json()["signal_id"])

    def _note(self, signal_id: str, body: dict[str, Any]) -> None:
        if any(signal.signal_id == signal_id for signal in self.signals):
            return
        signal = Emitted(
            signal_id=signal_id,
            action=body["action"],
            instrument=body.get("instrument", ""),
            eligible=[follower.account_id for follower in self.followers],
        )
        self.signals.append(signal)
        self.world.signals.append(signal)

    @property
    def signal_ids(self) -> list[str]:
        return [signal.signal_id for signal in self.signals]

    async def states(self, signal_id: str) -> list[str]:
        return [order.state for order in await self.world.ledger.orders([signal_id])]

    async def until(
        self, what: str, done: Callable[[], Awaitable[bool]], within_s: float = 20
    ) -> None:
        """Wait for something, bounded; raise `Failed` when it does not come."""
        deadline = time.monotonic() + within_s
        while not await done():
            if time.monotonic() > deadline:
                raise Failed(f"not within {within_s:g} s: {what}")
            await asyncio.sleep(_LOOK_S)

    async def until_states(
        self,
        signal_id: str,
        wanted: Set[str],
        within_s: float = 20,
        *,
        of: Sequence[Member] | None = None,
    ) -> None:
        """Wait until each order of a signal, or those of some, is in one of these states."""
        found: list[str] = []
        accounts = {one.account_id for one in (self.followers if of is None else of)}

        async def done() -> bool:
            orders = await self.world.ledger.orders([signal_id])
            found[:] = [order.state for order in orders if order.account_id in accounts]
            return len(found) == len(accounts) and set(found) <= wanted

        try:
            await self.until("", done, within_s)
        except Failed as error:
            counts = {state: found.count(state) for state in sorted(set(found))}
            words = f"orders of a signal stand at {counts}, not {sorted(wanted)}"
            raise Failed(f"after {within_s:g} s the {words}") from error

    async def until_arrivals(self, count: int, operation: str = "place") -> None:
        """Wait until the simulator took so many requests since the row began."""

        async def done() -> bool:
            entries = await self.world.simulator.entries(self.cursor)
            return sum(a.operation == operation for a in arrivals_of(entries)) >= count

        await self.until(f"{count} requests to {operation} at the broker", done)

    async def arrivals_of(self, signal_id: str) -> int:
        """Count the requests at the broker that belong to a signal."""
        tags = {order.tag for order in await self.world.ledger.orders([signal_id])}
        entries = await self.world.simulator.entries(self.cursor)
        return sum(arrival.tag in tags for arrival in arrivals_of(entries))

    async def finish(self) -> Case:
        """Put the world right, see that lanes work again, wait for the end, gather the evidence."""
        await self.mend()
        if self.probing is not None:
            await self.probing
        await self.until_all_settled()
        case = await self._told(await self._case())
        self._look_at_the_spared(case)
        return case

    def _look_at_the_spared(self, case: Case) -> None:
        if self.struck is None:
            return
        meanwhile = set(self.signal_ids[self._struck_from : self._struck_until])
        self.isolation.others_ms, self.isolation.planned = times_of(
            [order for order in case.orders if order.signal_id in meanwhile],
            case.arrivals,
            {follower.account_id for follower in self.followers} - self.struck,
        )

    async def _probe(self) -> None:
        """Trade once more: recovery is over when every reachable follower has the order."""
        body = self.place_body(self.instruments[-1])
        signal_id = await self.emit(body)
        wanted = {f.account_id for f in self.followers} - self.unreachable

        async def done() -> bool:
            orders = await self.world.ledger.orders([signal_id])
            return {o.account_id for o in orders if o.state in AT_BROKER} >= wanted

        try:
            await self.until("a signal after the fault reaches its followers", done)
        except Failed as error:
            self.violations.append(f"row: {error}")
        else:
            self.recovery_s = time.monotonic() - (self.over_at or 0)

    async def until_all_settled(self) -> None:
        """Wait until nothing moves any more, or the time for it is over."""

        async def done() -> bool:
            orders = await self.world.ledger.orders(self.signal_ids)
            planned = sum(len(s.eligible) for s in self.signals if s.action == "PLACE")
            return len(orders) >= planned and all(map(settled, orders)) and await self._quiet()

        # What is not settled by then, the judge names.
        with contextlib.suppress(Failed):
            await self.until("", done, self.settled_within_s)

    async def _quiet(self) -> bool:
        """Say whether the book has nothing our ledger has not folded yet, and no change waits."""
        entries = await self.world.simulator.entries(self.cursor)
        created = await created_of(entries, self.world.simulator)
        orders = await self.world.ledger.orders(self.signal_ids)
        mine = {order.tag: order for order in orders}
        behind = [
            c
            for c in created
            if (order := mine.get(c.tag or ""))
            and order.state not in {c.status, "NEEDS_ATTENTION"}
            and (order.state, c.status) != ("ACKED", "OPEN")
        ]
        waiting = await self.world.ledger.fetch(
            """SELECT count(*) AS n FROM executor.commands
            WHERE signal_id = ANY($1::uuid[]) AND state IN ('DUE', 'SENDING')""",
            self.signal_ids,
        )
        return not behind and not waiting[0]["n"]

    async def _alarms(self) -> list[Alarm]:
        alarms = await self.world.ledger.alarms(self.began_at)
        before = {(a.schema, a.name, a.subject, a.opened_at) for a in self.stood_before}
        return [a for a in alarms if (a.schema, a.name, a.subject, a.opened_at) not in before]

    async def _told(self, case: Case) -> Case:
        """Wait until every alarm was raised and is over, as long as it may take."""
        deadline = time.monotonic() + _TOLD_WITHIN_S
        while list(not_silent(case)) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
            case = replace(
                case,
                alarms=await self._alarms(),
                unwritten_alarms=await self.secrets.unwritten_alarms(),
            )
        return case

    def _net_of_foreign(self, created: Sequence[Created]) -> Net:
        """Add up what the accounts' owners traded themselves."""
        accounts = {f.client_id: f.account_id for f in self.followers}
        found: Counter[tuple[str, str]] = Counter()
        for order in created:
            if order.order_id in self.foreign:
                found[accounts[order.client_id], order.instrument] += _signed(order)
        return found

    async def _case(self) -> Case:
        world, ids = self.world, self.signal_ids
        orders = await world.ledger.orders(ids)
        entries = await world.simulator.entries(self.cursor)
        clients = {f.account_id: f.client_id for f in self.followers}
        mine = set(clients.values())
        created = [c for c in await created_of(entries, world.simulator) if c.client_id in mine]
        net_books = difference(await world.simulator.net(clients), self.net_books)
        return Case(
            now=await world.ledger.now(),
            signals=self.signals,
            signal_rows=await world.ledger.signal_rows(ids),
            orders=orders,
            history=await world.ledger.history([order.order_id for order in orders]),
            arrivals=[a for a in arrivals_of(entries) if a.client_id in mine],
            created=created,
            alarms=await self._alarms(),
            expected=self.expected,
            net_books=difference(net_books, self._net_of_foreign(created)),
            net_ours=difference(await world.ledger.net(list(clients)), self.net_ours),
            foreign=frozenset(self.foreign),
            unwritten_alarms=await self.secrets.unwritten_alarms(),
            leaked=await self.secrets.leaks(),
            chain=await world.ledger.broken_links(),
        )


def _signed(order: Created) -> int:
    return order.filled_quantity if order.side == "BUY" else -order.filled_quantity
