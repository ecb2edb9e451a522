"""Order events become report rows: once, in any order, across outages, never in the way."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from prometheus_client import REGISTRY
from uuid_utils import uuid7

from libs.trading.states import OrderState as S
from services.signal.report_events import news_of
from services.signal.report_storage import ReportStorage
from tests.integration.signal.line import line_to
from tests.integration.signal.running import RunningService, running_service
from tests.integration.signal.told import (
    an_order_of,
    executors_on,
    later,
    published_signal,
    report_row,
    report_signal,
    reported,
)
from tests.servers import Database, Servers


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def test_every_order_has_one_row_however_often_and_late_its_events_come(
    service: RunningService, servers: Servers, database: Database
) -> None:
    at = now()
    planned = an_order_of(str(uuid7()), at)
    sent = later(planned, 2, state=S.SENDING, sent_at=at + timedelta(milliseconds=5))
    acked = later(sent, 3, state=S.ACKED, at=at + timedelta(milliseconds=20))
    filled = later(acked, 4, state=S.FILLED, at=at + timedelta(milliseconds=90), filled_quantity=10)

    async with executors_on(servers, database) as executors:
        await executors.tell(planned, filled, planned, filled)
        await reported(database, planned.order_id, state="FILLED")
        await executors.tell(acked, sent, acked)
        row = await reported(
            database, planned.order_id, acknowledged_at=at + timedelta(milliseconds=20)
        )

    assert (row["version"], row["state"], row["filled_quantity"]) == (4, "FILLED", 10)
    assert row["sent_at"] == at + timedelta(milliseconds=5)
    assert row["filled_at"] == at + timedelta(milliseconds=90)


async def test_a_signal_is_known_to_reports_with_the_stamp_of_the_bus(
    service: RunningService, database: Database
) -> None:
    master, strategy_id = await service.master()

    accepted = (await master.emit(strategy_id)).json()

    published_at, limit_price = await published_signal(database, accepted["signal_id"])
    took = published_at - datetime.fromisoformat(accepted["accepted_at"])
    assert timedelta(seconds=-1) < took < timedelta(seconds=30)
    assert limit_price == Decimal("812.50")


async def test_what_the_signals_topic_forgot_is_read_from_the_ledger(
    service: RunningService, servers: Servers, database: Database
) -> None:
    master, strategy_id = await service.master()
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]
    order = an_order_of(signal_id, now())
    async with executors_on(servers, database) as executors:
        await executors.tell(order)
        await reported(database, order.order_id)
        with psycopg.connect(database.owner_dsn) as owner:
            owner.execute("delete from signal.report_signals")

        await executors.tell(later(order, 2, state=S.SENDING))
        await reported(database, order.order_id, state="SENDING")

    assert report_signal(database, signal_id) is not None


async def test_an_unreadable_event_stops_nothing(
    service: RunningService, servers: Servers, database: Database
) -> None:
    order = an_order_of(str(uuid7()), now())

    async with executors_on(servers, database) as executors:
        await executors.tell_raw(order.account_id, b"\xff not an event")
        await executors.tell(order)
        await reported(database, order.order_id, state="PLANNED")


async def test_a_reader_that_lost_its_ledger_catches_up(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with (
        line_to(database.dsn("signal")) as line,
        running_service(
            servers, database, postgres_dsn=line.through(database.dsn("signal"))
        ) as service,
        executors_on(servers, database) as executors,
    ):
        await service.app.state.reports.kafka.wait_started()
        orders = [an_order_of(str(uuid7()), now()) for _ in range(5)]
        await line.cut()
        await executors.tell(*orders)
        await figure_is("lockstep_report_lag_seconds", above_zero=True)
        assert report_row(database, orders[0].order_id) is None

        await line.mend()

        for order in orders:
            await reported(database, order.order_id)
        await figure_is("lockstep_report_lag_seconds", above_zero=False)
        assert figure("lockstep_report_lag_records") == 0


async def test_what_came_while_nobody_read_is_read_by_the_next_process(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    first, second = (an_order_of(str(uuid7()), now()) for _ in range(2))
    async with executors_on(servers, database) as executors:
        async with running_service(servers, database):
            await executors.tell(first)
            await reported(database, first.order_id)
        await executors.tell(second)
        assert report_row(database, second.order_id) is None

        async with running_service(servers, database):
            await reported(database, second.order_id)


async def test_old_rows_are_deleted_and_do_not_come_back(
    service: RunningService, servers: Servers, database: Database
) -> None:
    old, fresh = (an_order_of(str(uuid7()), now() - timedelta(days=days)) for days in (20, 5))
    async with executors_on(servers, database) as executors:
        await executors.tell(old, fresh)
        await reported(database, old.order_id)
        await reported(database, fresh.order_id)
        storage = ReportStorage(service.app.state.pool, days=10)

        assert await storage.forget(rows_max=1) == 1
        assert await storage.forget(rows_max=1) == 0
        await storage.keep([news_of(told, None, None) for told in (old, fresh)], [], [])

    assert report_row(database, old.order_id) is None
    assert report_row(database, fresh.order_id) is not None


async def test_a_signal_is_taken_while_the_reports_cannot_be_written(
    service: RunningService, servers: Servers, database: Database
) -> None:
    master, strategy_id = await service.master()
    order = an_order_of(str(uuid7()), now())
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("lock table signal.report_orders, signal.report_signals")
        async with executors_on(servers, database) as executors:
            await executors.tell(order)
        started_at = time.monotonic()
        for _ in range(20):
            assert (await master.emit(strategy_id)).status_code == 202
        took_s = time.monotonic() - started_at
        owner.rollback()

    # One of them alone would wait a second for the lock.
    assert took_s < 10
    await reported(database, order.order_id)


def figure(name: str) -> float:
    value = REGISTRY.get_sample_value(name)
    assert value is not None
    return value


async def figure_is(name: str, *, above_zero: bool) -> None:
    """Wait for it: a figure raises no event."""
    async with asyncio.timeout(60):
        while (figure(name) > 0) is not above_zero:  # noqa: ASYNC110  # There is no event.
            await asyncio.sleep(0.05)
