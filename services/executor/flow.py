"""From a master's signal to an order at the broker: plan, dispatch. settling.py ends the story."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from libs.brokers.errors import BrokerError, NotProcessed, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession, OrderGateway
from libs.contracts.codec import Record, Undecodable
from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.trading.accounts import Environment
from libs.trading.events import UpdateSource
from libs.trading.follows import Follow
from libs.trading.orders import OrderReport, OrderStatus
from libs.trading.reasons import HoldReason
from libs.trading.signals import Signal
from services.executor.births import Born, Ready
from services.executor.catching_up import Sources, missed_by, without_gaps
from services.executor.copying import copy
from services.executor.fanout import Fanout
from services.executor.folding import NOT_SENT, RATE, SESSION, UNKNOWN
from services.executor.followers import Followers
from services.executor.intake import Heard, sorted_out
from services.executor.lanes import Lanes
from services.executor.pace import Pace
from services.executor.planning import PlanningPage
from services.executor.recording import Moved
from services.executor.rows import Claim, Due, PlannedOrder, Word, by_kind
from services.executor.sessions import Sessions

log = structlog.get_logger()

_SESSION_WAIT_S = 1.0
_CHANGE_AGAIN_S = 2.0


class Ledger(Protocol):
    """The durable truth; each method is one short transaction."""

    def births(
        self, signal: Signal, orders: Sequence[PlannedOrder], shards: Sequence[int], ready: Ready
    ) -> AsyncIterator[Born]: ...

    def page(self, signal: Signal, ready: Ready) -> AbstractAsyncContextManager[PlanningPage]: ...

    async def bury(self, dead: Sequence[Undecodable]) -> None: ...

    async def claim(self, due: Sequence[Due]) -> list[Claim]: ...

    async def skip_stopped(self, due: Sequence[Due]) -> None: ...

    async def hold(self, due: Sequence[Due], reason: str, message: str, delay_s: float) -> None: ...

    def record_soon(self, word: Word) -> None: ...

    async def record(self, words: Sequence[Word]) -> list[Moved]: ...

    async def finish_command(
        self, claim: Claim, state: str, message: str, *, again_in_s: float = 0
    ) -> None: ...

    async def sweep(self) -> list[Due]: ...


class Gateways(Protocol):
    """The broker's order door of each environment."""

    def of(self, environment: Environment) -> OrderGateway: ...


@dataclass(frozen=True, slots=True)
class ExecutorFlow:
    followers: Followers
    fanout: Fanout
    ledger: Ledger
    sources: Sources
    lanes: Lanes
    sessions: Sessions
    gateways: Gateways
    pace: Pace
    # Whether this broker's session and rate refusals are known to come before processing.
    refusals_prove: bool

    async def plan(self, records: Sequence[Record | Undecodable]) -> None:
        """Write down what each follower shall get; what may leave, leaves once that is durable."""
        heard = sorted_out(records, self.followers.broker)
        follows = await self._learn(heard)
        signals = await without_gaps(heard.in_order(), self.followers, self.sources)
        late = await missed_by(follows, self.followers, self.sources)
        for signal, shards in signals:
            async for born in copy(
                self.ledger, signal, shards, self.followers, self.fanout, self._ready
            ):
                self._launch(born)
            for shard in shards:
                self.followers.note_planned(shard, signal.master_id, signal.seq)
        for signal, follow in late:
            orders = self.fanout.entries(signal, [follow], self.followers.accounts)
            async for born in self.ledger.births(signal, orders, [], self._ready):
                self._launch(born)
        await self.ledger.bury(heard.dead)
        if heard.words:
            await self.ledger.record(heard.words)
        crashpoint(Crashpoint.AFTER_PLAN_COMMIT)

    async def dispatch(self, due: Sequence[Due]) -> None:
        """Claim in one statement per kind what is due, and send each claimed request once."""
        connected = await self._with_session(due)
        for group in by_kind(self._within_pace(connected)):
            claims = await self.ledger.claim(group)
            self._launch(Born(claims=claims))
            sent = {claim.order_id for claim in claims}
            await self.ledger.skip_stopped([i for i in group if i.order_id not in sent])

    async def send(self, claim: Claim) -> None:
        session = self.sessions.get(claim.intent.account_id)
        if session is None:
            await self._heard(claim, problem=SESSION, message="the session ended just now")
            return
        try:
            report = await self._request(claim, session)
        except SessionExpired as error:
            self.sessions.refuse(session.account_id)
            problem = SESSION if self.refusals_prove else UNKNOWN
            await self._heard(claim, problem=problem, message=str(error))
        except RateLimited as error:
            problem = RATE if self.refusals_prove else UNKNOWN
            await self._heard(
                claim, problem=problem, message=str(error), retry_after_s=error.retry_after_s
            )
        except NotProcessed as error:
            await self._heard(claim, problem=NOT_SENT, message=str(error))
        except BrokerError as error:
            await self._heard(claim, problem=UNKNOWN, message=str(error))
        else:
            crashpoint(Crashpoint.AFTER_REPLY)
            await self._answered(claim, report)

    async def sweep(self) -> None:
        """Close what ran out of time and wake what is due and not known here."""
        self.lanes.wake(await self.ledger.sweep())

    async def _request(self, claim: Claim, session: BrokerSession) -> OrderReport:
        gateway = self.gateways.of(session.environment)
        match claim.kind:
            case "MODIFY":
                return await gateway.modify_order(
                    session, claim.broker_order_id, claim.intent, not_after=claim.not_after
                )
            case "CANCEL":
                return await gateway.cancel_order(
                    session, claim.broker_order_id, claim.intent, not_after=claim.not_after
                )
            case _:
                return await gateway.place_order(session, claim.intent, not_after=claim.not_after)

    async def _answered(self, claim: Claim, report: OrderReport) -> None:
        refused_change = claim.command and report.status is OrderStatus.REJECTED and report.code
        if not refused_change:
            self.ledger.record_soon(_word(claim, report=report))
        if claim.command:
            state = "REFUSED" if refused_change else "DONE"
            await self.ledger.finish_command(claim, state, report.message)

    async def _heard(
        self, claim: Claim, *, problem: str, message: str, retry_after_s: float = 1.0
    ) -> None:
        """Keep a verdict about our own request. Only a lost PLACE leaves the order in doubt."""
        log.info(
            "request_unanswered",
            signal_id=claim.signal_id,
            order_id=claim.order_id,
            kind=claim.kind,
            problem=problem,
            error=message,
        )
        if claim.command:
            wait_s = max(retry_after_s, _CHANGE_AGAIN_S if problem == UNKNOWN else 0)
            await self.ledger.finish_command(claim, "DUE", message, again_in_s=wait_s)
        else:
            self.ledger.record_soon(
                _word(claim, problem=problem, message=message, retry_after_s=retry_after_s)
            )

    def _ready(self, order: PlannedOrder) -> bool:
        """Say whether this order could leave now, as far as this process knows; count it if so."""
        if not self.lanes.has_room or self.sessions.get(order.account_id) is None:
            return False
        return not self._wait_s(
            order.account_id, order.instrument, urgent=order.action.reduces_risk
        )

    def _launch(self, born: Born) -> None:
        """Write to the wire at once: what is claimed and not sent stands in doubt for long."""
        if born.claims:
            crashpoint(Crashpoint.AFTER_SENDING_COMMIT)
        for claim in born.claims:
            self.lanes.start(self.send(claim))
        self.lanes.wake(born.due)

    def _wait_s(self, account_id: str, instrument: str, *, urgent: bool) -> float:
        segment = instrument.partition(":")[0]
        return self.pace.wait_s(account_id, segment, urgent=urgent, now=time.monotonic())

    async def _with_session(self, due: Sequence[Due]) -> list[Due]:
        connected: list[Due] = []
        waiting: list[Due] = []
        for item in due:
            (connected if self.sessions.get(item.account_id) else waiting).append(item)
        if waiting:
            self.sessions.want({item.account_id for item in waiting})
            await self.ledger.hold(
                waiting, HoldReason.SESSION, "Waiting for the broker session.", _SESSION_WAIT_S
            )
        return connected

    def _within_pace(self, due: Sequence[Due]) -> list[Due]:
        """Let through what the exchange's limits allow now; the rest comes back by itself."""
        allowed = []
        for item in due:
            wait_s = self._wait_s(item.account_id, item.instrument, urgent=item.urgent)
            if wait_s:
                self.lanes.wake_later(item, wait_s)
            else:
                allowed.append(item)
        return allowed

    async def _learn(self, heard: Heard) -> list[Follow]:
        """Take in accounts and follows; return the follows heard, each in its newest version.

        Those known already too: a batch that is planned a second time must miss nothing.
        """
        for account in heard.accounts:
            if self.followers.learn_account(account):
                self.sessions.learn(account)
        for follow in heard.follows:
            self.followers.learn_follow(follow)
        follows = [known for f in heard.follows if (known := self.followers.known(f)) is not None]
        strangers = [f.account_id for f in follows if f.account_id not in self.followers.accounts]
        if strangers:
            # The follow overtook its account's own event.
            for account in await self.sources.accounts(account_ids=strangers):
                self.followers.learn_account(account)
                self.sessions.learn(account)
        return follows


def _word(
    claim: Claim,
    *,
    report: OrderReport | None = None,
    problem: str | None = None,
    message: str = "",
    retry_after_s: float = 1.0,
) -> Word:
    return Word(
        account_id=claim.intent.account_id,
        source=UpdateSource.REPLY,
        received_at=datetime.now(UTC),
        order_id=claim.order_id,
        report=report,
        problem=problem,
        message=message,
        retry_after_s=retry_after_s,
    )
