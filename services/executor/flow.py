"""From a master's signal to an order at the broker: plan, dispatch. settling.py ends the story."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from libs.brokers.errors import (
    BrokerError,
    NotProcessed,
    RateLimited,
    SessionExpired,
)
from libs.brokers.protocol import BrokerSession, OrderGateway
from libs.contracts.codec import Record, Undecodable
from libs.runtime.crashpoints import Crashpoint, crashpoint
from libs.trading.accounts import Environment
from libs.trading.events import UpdateSource
from libs.trading.follows import Follow
from libs.trading.market import RequestKind
from libs.trading.orders import OrderReport, OrderStatus
from libs.trading.reasons import SKIP_SENTENCES, HoldReason, SkipReason
from libs.trading.signals import Signal
from services.executor.births import Born, Ready
from services.executor.catching_up import Sources, missed_by, without_gaps
from services.executor.copying import Copying, Prices, quotes_for
from services.executor.departure import Departure, Wait
from services.executor.fanout import Fanout
from services.executor.folding import NOT_SENT, RATE, SESSION, UNKNOWN
from services.executor.followers import Followers, ShardsLost
from services.executor.intake import Heard, sorted_out
from services.executor.lanes import Lanes
from services.executor.market import Hold, Skip
from services.executor.planning import PlanningPage
from services.executor.recording import Moved
from services.executor.rows import Claim, Due, PlannedOrder, Word, by_kind
from services.executor.sessions import Sessions
from services.executor.shedding import surplus
from services.executor.standings import Standings
from services.executor.watching import Recently

log = structlog.get_logger()

_CHANGE_AGAIN_S = 2.0
# A refusal that asks for a longer wait is of the minute's limit, not of the second's.
_SECOND_LIMIT_WAIT_S = 1.5


class Ledger(Protocol):
    """The durable truth; each method is one short transaction."""

    def births(
        self, signal: Signal, orders: Sequence[PlannedOrder], shards: Sequence[int], ready: Ready
    ) -> AsyncIterator[Born]: ...

    def page(self, signal: Signal, ready: Ready) -> AbstractAsyncContextManager[PlanningPage]: ...

    async def bury(self, dead: Sequence[Undecodable]) -> None: ...

    async def claim(self, due: Sequence[Due]) -> list[Claim]: ...

    async def skip_stopped(self, due: Sequence[Due]) -> None: ...

    async def hold(self, due: Sequence[tuple[Due, datetime]], reason: HoldReason) -> None: ...

    async def skip(
        self, due: Sequence[Due], reason: SkipReason, figures: Mapping[str, str]
    ) -> None: ...

    async def drop_commands(self, due: Sequence[Due], message: str) -> None: ...

    async def note_breach(self, account_id: str) -> None: ...

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
    departure: Departure
    gateways: Gateways
    prices: Prices
    standings: Standings
    # Whether this broker's session and rate refusals are known to come before processing.
    refusals_prove: bool
    # More than this never waits here; what is left out stands in `shed` for a while.
    waiting_max: int
    shed: Recently = field(default_factory=Recently)
    # Signals that the bus did not bring and the database did.
    refilled: Recently = field(default_factory=Recently)

    async def plan(self, records: Sequence[Record | Undecodable]) -> None:
        """Write down what each follower shall get; what may leave, leaves once that is durable."""
        heard = sorted_out(records, self.followers.broker)
        follows = await self._learn(heard)
        signals = await without_gaps(heard.in_order(), self.followers, self.sources)
        if refilled := sum(signal.signal_id not in heard.signals for signal, _ in signals):
            self.refilled.note(records=str(refilled))
        late = await missed_by(follows, self.followers, self.sources)
        for signal, shards in signals:
            copying = Copying(
                book=self.ledger,
                signal=signal,
                shards=shards,
                followers=self.followers,
                fanout=self.fanout,
                prices=self.prices,
                ready=self._ready,
                now=self.departure.clock.now,
            )
            async for born in copying.write():
                self._launch(born)
                self.standings.note(signal.strategy_id, born.orders)
            for shard in shards:
                self.followers.note_planned(shard, signal.master_id, signal.seq)
        await self._plan_late(late)
        await self.ledger.bury(heard.dead)
        if heard.words:
            await self.ledger.record(heard.words)
        crashpoint(Crashpoint.AFTER_PLAN_COMMIT)

    async def dispatch(self, due: Sequence[Due]) -> None:
        """Claim in one statement per kind what may leave, and send each claimed request once."""
        for group in by_kind(await self._may_leave(due)):
            claims = await self.ledger.claim(group)
            self._launch(Born(claims=claims))
            sent = {claim.order_id for claim in claims}
            refused = [item for item in group if item.order_id not in sent]
            for item in refused:
                self.departure.not_sent_after_all(item.leaving)
            await self.ledger.skip_stopped(refused)

    async def send(self, claim: Claim) -> None:
        session = self.sessions.get(claim.intent.account_id)
        if session is None:
            await self._heard(claim, problem=SESSION, message="the session ended just now")
            return
        try:
            report = await self._request(claim, session)
        except BrokerError as error:
            await self._failed(claim, session, error)
        else:
            self.departure.answered(session.environment)
            crashpoint(Crashpoint.AFTER_REPLY)
            await self._answered(claim, report)

    async def sweep(self) -> None:
        """Close what ran out of time, wake what is due, and leave out what is too much."""
        self.lanes.wake(await self.ledger.sweep())
        waiting = self.lanes.waiting
        over = surplus(waiting, self.waiting_max)
        if over:
            self.shed.note(entries=str(over.entries), modifications=str(over.modifications))
            entries = self.lanes.take_newest(RequestKind.ENTRY, over.entries)
            figures = {"waiting": str(waiting.total), "limit": str(self.waiting_max)}
            await self.ledger.skip(entries, SkipReason.OVERLOAD, figures)
            changes = self.lanes.take_newest(RequestKind.MODIFY, over.modifications)
            await self.ledger.drop_commands(changes, SKIP_SENTENCES[SkipReason.OVERLOAD])

    async def _plan_late(self, late: Sequence[tuple[Signal, Follow]]) -> None:
        """Give a follow that was heard after its signal its order."""
        for signal, follow in late:
            if self.followers.known(follow) is None:
                raise ShardsLost(f"follow {follow.follow_id}")
            accounts = self.followers.accounts
            quotes = await quotes_for(signal, [follow], accounts, self.fanout, self.prices)
            orders = self.fanout.entries(
                signal,
                [follow],
                accounts,
                at=self.departure.clock.now(),
                quotes=quotes,
            )
            async for born in self.ledger.births(signal, orders, [], self._ready):
                self._launch(born)
                self.standings.note(signal.strategy_id, born.orders)

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

    async def _failed(self, claim: Claim, session: BrokerSession, error: BrokerError) -> None:
        """Judge a request that brought no report: proof that nothing was done, or doubt."""
        self.departure.failed(session.environment, error, late=time.monotonic() > claim.not_after)
        retry_after_s = 1.0
        match error:
            case SessionExpired():
                self.sessions.refuse(session)
                problem = SESSION if self.refusals_prove else UNKNOWN
            case RateLimited():
                retry_after_s = error.retry_after_s
                problem = RATE if self.refusals_prove else UNKNOWN
            case NotProcessed():
                problem = NOT_SENT
            case _:
                problem = UNKNOWN
        await self._heard(claim, problem=problem, message=str(error), retry_after_s=retry_after_s)
        # The second's is a matter of pace; the minute's brings the account near a day's block.
        if isinstance(error, RateLimited) and error.retry_after_s > _SECOND_LIMIT_WAIT_S:
            await self.ledger.note_breach(session.account_id)

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
        return self.lanes.has_room and self.departure.ready(order.leaving)

    def _launch(self, born: Born) -> None:
        """Write to the wire at once: what is claimed and not sent stands in doubt for long."""
        if born.claims:
            crashpoint(Crashpoint.AFTER_SENDING_COMMIT)
        for claim in born.claims:
            self.lanes.start(self.send(claim))
        self.lanes.wake(born.due)

    async def _may_leave(self, due: Sequence[Due]) -> list[Due]:
        """Keep back what something stands in the way of; a longer wait is written down."""
        allowed: list[Due] = []
        held: defaultdict[HoldReason, list[tuple[Due, datetime]]] = defaultdict(list)
        skipped: defaultdict[Skip, list[Due]] = defaultdict(list)
        for item in due:
            match self.departure.obstacle(item.leaving):
                case None:
                    allowed.append(item)
                case Wait(seconds=seconds):
                    self.lanes.wake_later(item, seconds)
                case Hold(reason=why, until=until):
                    held[why].append((item, until))
                case Skip() as skip:
                    skipped[skip].append(item)
        for why, items in held.items():
            await self.ledger.hold(items, why)
        for skip, unwanted in skipped.items():
            await self.ledger.skip(unwanted, skip.reason, skip.figures)
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
