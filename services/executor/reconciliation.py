"""Wires what keeps ledger and brokers alike, beside the order path: loops, each on its own pace."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from libs.contracts.notices import notice_message
from libs.runtime.alarms import Alarms
from services.executor.baseline import Baseline
from services.executor.executions import ExecutionReads
from services.executor.flow import ExecutorFlow
from services.executor.gateways import OpenGateways
from services.executor.ledger import PostgresLedger
from services.executor.reads import AccountReads, Errands
from services.executor.rereading import Rereading
from services.executor.settings import ExecutorSettings
from services.executor.settling import Settling
from services.executor.settling_rows import DoubtRows
from services.executor.shards import TROUBLE
from services.executor.standing import Standing
from services.executor.syncing import Syncing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    settings: ExecutorSettings
    errands: Errands
    settling: Settling
    rereading: Rereading
    standing: Standing

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Name the endless loops of one replica; each survives Postgres being away."""
        sweep_s = self.settings.sweep_every_s
        settle_s = min(sweep_s, self.settings.evidence_window_s / 60)
        return {
            "errands": self.errands.run(),
            "settle": every(settle_s, "settle", self.settling.settle),
            "reread": every(sweep_s, "reread", self.rereading.reread),
            "standing-alarms": every(sweep_s, "standing-alarms", self.standing.tell),
        }


def build_reconciliation(
    settings: ExecutorSettings,
    pool: asyncpg.Pool,
    ledger: PostgresLedger,
    flow: ExecutorFlow,
    gateways: OpenGateways,
) -> Reconciliation:
    manifest = gateways.manifest
    alarms = Alarms(pool, "executor", None, notice_message)
    errands = Errands()
    baseline = Baseline(pool)
    reads = AccountReads(
        sessions=flow.sessions,
        doors=gateways,
        requests_per_minute_max=manifest.requests_per_minute_max,
    )
    executions = ExecutionReads(reads=reads, baseline=baseline)
    syncing = Syncing(
        baseline=baseline,
        record=ledger.record,
        alarms=alarms,
        tag_key=bytes.fromhex(settings.order_tag_key.get_secret_value()),
        tags_echoed=manifest.tags_echoed,
    )
    settling = Settling(
        doubts=DoubtRows(pool, ledger.broker, ledger.holding, ledger.notices_of, ledger.on_change),
        record_soon=ledger.record_soon,
        reads=reads,
        syncing=syncing,
        executions=executions,
        errands=errands,
        evidence_window_s=settings.evidence_window_s,
    )
    rereading = Rereading(
        pool=pool,
        broker=ledger.broker,
        holding=ledger.holding,
        followers=flow.followers,
        baseline=baseline,
        reads=reads,
        syncing=syncing,
        executions=executions,
        errands=errands,
        alarms=alarms,
        check_s=settings.working_check_s,
    )
    return Reconciliation(
        settings=settings,
        errands=errands,
        settling=settling,
        rereading=rereading,
        standing=Standing(
            pool=pool,
            broker=ledger.broker,
            holding=ledger.holding,
            followers=flow.followers,
            alarms=alarms,
        ),
    )


async def every(pause_s: float, name: str, step: Callable[[], Awaitable[object]]) -> None:
    """Do a step for ever, waiting in between; a Postgres that is away costs a turn, no more."""
    while True:
        try:
            await step()
        except TROUBLE as error:
            log.warning("work_waits", work=name, error=str(error))
            await asyncio.sleep(0.5)
        await asyncio.sleep(pause_s)
