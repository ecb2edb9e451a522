"""Without Kafka signals are taken, up to a bound; without Postgres nothing is."""

import asyncio
import time

import psycopg

from tests.integration.signal.line import line_to
from tests.integration.signal.running import running_service
from tests.integration.signal.test_publication import BusThatIsGone, outbox_rows
from tests.servers import Database, Servers

NOBODY = "127.0.0.1:9"


async def test_signals_are_taken_while_kafka_is_away(servers: Servers, database: Database) -> None:
    async with running_service(
        servers, database, kafka_bootstrap_servers=NOBODY, await_kafka=False
    ) as service:
        master, strategy_id = await service.master()
        answers = await asyncio.gather(*(master.emit(strategy_id) for _ in range(20)))
        ready = await service.client().get("/readyz")

    assert {answer.status_code for answer in answers} == {202}
    assert ready.status_code == 200
    assert outbox_rows(database) == 20


async def test_signals_are_taken_while_redis_is_away(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with running_service(servers, database, redis_url=f"redis://{NOBODY}/0") as service:
        master, strategy_id = await service.master()
        answers = [await master.emit(strategy_id) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {202}
    assert service.auth.asked > 0


async def test_a_full_backlog_refuses_entries_and_takes_exits(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with running_service(
        servers, database, publisher=BusThatIsGone(), backlog_max=3
    ) as service:
        master, strategy_id = await service.master()
        taken = [await master.emit(strategy_id) for _ in range(3)]

        refused = await master.emit(strategy_id, key="later")
        leave = await master.emit(strategy_id, action="EXIT", side="SELL")
        await _wait_for_alarm(database)

    assert [answer.status_code for answer in taken] == [202] * 3
    assert (refused.status_code, refused.json()["code"]) == (503, "BACKLOG_FULL")
    assert int(refused.headers["Retry-After"]) > 0
    assert (leave.status_code, leave.json()["seq"]) == (202, 4)


async def test_nothing_is_taken_while_postgres_is_away_and_a_retry_is_safe(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with line_to(database.dsn("signal")) as line:
        dsn = line.through(database.dsn("signal"))
        async with running_service(servers, database, postgres_dsn=dsn) as service:
            master, strategy_id = await service.master()
            first = await master.emit(strategy_id, key="kept")
            await line.cut()

            away = await master.emit(strategy_id, key="kept")
            ready = await service.client().get("/readyz")
            await line.mend()
            again = await master.emit(strategy_id, key="kept")
            following = await master.emit(strategy_id)

    assert (away.status_code, away.json()["code"]) == (503, "UNAVAILABLE")
    assert int(away.headers["Retry-After"]) > 0
    assert ready.status_code == 503
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert following.json()["seq"] == 2


async def test_a_postgres_that_hangs_is_answered_within_seconds(
    servers: Servers, database: Database, kafka_topics: int
) -> None:
    async with line_to(database.dsn("signal")) as line:
        dsn = line.through(database.dsn("signal"))
        async with running_service(servers, database, postgres_dsn=dsn) as service:
            master, strategy_id = await service.master()
            line.hang()

            started = time.monotonic()
            away = await asyncio.gather(*(master.emit(strategy_id) for _ in range(15)))
            took_s = time.monotonic() - started
            await line.mend()

    assert {answer.status_code for answer in away} == {503}
    assert took_s < 30


async def _wait_for_alarm(database: Database) -> None:
    async with asyncio.timeout(30):
        with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
            query = "select from signal.alarms where name = 'SIGNAL_BACKLOG' and cleared_at is null"
            while not owner.execute(query).fetchall():  # noqa: ASYNC110  # rows raise no event
                await asyncio.sleep(0.05)
