"""Follows: exact borders under concurrency, whole states on the right shard, nobody else's."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from uuid_utils import uuid7

from libs.contracts import topics
from libs.trading.follows import Sizing, SizingMode
from libs.trading.shards import shard_of
from tests.integration.signal.running import Person, RunningService, listening
from tests.servers import Database, Servers

AddAccount = Callable[..., str]


async def test_every_state_of_a_follow_is_heard_on_the_shard_of_its_account(
    service: RunningService, servers: Servers, add_account: AddAccount, kafka_topics: int
) -> None:
    master, strategy_id = await service.master()
    await master.emit(strategy_id)
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)

    async with listening(servers, master.user_id, topics.FOLLOW_EVENTS) as listener:
        begun = (await follower.begin_follow(strategy_id, account_id)).json()
        path = f"/follows/{begun['follow_id']}"
        await follower.http.patch(path, json={"paused": True})
        await follower.http.patch(
            path, json={"sizing": {"mode": "FIXED_QUANTITY", "value": "25"}, "paused": False}
        )
        ended = (await follower.http.delete(path)).json()
        heard = await listener.wait_for(4)

    assert (begun["from_seq"], begun["until_seq"], begun["state"]) == (1, None, "RUNNING")
    assert (ended["until_seq"], ended["state"], ended["version"]) == (1, "ENDED", 4)
    assert ended["sizing"] == {
        "mode": "FIXED_QUANTITY",
        "value": "25",
        "when_small": "SKIP",
    }
    assert {(item.key, item.partition) for item in heard} == {
        (begun["follow_id"], shard_of(account_id, kafka_topics))
    }
    states = listener.follows()
    assert [(state.version, state.paused, state.until_seq) for state in states] == [
        (1, False, None),
        (2, True, None),
        (3, False, None),
        (4, False, 1),
    ]
    assert states[-1].sizing == Sizing(mode=SizingMode.FIXED_QUANTITY, value=Decimal(25))


async def test_a_follow_covers_exactly_the_signals_between_its_borders(
    service: RunningService, add_account: AddAccount
) -> None:
    """Whatever was answered before a border is outside, whatever was asked after it inside."""
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    answered: list[int] = []

    async def emit() -> int:
        seq: int = (await master.emit(strategy_id)).json()["seq"]
        answered.append(seq)
        return seq

    async def keep_emitting() -> None:
        for _ in range(40):
            await emit()

    emitting = [asyncio.create_task(keep_emitting()) for _ in range(6)]
    borders = []
    for _ in range(8):
        known_before = max(answered, default=0)
        begun = (await follower.begin_follow(strategy_id, account_id)).json()
        inside = await emit()
        ended = (await follower.http.delete(f"/follows/{begun['follow_id']}")).json()
        after = await emit()
        borders.append((known_before, begun["from_seq"], inside, ended["until_seq"], after))
    await asyncio.gather(*emitting)

    assert sorted(answered) == list(range(1, 6 * 40 + 8 * 2 + 1))
    for known_before, from_seq, inside, until_seq, after in borders:
        assert known_before <= from_seq < inside <= until_seq < after


async def test_of_many_at_once_one_begins(service: RunningService, add_account: AddAccount) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)

    answers = await asyncio.gather(
        *(follower.begin_follow(strategy_id, account_id) for _ in range(12))
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    (begun,) = (a.json()["follow_id"] for a in answers if a.status_code == 201)
    refused = [a.json() for a in answers if a.status_code == 409]
    assert {item["data"]["follow_id"] for item in refused} == {begun}


async def test_pausing_and_ending_twice_is_the_same_as_once(
    service: RunningService, add_account: AddAccount, database: Database
) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")
    begun = await follower.begin_follow(strategy_id, add_account(follower.user_id))
    path = f"/follows/{begun.json()['follow_id']}"

    paused = [(await follower.http.patch(path, json={"paused": True})).json() for _ in range(2)]
    ended = [(await follower.http.delete(path)).json() for _ in range(2)]
    resumed = await follower.http.patch(path, json={"paused": False})

    assert paused[0] == paused[1]
    assert paused[0]["state"] == "PAUSED"
    assert ended[0] == ended[1]
    assert (resumed.status_code, resumed.json()["code"]) == (409, "FOLLOW_ENDED")
    with psycopg.connect(database.dsn("streaming")) as streaming:
        rows = streaming.execute(
            "select follow_id::text, version, paused, until_seq from signal.follows_now"
        ).fetchall()
    assert rows == [(begun.json()["follow_id"], 3, True, 0)]


async def test_whoever_ended_may_follow_again(
    service: RunningService, add_account: AddAccount
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    first = (await follower.begin_follow(strategy_id, account_id)).json()
    await follower.http.delete(f"/follows/{first['follow_id']}")
    await master.emit(strategy_id)

    second = await follower.begin_follow(strategy_id, account_id)

    assert (second.status_code, second.json()["from_seq"]) == (201, 1)
    listed = (await follower.http.get("/follows")).json()["follows"]
    assert [item["state"] for item in listed] == ["RUNNING", "ENDED"]


async def test_one_follows_only_with_an_own_connected_follower_account(
    service: RunningService, add_account: AddAccount
) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")

    async def answered(account_id: str) -> tuple[int, dict[str, Any]]:
        answer = await follower.begin_follow(strategy_id, account_id)
        return answer.status_code, answer.json()

    absent = await answered(str(uuid7()))
    assert (absent[0], absent[1]["code"]) == (404, "ACCOUNT_UNKNOWN")
    assert await answered(add_account(str(uuid7()))) == absent
    for state in ("EXPIRED", "DISCONNECTED", "ERROR"):
        _, refused = await answered(add_account(follower.user_id, session_state=state))
        assert refused["code"] == "ACCOUNT_NOT_CONNECTED"
    _, refused = await answered(add_account(follower.user_id, kind="TRADER"))
    assert refused["code"] == "ACCOUNT_NOT_FOR_FOLLOWING"


async def test_nobody_follows_their_own_or_no_strategy(
    service: RunningService, add_account: AddAccount
) -> None:
    both = await service.person("master", "follower")
    strategy_id = await both.open_strategy()
    account_id = add_account(both.user_id)

    own = await both.begin_follow(strategy_id, account_id)
    absent = await both.begin_follow(str(uuid7()), account_id)

    assert (own.status_code, own.json()["code"]) == (409, "OWN_STRATEGY")
    assert (absent.status_code, absent.json()["code"]) == (404, "STRATEGY_UNKNOWN")


@pytest.mark.parametrize(
    ("sizing", "field"),
    [
        ({"mode": "MULTIPLIER", "value": "100.5"}, "sizing.value"),
        ({"mode": "MULTIPLIER", "value": "0"}, "sizing.value"),
        ({"mode": "MULTIPLIER", "value": 0.5}, "sizing.value"),
        ({"mode": "FIXED_QUANTITY", "value": "1.5"}, "sizing.value"),
        ({"mode": "HALF", "value": "1"}, "sizing.mode"),
    ],
)
async def test_a_sizing_out_of_bounds_is_refused_with_its_field(
    service: RunningService, add_account: AddAccount, sizing: dict[str, Any], field: str
) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)

    answer = await follower.begin_follow(strategy_id, account_id, sizing)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_another_followers_follow_is_answered_like_none_at_all(
    service: RunningService, add_account: AddAccount
) -> None:
    _, strategy_id = await service.master()
    follower, stranger = await service.person("follower"), await service.person("follower")
    begun = await follower.begin_follow(strategy_id, add_account(follower.user_id))

    foreign = await _all_ways(stranger, begun.json()["follow_id"])
    absent = await _all_ways(stranger, str(uuid7()))

    assert foreign == absent
    assert {status for status, _ in foreign} == {404}
    assert (await stranger.http.get("/follows")).json()["follows"] == []
    assert (await follower.http.get("/follows")).json()["follows"] == [begun.json()]


async def _all_ways(person: Person, follow_id: str) -> list[tuple[int, Any]]:
    path = f"/follows/{follow_id}"
    answers = [
        await person.http.get(path),
        await person.http.patch(path, json={"paused": True}),
        await person.http.delete(path),
    ]
    return [(answer.status_code, answer.json()) for answer in answers]
