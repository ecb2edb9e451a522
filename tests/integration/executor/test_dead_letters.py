"""What becomes of records that nobody can use, and of the masters they concern."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from libs.contracts import codec, topics
from libs.contracts.codec import Undecodable
from libs.runtime.identity import Role
from libs.runtime.postgres import open_pool
from libs.trading.events import DeadLetter
from libs.trading.orders import Side
from libs.trading.signals import SignalAction
from services.executor.dead_letters import DeadLetters
from services.executor.kill_switches import KillSwitches, Scope
from tests.factories import a_signal
from tests.integration.executor.conftest import running
from tests.integration.executor.people import as_, calling
from tests.integration.executor.world import World, an_id
from tests.servers import Database

MASTER = an_id()


def a_letter(
    master_id: str | None, raw: bytes = b"\xff\xff", topic: str = topics.SIGNALS, **changes: Any
) -> Undecodable:
    values: dict[str, Any] = {
        "topic": topic,
        "partition": 1,
        "offset": 7,
        "raw": raw,
        "error": "not protobuf",
        "key": master_id.encode() if master_id else None,
        "headers": {"h": "1"},
    }
    return Undecodable(**(values | changes))


@dataclass(frozen=True, slots=True)
class Tables:
    """The executor's tables: as the executor may use them, and as their owner."""

    pool: asyncpg.Pool
    owner: asyncpg.Pool


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Tables]:
    pool = await open_pool(database.dsn("executor"), application_name="test")
    owner = await open_pool(database.owner_dsn, application_name="test")
    yield Tables(pool, owner)
    await pool.close()
    await owner.close()


async def bury(pool: asyncpg.Pool, *letters: Undecodable) -> list[str]:
    async with pool.acquire() as connection, connection.transaction():
        return await DeadLetters(connection).bury(letters)


async def standing(owner: asyncpg.Pool) -> list[tuple[str, str]]:
    rows = await owner.fetch(
        "SELECT name, subject FROM executor.alarms WHERE cleared_at IS NULL ORDER BY name"
    )
    return [(row["name"], row["subject"]) for row in rows]


async def outbox(owner: asyncpg.Pool, topic: str) -> list[asyncpg.Record]:
    return list(
        await owner.fetch("SELECT * FROM executor.outbox WHERE topic = $1 ORDER BY id", topic)
    )


async def paused(owner: asyncpg.Pool) -> Sequence[str]:
    async with owner.acquire() as connection:
        return [s.subject for s in await KillSwitches(connection).on() if s.scope is Scope.MASTER]


async def test_a_letter_is_kept_published_and_told_once(ledger: Tables) -> None:
    pool, letter = ledger.pool, a_letter(MASTER)

    first = await bury(pool, letter)
    again = await bury(pool, letter)

    assert (first, again) == ([MASTER], [])
    [message] = await outbox(ledger.owner, topics.DEAD_LETTERS)
    told = codec.decode(topics.DEAD_LETTERS, message["payload"])
    assert isinstance(told, DeadLetter)
    assert (told.raw, told.key, told.offset) == (letter.raw, letter.key, letter.offset)
    assert await standing(ledger.owner) == [
        ("DEAD_LETTER", "topic:signals.v1"),
        ("MASTER_PAUSED_BY_DEAD_LETTER", f"master:{MASTER}"),
    ]
    # Both alarms to the operators, one word to the master.
    assert len(await outbox(ledger.owner, topics.NOTICES)) == 3


async def test_a_letter_that_is_surely_a_place_pauses_nobody(ledger: Tables) -> None:
    signal = a_signal(master_id=MASTER)

    letter = a_letter(MASTER, codec.encode(signal))

    assert await bury(ledger.pool, letter) == []
    assert await standing(ledger.owner) == [("DEAD_LETTER", "topic:signals.v1")]


@pytest.mark.parametrize(
    "letter",
    [
        a_letter(None),
        a_letter("somebody"),
        a_letter(an_id(), topic=topics.BROKER_UPDATES),
        a_letter(None, headers={"zero\0": "\0"}, error="a\0b", raw=b"\0"),
    ],
)
async def test_a_letter_of_nobody_known_is_kept_and_told(
    ledger: Tables, letter: Undecodable
) -> None:
    assert await bury(ledger.pool, letter) == []

    assert await ledger.owner.fetchval("SELECT raw FROM executor.dead_letters") == letter.raw
    assert await standing(ledger.owner) == [("DEAD_LETTER", f"topic:{letter.topic}")]
    assert await paused(ledger.owner) == []


async def test_letter_pause_and_alarms_stand_or_fall_together(ledger: Tables) -> None:
    async with ledger.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await DeadLetters(connection).bury([a_letter(MASTER)])
        await transaction.rollback()

    assert await paused(ledger.owner) == []
    assert await standing(ledger.owner) == []
    assert await ledger.owner.fetchval("SELECT count(*) FROM executor.dead_letters") == 0


async def test_lifting_the_switch_ends_the_alarm_and_a_new_letter_pauses_again(
    ledger: Tables,
) -> None:
    pool = ledger.pool
    await bury(pool, a_letter(MASTER))
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        [switch] = (await operator.get("/kill-switches")).json()["kill_switches"]
        lifted = await operator.delete(
            "/kill-switches",
            params={"scope": "MASTER", "subject": MASTER, "reason": "read it by hand"},
        )
        again = (await operator.get("/kill-switches")).json()["kill_switches"]

    assert (switch["scope"], switch["subject"], switch["changed_by"]) == (
        "MASTER",
        MASTER,
        None,
    )
    assert "signals.v1/1/7" in switch["reason"]
    assert (lifted.json(), again) == ({"changed": True}, [])
    assert await standing(ledger.owner) == [("DEAD_LETTER", "topic:signals.v1")]
    assert await bury(pool, a_letter(MASTER, offset=8)) == [MASTER]


async def test_an_operator_stops_and_lets_go(ledger: Tables) -> None:
    pool = ledger.pool
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        stop = {"scope": "PLATFORM", "reason": "a drill"}
        answers = [await operator.put("/kill-switches", json=stop) for _ in range(2)]
        [switch] = (await operator.get("/kill-switches")).json()["kill_switches"]
        lifted = await operator.delete(
            "/kill-switches", params={"scope": "PLATFORM", "reason": "over"}
        )

    assert [answer.json() for answer in answers] == [
        {"changed": True, "cancelling": 0},
        {"changed": False, "cancelling": 0},
    ]
    assert (switch["reason"], switch["changed_by"]) == ("a drill", auth.user_ids[Role.OPERATOR])
    assert lifted.json() == {"changed": True}


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "PLATFORM", "subject": "x", "reason": "because"},
        {"scope": "MASTER", "reason": "because"},
        {"scope": "MASTER", "subject": "somebody", "reason": "because"},
        {"scope": "BROKER", "subject": "nobody", "reason": "because"},
        {"scope": "MOON", "subject": "x", "reason": "because"},
        {"scope": "PLATFORM", "reason": " "},
    ],
)
async def test_a_switch_that_would_stop_nothing_is_refused(
    ledger: Tables, body: dict[str, str]
) -> None:
    pool = ledger.pool
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        answer = await operator.put("/kill-switches", json=body)

    assert answer.status_code == 422


@pytest.mark.parametrize("keyed", [MASTER, None])
async def test_a_letter_is_sent_again_as_it_came_and_only_once(
    ledger: Tables, keyed: str | None
) -> None:
    pool, raw = ledger.pool, codec.encode(a_signal(master_id=MASTER))
    await bury(pool, a_letter(keyed, raw))
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        [letter] = await listed(operator)
        answers = [
            await operator.post(f"/dead-letters/{letter['id']}/replay", json={"reason": "mended"})
            for _ in range(2)
        ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["dead_letter"]["outcome"] == "REPLAYED"
    [message] = await outbox(ledger.owner, topics.SIGNALS)
    assert (message["payload"], message["key"], message["partitions"], message["headers"]) == (
        raw,
        MASTER,
        [1],
        {"h": "1"},
    )
    assert await standing(ledger.owner) == []


async def test_a_state_is_not_sent_again_but_can_be_set_aside(ledger: Tables) -> None:
    pool = ledger.pool
    await bury(pool, a_letter(an_id(), topic=topics.FOLLOW_EVENTS))
    async with calling(pool) as (auth, app), as_(Role.ADMIN, auth, app) as admin:
        [letter] = await listed(admin)
        way, why = f"/dead-letters/{letter['id']}", {"reason": "of no use"}
        refused = await admin.post(f"{way}/replay", json=why)
        aside = await admin.post(f"{way}/set-aside", json=why)

    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_REPLAYABLE")
    closed = aside.json()["dead_letter"]
    assert (closed["outcome"], closed["closed_by"], closed["closed_reason"]) == (
        "SET_ASIDE",
        auth.user_ids[Role.ADMIN],
        "of no use",
    )
    assert await standing(ledger.owner) == []
    assert await outbox(ledger.owner, topics.FOLLOW_EVENTS) == []


async def test_the_alarm_stands_while_any_letter_of_its_topic_waits(ledger: Tables) -> None:
    pool = ledger.pool
    letters = [a_letter(None, topic=topics.BROKER_UPDATES, offset=offset) for offset in (1, 2)]
    await bury(pool, *letters)
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        for letter in await listed(operator):
            assert await standing(ledger.owner) == [("DEAD_LETTER", "topic:broker-updates.v1")]
            await operator.post(
                f"/dead-letters/{letter['id']}/set-aside", json={"reason": "of no use"}
            )

    assert await standing(ledger.owner) == []


async def test_who_only_looks_changes_nothing(ledger: Tables) -> None:
    pool = ledger.pool
    await bury(pool, a_letter(MASTER))
    async with calling(pool) as (auth, app), as_(Role.VIEWER_OPERATOR, auth, app) as viewer:
        [letter] = await listed(viewer)
        answers = [
            await viewer.post(f"/dead-letters/{letter['id']}/replay", json={"reason": "curious"}),
            await viewer.put("/kill-switches", json={"scope": "PLATFORM", "reason": "curious"}),
            await viewer.post("/dead-letters/999/replay", json={"reason": "curious"}),
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert await outbox(ledger.owner, topics.SIGNALS) == []


async def test_the_list_goes_on_where_a_page_ended(ledger: Tables) -> None:
    pool = ledger.pool
    await bury(pool, *[a_letter(None, offset=offset) for offset in range(5)])
    async with calling(pool) as (auth, app), as_(Role.OPERATOR, auth, app) as operator:
        offsets, before = [], None
        while True:
            query = {"limit": "2"} | ({"before": before} if before else {})
            page = (await operator.get("/dead-letters", params=query)).json()
            offsets += [letter["offset"] for letter in page["dead_letters"]]
            before = page["cursor"]
            if before is None:
                break

    assert offsets == ["4", "3", "2", "1", "0"]


async def listed(operator: httpx.AsyncClient) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = (await operator.get("/dead-letters")).json()["dead_letters"]
    return letters


async def test_a_paused_master_opens_nothing_and_still_gets_everybody_out(world: World) -> None:
    await world.a_follower()
    async with running(world.replica):
        await world.emit_and_hear()
        await world.until("ACKED")
        world.broker.fill()
        await world.read_book()
        await world.until("FILLED")
        await bury(world.replica.ledger.pool, a_letter(world.master_id))

        await world.emit_and_hear()
        await world.until("FILLED", "SKIPPED/KILL")
        await world.emit_and_hear(action=SignalAction.EXIT, side=Side.SELL)
        await world.until("ACKED", "FILLED", "SKIPPED/KILL")
