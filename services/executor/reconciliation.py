"""Wires what keeps ledger and brokers alike, beside the order path: loops, each on its own pace."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from services.executor.flow import ExecutorFlow
from services.executor.gateways import OpenGateways
from services.executor.ledger import PostgresLedger
from services.executor.settings import ExecutorSettings
from services.executor.settling import Settling
from services.executor.settling_rows import DoubtRows
from services.executor.shards import TROUBLE

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    settling: Settling
    sweep_every_s: float

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Name the endless loops of one replica; each survives Postgres being away."""
        settle_every_s = min(self.sweep_every_s, self.settling.evidence_window_s / 60)
        return {"settle": every(settle_every_s, "settle", self.settling.settle)}


def build_reconciliation(
    settings: ExecutorSettings,
    pool: asyncpg.Pool,
    ledger: PostgresLedger,
    flow: ExecutorFlow,
    gateways: OpenGateways,
) -> Reconciliation:
    doubts = DoubtRows(pool, ledger.broker, ledger.holding, ledger.notices_of, ledger.on_change)
    settling = Settling(
        doubts=doubts,
        record_soon=ledger.record_soon,
        lanes=flow.lanes,
        sessions=flow.sessions,
        gateways=gateways,
        evidence_window_s=settings.evidence_window_s,
    )
    return Reconciliation(settling=settling, sweep_every_s=settings.sweep_every_s)


async def every(pause_s: float, name: str, step: Callable[[], Awaitable[object]]) -> None:
    """Do a step for ever, waiting in between; a Postgres that is away costs a turn, no more."""
    while True:
        try:
            await step()
        except TROUBLE as error:
            log.warning("work_waits", work=name, error=str(error))
            await asyncio.sleep(0.5)
        await asyncio.sleep(pause_s)
