"""Wires what keeps ledger and brokers alike, beside the order path: loops, each on its own pace."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import structlog

from services.executor.alarms import ManyAlarms
from services.executor.attention_rows import Attention
from services.executor.balances import Balances
from services.executor.baseline import Baseline
from services.executor.day_rows import DayRows
from services.executor.drift import DriftWatch
from services.executor.executions import ExecutionReads
from services.executor.exit_retry_planning import ExitRetries
from services.executor.exit_retry_rows import RetryRows
from services.executor.flow import ExecutorFlow
from services.executor.gateways import OpenGateways
from services.executor.history_chain import HistoryChain
from services.executor.ledger import PostgresLedger
from services.executor.reads import AccountReads, Errands
from services.executor.rereading import Rereading
from services.executor.seal import Sealing
from services.executor.settings import ExecutorSettings
from services.executor.settling import Settling
from services.executor.settling_rows import DoubtRows
from services.executor.standing import Standing
from services.executor.syncing import Syncing

log = structlog.get_logger()


class Every(Protocol):
    """Does a step for ever, waiting in between."""

    def __call__(
        self, pause_s: float, name: str, step: Callable[[], Awaitable[object]]
    ) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    settings: ExecutorSettings
    errands: Errands
    settling: Settling
    rereading: Rereading
    standing: Standing
    attention: Attention
    exit_retries: ExitRetries
    drift: DriftWatch
    balances: Balances
    chain: HistoryChain
    sealing: Sealing

    def loops(self, every: Every) -> dict[str, Coroutine[Any, Any, None]]:
        """Name the endless loops of one replica; `every` is `Work.every`."""
        sweep_s = self.settings.sweep_every_s
        settle_s = min(sweep_s, self.settings.evidence_window_s / 60)
        return {
            "errands": self.errands.run(),
            "settle": every(settle_s, "settle", self.settling.settle),
            "reread": every(sweep_s, "reread", self.rereading.reread),
            "standing-alarms": every(sweep_s, "standing-alarms", self.standing.tell),
            # It waits by itself, for whoever asks.
            "exit-retries": every(0, "exit-retries", self.exit_retries.turn),
            "balances": every(
                min(self.settings.balances_every_s / 4, 5.0), "balances", self.balances.keep
            ),
            "drift": every(self.settings.position_check_s, "drift", self.drift.watch),
            "history-chain": every(self.settings.chain_every_s, "chain", self.chain.extend),
            "seal": every(self.settings.seal_check_s, "seal", self.sealing.seal_due),
        }


def build_reconciliation(
    settings: ExecutorSettings,
    pool: asyncpg.Pool,
    ledger: PostgresLedger,
    flow: ExecutorFlow,
    gateways: OpenGateways,
    alarms: ManyAlarms,
) -> Reconciliation:
    common = _Common(settings, pool, ledger, flow, gateways, alarms)
    rereading = common.rereading()
    drift = common.drift(rereading)
    chain = HistoryChain(pool, ledger.broker, ledger.holding)
    return Reconciliation(
        settings=settings,
        errands=common.errands,
        settling=common.settling(),
        rereading=rereading,
        standing=Standing(
            pool=pool,
            broker=ledger.broker,
            holding=ledger.holding,
            followers=flow.followers,
            standings=flow.standings,
            exits=common.retries,
            alarms=common.alarms,
        ),
        exit_retries=common.exit_retries(),
        attention=Attention(
            pool=pool,
            tag_key=common.tag_key,
            second_person_above=settings.second_person_above_rupees,
            reissue_lives_s=settings.reissue_lives_s,
            notices_of=ledger.notices_of,
            on_change=ledger.on_change,
        ),
        drift=drift,
        balances=Balances(
            pool=pool,
            followers=flow.followers,
            rows=common.rows,
            baseline=common.baseline,
            standings=flow.standings,
            reads=common.reads,
            errands=common.errands,
            every_s=settings.balances_every_s,
        ),
        chain=chain,
        sealing=common.sealing(drift, chain),
    )


class _Common:
    """What several parts share: one budget of reads, one baseline, one set of errands."""

    def __init__(
        self,
        settings: ExecutorSettings,
        pool: asyncpg.Pool,
        ledger: PostgresLedger,
        flow: ExecutorFlow,
        gateways: OpenGateways,
        alarms: ManyAlarms,
    ) -> None:
        """Build it around what the order path has already."""
        self.settings, self.pool, self.ledger, self.flow = settings, pool, ledger, flow
        self.tag_key = bytes.fromhex(settings.order_tag_key.get_secret_value())
        self.alarms = alarms
        self.errands = Errands()
        self.baseline = Baseline(pool)
        self.rows = DayRows(pool, ledger.broker)
        self.retries = RetryRows(pool, ledger.broker)
        self.doubts = DoubtRows(
            pool, ledger.broker, ledger.holding, ledger.notices_of, ledger.on_change
        )
        self.reads = AccountReads(
            sessions=flow.sessions,
            doors=gateways,
            requests_per_minute_max=gateways.manifest.requests_per_minute_max,
        )
        self.executions = ExecutionReads(reads=self.reads, baseline=self.baseline)
        self.syncing = Syncing(
            baseline=self.baseline,
            record_soon=ledger.record_soon,
            alarms=self.alarms,
            tag_key=self.tag_key,
            tags_echoed=gateways.manifest.tags_echoed,
        )

    def settling(self) -> Settling:
        return Settling(
            doubts=self.doubts,
            record_soon=self.ledger.record_soon,
            reads=self.reads,
            syncing=self.syncing,
            executions=self.executions,
            errands=self.errands,
            evidence_window_s=self.settings.evidence_window_s,
        )

    def rereading(self) -> Rereading:
        return Rereading(
            pool=self.pool,
            broker=self.ledger.broker,
            holding=self.ledger.holding,
            followers=self.flow.followers,
            baseline=self.baseline,
            reads=self.reads,
            syncing=self.syncing,
            executions=self.executions,
            standings=self.flow.standings,
            errands=self.errands,
            alarms=self.alarms,
            check_s=self.settings.working_check_s,
        )

    def drift(self, rereading: Rereading) -> DriftWatch:
        return DriftWatch(
            rows=self.rows,
            holding=self.ledger.holding,
            rereading=rereading,
            executions=self.executions,
            standings=self.flow.standings,
            errands=self.errands,
            alarms=self.alarms,
        )

    def exit_retries(self) -> ExitRetries:
        return ExitRetries(
            rows=self.retries,
            holding=self.ledger.holding,
            followers=self.flow.followers,
            fanout=self.flow.fanout,
            prices=self.flow.prices,
            standings=self.flow.standings,
            departure=self.flow.departure,
            lanes=self.flow.lanes,
            on_change=self.ledger.on_change,
            look_every_s=self.settings.sweep_every_s,
        )

    def sealing(self, drift: DriftWatch, chain: HistoryChain) -> Sealing:
        return Sealing(
            pool=self.pool,
            broker=self.ledger.broker,
            holding=self.ledger.holding,
            rows=self.rows,
            doubts=self.doubts,
            reads=self.reads,
            syncing=self.syncing,
            drift=drift,
            chain=chain,
            errands=self.errands,
            alarms=self.alarms,
            seal_at=self.settings.seal_at_ist,
            patience_s=self.settings.seal_patience_s,
        )
