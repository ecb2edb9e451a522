"""What the people of the demo's day do; each step waits for what must come of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from deploy.local.demo.evidence import Ledger, Simulator
from deploy.local.demo.judge import OVER_STATES
from deploy.local.follows import STRATEGIES
from deploy.local.problems import Problem
from deploy.local.visitor import Visitor

SETTLED = OVER_STATES | {"OPEN", "PARTIAL", "NOT_PLACED", "NEEDS_ATTENTION"}
_STEP_S = 40


@dataclass(slots=True, kw_only=True)
class Day:
    """What happened so far. Strategies go by their places in `STRATEGIES`.

    `masters`, `operator` and `follower` are signed in; `acts` names what begins with a signal.
    """

    masters: Sequence[Visitor]
    operator: Visitor
    follower: Visitor
    strategies: Sequence[str]
    simulator: Simulator
    ledger: Ledger
    prices: Mapping[str, str]
    note: Callable[[str], None]
    instruments: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    acts: dict[str, str] = field(default_factory=dict)
    _act: str = ""

    @property
    def signals(self) -> list[str]:
        return list(self.titles)

    def act(self, name: str) -> None:
        """Name what begins with the next signal."""
        self._act = name

    async def place(
        self,
        strategy: int,
        instrument: str,
        order_type: str,
        quantity: int,
        *,
        away: str = "1.002",
        paid: str | None = None,
        product: str = "INTRADAY",
    ) -> str:
        """Buy; `away` is how far from the last price a limit is, `paid` what the master traded at.

        Both are factors.
        """
        more = {"product": product}
        if paid is not None:
            more["master_price"] = self.price(instrument, paid)
        limit = self.price(instrument, away) if order_type == "LIMIT" else None
        title = f"{order_type} {quantity} {_short(instrument)}"
        return await self.enter(
            strategy, instrument, _terms(order_type, quantity, limit), title=title, **more
        )

    async def enter(
        self,
        strategy: int,
        instrument: str,
        terms: dict[str, Any],
        *,
        title: str,
        **more: Any,  # noqa: ANN401 (any field of a signal)
    ) -> str:
        """Emit a PLACE and wait until it is settled."""
        body = {"action": "PLACE", "side": "BUY", "product": "INTRADAY", "terms": terms, **more}
        signal_id = await self.emit(strategy, instrument, body, title)
        await self.settled(signal_id)
        return signal_id

    async def fill(self, strategy: int, instrument: str, part: tuple[int, int], of: int) -> str:
        """Say that a master's order was filled from one quantity to another."""
        before, after = part
        signal_id = await self.enter(
            strategy,
            instrument,
            # Not MARKET: that would wait for a price, and a slow machine may be late with it.
            _terms("LIMIT", of, self.price(instrument, "1.01")),
            title=f"fill {before} → {after} {_short(instrument)}",
            filled_before=before,
            filled_after=after,
        )
        await self.over(signal_id)
        return signal_id

    async def exit(
        self,
        strategy: int,
        instrument: str,
        quantity: int,
        *,
        held: int | None = None,
        away: str | None = None,
        side: str = "SELL",
    ) -> str:
        """Close all, or the share that `quantity` is of `held`; `away` makes it wait at a limit."""
        how = "MARKET" if away is None else "LIMIT"
        limit = None if away is None else self.price(instrument, away)
        body: dict[str, Any] = {"action": "EXIT", "side": side, "product": "INTRADAY"}
        body["terms"] = _terms(how, quantity, limit)
        if held is not None:
            body["held_quantity"] = held
        what = "EXIT" if held is None else f"EXIT {quantity} of {held}"
        title = f"{what} {_short(instrument)}{'' if away is None else ' at a limit'}"
        signal_id = await self.emit(strategy, instrument, body, title)
        await self.settled(signal_id)
        return signal_id

    async def modify(self, strategy: int, parent: str, quantity: int, *, away: str) -> None:
        """Move the limit of what rests, and wait until every follower's order was asked to."""
        instrument = self.instruments[parent]
        terms = _terms("LIMIT", quantity, self.price(instrument, away))
        body = {"action": "MODIFY", "parent_signal_id": parent, "terms": terms}
        await self._change(strategy, parent, body, f"MODIFY to the market {_short(instrument)}")

    async def cancel(self, strategy: int, parent: str) -> None:
        body = {"action": "CANCEL", "parent_signal_id": parent}
        title = f"CANCEL {_short(self.instruments[parent])}"
        await self._change(strategy, parent, body, title)
        await self.over(parent)

    async def reverse(self, strategy: int, instrument: str, quantity: int) -> None:
        """Close what was bought and sell as much short, in one request."""
        body = {
            "strategy_id": self.strategies[strategy],
            "instrument": instrument,
            "side": "SELL",
            "product": "INTRADAY",
            "terms": _terms("LIMIT", quantity, self.price(instrument, "0.998")),
        }
        answer = await self._master(strategy).reverse(body)
        both = {name: str(answer[name]["signal_id"]) for name in ("exit", "entry")}
        for name, signal_id in both.items():
            self._add(strategy, signal_id, instrument, f"turn round {_short(instrument)}: {name}")
        for signal_id in both.values():
            await self.settled(signal_id)
            await self.over(signal_id)

    async def emit(self, strategy: int, instrument: str, body: dict[str, Any], title: str) -> str:
        """Send one signal as its master; the title is for people."""
        whole = {"strategy_id": self.strategies[strategy], "instrument": instrument, **body}
        signal_id = str((await self._master(strategy).emit(whole))["signal_id"])
        self._add(strategy, signal_id, instrument, title)
        return signal_id

    @asynccontextmanager
    async def stopped(self, strategy: int) -> AsyncIterator[None]:
        """Stop the entries of a strategy by its kill switch, and let them go again."""
        subject = {"scope": "STRATEGY", "subject": self.strategies[strategy]}
        reason = "a moment of the demo's day"
        await self.operator.call("PUT", "/kill-switches", {**subject, "reason": reason})
        try:
            yield
        finally:
            query = urlencode({**subject, "reason": f"{reason} is over"})
            await self.operator.call("DELETE", f"/kill-switches?{query}")

    @asynccontextmanager
    async def paused(self, strategy: int) -> AsyncIterator[None]:
        """Let the follower pause the following of a strategy, and go on."""
        follows = (await self.follower.call("GET", "/follows"))["follows"]
        [path] = [
            f"/follows/{one['follow_id']}"
            for one in follows
            if one["strategy_id"] == self.strategies[strategy] and one["until_seq"] is None
        ]
        await self.follower.call("PATCH", path, {"paused": True})
        try:
            yield
        finally:
            await self.follower.call("PATCH", path, {"paused": False})

    async def settled(self, signal_id: str, *, within_s: float = _STEP_S) -> None:
        """Wait until everybody it concerns has a row, and every order rests or is over."""
        mine = {signal_id: self.instruments[signal_id]}

        async def done() -> bool:
            wanted = {account_id for _, account_id in await self.ledger.eligible(mine)}
            states = await self.ledger.states(signal_id)
            have = {account_id for account_id, _ in states}
            return wanted <= have and all(state in SETTLED for _, state in states)

        await self._until(done, signal_id, within_s)

    async def over(self, signal_id: str) -> None:
        """Wait until no order of a signal is at work any more."""

        async def done() -> bool:
            return all(state in OVER_STATES for _, state in await self.ledger.states(signal_id))

        await self._until(done, signal_id, _STEP_S)

    def price(self, instrument: str, factor: str) -> str:
        # Whole rupees fit every tick size there is.
        return str((Decimal(self.prices[instrument]) * Decimal(factor)).to_integral_value())

    async def _change(self, strategy: int, parent: str, body: dict[str, Any], title: str) -> None:
        at_work = await self.ledger.working(parent)
        signal_id = await self.emit(strategy, self.instruments[parent], body, title)

        async def done() -> bool:
            over, asked = await self.ledger.changes_done(signal_id)
            return over == asked >= at_work

        await self._until(done, signal_id, _STEP_S)

    def _master(self, strategy: int) -> Visitor:
        return self.masters[STRATEGIES[strategy].master - 1]

    def _add(self, strategy: int, signal_id: str, instrument: str, title: str) -> None:
        self.note(f"{len(self.titles) + 1}: {title}")
        if self._act:
            self.acts[signal_id], self._act = self._act, ""
        self.instruments[signal_id] = instrument
        self.titles[signal_id] = f"master {STRATEGIES[strategy].master}  {title}"

    async def _until(
        self, done: Callable[[], Awaitable[bool]], signal_id: str, within_s: float
    ) -> None:
        deadline = time.monotonic() + within_s
        while not await done():
            if time.monotonic() > deadline:
                states = sorted({state for _, state in await self.ledger.states(signal_id)})
                raise Problem(
                    f"After {within_s:g} s the orders of “{self.titles[signal_id]}” stand at "
                    f"{', '.join(states) or 'nothing'}",
                    "Read the logs of the executors (run/log)",
                )
            await asyncio.sleep(0.05)


def _terms(order_type: str, quantity: int, limit: str | None = None) -> dict[str, Any]:
    terms: dict[str, Any] = {"order_type": order_type, "quantity": quantity}
    return terms if limit is None else {**terms, "limit_price": limit}


def _short(instrument: str) -> str:
    """Leave out of an option what tells it from others: NFO:NIFTY:2026-12-29:24500:CE."""
    words = instrument.split(":")
    return f"{words[1]} {words[-1]}" if len(words) > 2 else instrument
