"""The script: twelve signals of two masters, and what must have become of each before the next."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deploy.local.demo.evidence import Ledger, Simulator
from deploy.local.demo.judge import OVER_STATES
from deploy.local.problems import Problem
from deploy.local.visitor import Visitor

SETTLED = OVER_STATES | {"OPEN", "PARTIAL", "NOT_PLACED", "NEEDS_ATTENTION"}
EXITED = "NSE:SBIN"
_STEP_S = 40
# Executors look every five seconds whose figures they need.
_FIGURES_S = 7


@dataclass(slots=True)
class Day:
    """What happened so far. `masters` are signed in, `strategies` are theirs, in the same order."""

    masters: Sequence[Visitor]
    strategies: Sequence[str]
    simulator: Simulator
    ledger: Ledger
    prices: Mapping[str, str]
    note: Callable[[str], None]
    signals: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    async def play(self) -> None:
        """Emit all twelve signals, once executors know the money of those whose rules ask."""
        self.note("executors read money and positions")
        await asyncio.sleep(_FIGURES_S)
        await self._settled(await self.place(0, EXITED, "MARKET", 10))
        await self._settled(await self.place(1, "NSE:RELIANCE", "LIMIT", 4, product="DELIVERY"))
        resting = await self._settled(await self.place(0, "NSE:TCS", "LIMIT", 8, away="0.99"))
        await self._modify(0, resting, "NSE:TCS", 8)
        unwanted = await self._settled(await self.place(1, "NSE:INFY", "LIMIT", 4, away="0.98"))
        await self._cancel(1, unwanted, "NSE:INFY")
        await self._stop_limit(0, "NSE:ITC", 12)
        await self._settled(await self.place(1, "NSE:HDFCBANK", "MARKET", 8))
        await self._settled(await self.place(0, "NSE:MARUTI", "MARKET", 40_000, product="DELIVERY"))
        await self._exit(0, EXITED)
        await self._settled(await self.place(0, "NSE:ICICIBANK", "LIMIT", 8))
        await self._settled(await self.place(1, "NSE:TATAMOTORS", "LIMIT", 12, away="0.97"))

    async def place(
        self,
        master: int,
        instrument: str,
        order_type: str,
        quantity: int,
        *,
        away: str = "1.002",
        product: str = "INTRADAY",
    ) -> str:
        """Buy; `away` moves a limit from the last price by this factor."""
        terms: dict[str, Any] = {"order_type": order_type, "quantity": quantity}
        if order_type == "LIMIT":
            terms["limit_price"] = self._price(instrument, away)
        body = {"instrument": instrument, "side": "BUY", "product": product, "terms": terms}
        title = f"{order_type} {quantity} {instrument}"
        return await self.emit(master, {"action": "PLACE", **body}, title)

    async def emit(self, master: int, body: dict[str, Any], title: str) -> str:
        """Send one signal as its master; the title is for people."""
        self.note(f"{len(self.signals) + 1}: {title}")
        answer = await self.masters[master].emit({"strategy_id": self.strategies[master], **body})
        signal_id = str(answer["signal_id"])
        self.signals.append(signal_id)
        self.titles[signal_id] = f"master {master + 1}  {title}"
        return signal_id

    async def settled(self, signal_id: str, *, within_s: float) -> None:
        """Wait until every order of a signal rests or is over."""

        async def done() -> bool:
            states = await self.ledger.states(signal_id)
            return bool(states) and all(state in SETTLED for state in states)

        await self._until(done, signal_id, within_s)

    async def _settled(self, signal_id: str) -> str:
        await self.settled(signal_id, within_s=_STEP_S)
        return signal_id

    async def _modify(self, master: int, parent: str, instrument: str, quantity: int) -> None:
        terms = {
            "order_type": "LIMIT",
            "quantity": quantity,
            "limit_price": self._price(instrument, "1.002"),
        }
        body = {"parent_signal_id": parent, "instrument": instrument, "terms": terms}
        signal_id = await self.emit(
            master, {"action": "MODIFY", **body}, f"MODIFY to the market {instrument}"
        )
        await self._changed(signal_id)

    async def _cancel(self, master: int, parent: str, instrument: str) -> None:
        body = {"parent_signal_id": parent, "instrument": instrument}
        signal_id = await self.emit(master, {"action": "CANCEL", **body}, f"CANCEL {instrument}")
        await self._changed(signal_id)

    async def _stop_limit(self, master: int, instrument: str, quantity: int) -> None:
        trigger = self._price(instrument, "1.01")
        terms = {
            "order_type": "STOP_LIMIT",
            "quantity": quantity,
            "trigger_price": trigger,
            "limit_price": self._price(instrument, "1.02"),
        }
        body = {"instrument": instrument, "side": "BUY", "product": "INTRADAY", "terms": terms}
        title = f"STOP_LIMIT {quantity} {instrument}"
        signal_id = await self._settled(await self.emit(master, {"action": "PLACE", **body}, title))
        await self.simulator.move(instrument, trigger)
        await self._changed_state(signal_id, "FILLED")
        await self.simulator.move(instrument, self.prices[instrument])

    async def _exit(self, master: int, instrument: str) -> None:
        terms = {"order_type": "MARKET", "quantity": 10}
        body = {"instrument": instrument, "side": "SELL", "product": "INTRADAY", "terms": terms}
        await self._settled(
            await self.emit(master, {"action": "EXIT", **body}, f"EXIT {instrument}")
        )

    async def _changed(self, signal_id: str) -> None:
        """Wait until every change this signal asked for is over."""

        async def done() -> bool:
            over, all_ = await self.ledger.changes_done(signal_id)
            return all_ > 0 and over == all_

        await self._until(done, signal_id, _STEP_S)

    async def _changed_state(self, signal_id: str, state: str) -> None:
        async def done() -> bool:
            return set(await self.ledger.states(signal_id)) <= {state, "SKIPPED"}

        await self._until(done, signal_id, _STEP_S)

    async def _until(self, done: Callable[[], Any], signal_id: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not await done():
            if time.monotonic() > deadline:
                states = sorted(set(await self.ledger.states(signal_id)))
                raise Problem(
                    f"After {within_s:g} s the orders of “{self.titles[signal_id]}” stand at "
                    f"{', '.join(states) or 'nothing'}",
                    "Read the logs of the executors (run/log)",
                )
            await asyncio.sleep(0.05)

    def _price(self, instrument: str, factor: str) -> str:
        # Whole rupees fit every tick size there is.
        return str((Decimal(self.prices[instrument]) * Decimal(factor)).to_integral_value())
