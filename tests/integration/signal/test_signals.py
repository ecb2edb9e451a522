"""POST /signals on real Postgres and Kafka: gapless, repeated safely, heard on every partition."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.trading.signals import CopyMode, Signal
from tests.integration.signal.running import (
    HOST,
    PLACE,
    RunningService,
    listening,
)
from tests.servers import Database, Servers


async def test_an_accepted_signal_is_heard_on_every_partition_as_it_stands_in_the_ledger(
    service: RunningService, servers: Servers, database: Database, kafka_topics: int
) -> None:
    master, strategy_id = await service.master()
    async with listening(servers, master.user_id) as listener:
        answer = await master.emit(strategy_id, expires_in_s=45)
        heard = await listener.wait_for(kafka_topics)

    accepted = answer.json()
    assert answer.status_code == 202
    assert set(accepted) == {"signal_id", "seq", "accepted_at", "expires_at"}
    assert accepted["seq"] == 1
    assert accepted["accepted_at"].endswith("Z")
    lived = datetime.fromisoformat(accepted["expires_at"]) - datetime.fromisoformat(
        accepted["accepted_at"]
    )
    assert lived == timedelta(seconds=45)
    assert sorted(item.partition for item in heard) == list(range(kafka_topics))
    (event,) = {item.event for item in heard}
    assert isinstance(event, Signal)
    assert (event.signal_id, event.seq) == (accepted["signal_id"], 1)
    with psycopg.connect(database.dsn("executor")) as executor:
        rows = executor.execute(
            "select payload, seq from signal.emitted where master_id = %s", (master.user_id,)
        ).fetchall()
    assert [(codec.decode(topics.SIGNALS, payload), seq) for payload, seq in rows] == [(event, 1)]


async def test_a_signal_carries_the_masters_price_and_what_the_strategy_is_traded_with(
    service: RunningService, servers: Servers, kafka_topics: int
) -> None:
    master, strategy_id = await service.master()
    changed = await master.http.patch(f"/strategies/{strategy_id}", json={"equity": "1000000"})
    async with listening(servers, master.user_id) as listener:
        await master.emit(strategy_id, master_price="812.45")
        heard = await listener.wait_for(kafka_topics)

    (event,) = {item.event for item in heard}
    assert changed.json()["equity"] == "1000000"
    assert isinstance(event, Signal)
    assert (event.master_price, event.master_equity) == (Decimal("812.45"), Decimal(1_000_000))


async def test_fifty_at_once_are_gapless_unique_and_in_order_on_every_partition(
    service: RunningService, servers: Servers, kafka_topics: int
) -> None:
    master, strategy_id = await service.master()
    async with listening(servers, master.user_id) as listener:
        answers = await asyncio.gather(*(master.emit(strategy_id) for _ in range(50)))
        await listener.wait_for(50 * kafka_topics)

    accepted = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [202] * 50
    assert sorted(item["seq"] for item in accepted) == list(range(1, 51))
    assert len({item["signal_id"] for item in accepted}) == 50
    by_seq = sorted(accepted, key=lambda item: item["seq"])
    instants = [item["accepted_at"] for item in by_seq]
    assert instants == sorted(instants)
    for partition in range(kafka_topics):
        assert [signal.seq for signal in listener.signals(partition)] == list(range(1, 51))


async def test_masters_count_each_for_themselves(service: RunningService) -> None:
    masters = [await service.master() for _ in range(5)]

    answers = await asyncio.gather(
        *(master.emit(strategy_id) for master, strategy_id in masters for _ in range(8))
    )

    assert sorted(answer.json()["seq"] for answer in answers) == sorted([*range(1, 9)] * 5)


async def test_a_repeated_request_gets_the_stored_answer(service: RunningService) -> None:
    master, strategy_id = await service.master()
    first = await master.emit(strategy_id, key="retry me")
    await master.emit(strategy_id)

    again = await master.emit(
        strategy_id,
        key="retry me",
        terms={"limit_price": "812.5", "quantity": 10, "order_type": "LIMIT"},
    )

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (await master.emit(strategy_id)).json()["seq"] == 3


async def test_twenty_of_the_same_at_once_are_one_signal(service: RunningService) -> None:
    master, strategy_id = await service.master()

    answers = await asyncio.gather(*(master.emit(strategy_id, key="one") for _ in range(20)))

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (202, answers[0].content)
    }
    assert (await master.emit(strategy_id)).json()["seq"] == 2


async def test_a_key_with_another_body_is_refused_and_counts_nothing(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    await master.emit(strategy_id, key="one")

    answer = await master.emit(strategy_id, key="one", side="SELL")

    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert (await master.emit(strategy_id)).json()["seq"] == 2


async def test_a_key_belongs_to_its_master(service: RunningService) -> None:
    (one, strategy_one), (two, strategy_two) = await service.master(), await service.master()

    first = await one.emit(strategy_one, key="mine")
    second = await two.emit(strategy_two, key="mine", side="SELL")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["signal_id"] != second.json()["signal_id"]


async def test_refused_requests_leave_no_gap(service: RunningService) -> None:
    master, strategy_id = await service.master()
    _, foreign_strategy = await service.master()
    place = (await master.emit(strategy_id)).json()

    refused = await asyncio.gather(
        master.emit(foreign_strategy),
        master.emit(str(uuid7())),
        master.emit(strategy_id, instrument=None),
        *(
            master.emit(strategy_id, action="CANCEL", parent_signal_id=str(uuid7()), **NO_ORDER)
            for _ in range(10)
        ),
    )
    follow_up = await master.emit(strategy_id)

    assert [answer.status_code for answer in refused] == [404, 404, 422] + [404] * 10
    assert (place["seq"], follow_up.json()["seq"]) == (1, 2)


NO_ORDER: dict[str, Any] = {"instrument": None, "side": None, "product": None, "terms": None}
NEW_TERMS = {"order_type": "LIMIT", "quantity": 20, "limit_price": "810"}


async def test_a_place_is_modified_cancelled_and_exited(service: RunningService) -> None:
    master, strategy_id = await service.master()
    parent = {"parent_signal_id": (await master.emit(strategy_id)).json()["signal_id"]}

    modify = await master.emit(
        strategy_id, action="MODIFY", **{**NO_ORDER, "terms": NEW_TERMS}, **parent
    )
    cancel = await master.emit(strategy_id, action="CANCEL", **NO_ORDER, **parent)
    leave = await master.emit(strategy_id, action="EXIT", side="SELL")

    assert [a.status_code for a in (modify, cancel, leave)] == [202, 202, 202]
    shown = (await master.http.get(f"/signals/{modify.json()['signal_id']}")).json()
    assert (shown["instrument"], shown["action"]) == ("NSE:SBIN", "MODIFY")
    assert shown["terms"] == {**NEW_TERMS, "trigger_price": None}
    assert shown["parent_signal_id"] == parent["parent_signal_id"]
    assert _lifetime_s(modify.json()) == 60
    assert cancel.json()["expires_at"][11:] == "18:29:59Z"  # 23:59:59 in India.
    assert leave.json()["expires_at"] == cancel.json()["expires_at"]


async def test_only_an_own_place_of_the_same_strategy_can_be_changed(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    other_strategy = await master.open_strategy("Carry")
    stranger, strangers_strategy = await service.master()
    foreign = (await stranger.emit(strangers_strategy)).json()["signal_id"]
    place = (await master.emit(strategy_id)).json()["signal_id"]
    leave = (await master.emit(strategy_id, action="EXIT", side="SELL")).json()["signal_id"]
    cancelled = await master.emit(strategy_id, action="CANCEL", parent_signal_id=leave, **NO_ORDER)
    assert cancelled.status_code == 202

    async def cancel(strategy: str, parent: str) -> tuple[int, Any]:
        answer = await master.emit(strategy, action="CANCEL", parent_signal_id=parent, **NO_ORDER)
        return answer.status_code, answer.json()

    absent = await cancel(strategy_id, str(uuid7()))
    assert absent[0] == 404
    assert absent[1]["code"] == "PARENT_UNKNOWN"
    assert await cancel(strategy_id, foreign) == absent
    never = cancelled.json()["signal_id"]
    assert (await cancel(strategy_id, never))[1]["code"] == "PARENT_NOT_AN_ORDER"
    assert (await cancel(other_strategy, place))[1]["code"] == "PARENT_OF_ANOTHER_STRATEGY"


async def test_a_reversal_closes_all_and_opens_the_other_side_once(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    body = {
        "strategy_id": strategy_id,
        "instrument": "NSE:SBIN",
        "side": "SELL",
        "product": "INTRADAY",
        "terms": {"order_type": "MARKET", "quantity": 10},
    }

    async def reverse(key: str, **changes: object) -> httpx.Response:
        return await master.http.post(
            "/signals/reversals", json={**body, **changes}, headers={"Idempotency-Key": key}
        )

    first, again = await reverse("r1"), await reverse("r1")
    other = await reverse("r1", side="BUY")
    answers = first.json()
    leave = (await master.http.get(f"/signals/{answers['exit']['signal_id']}")).json()
    entry = (await master.http.get(f"/signals/{answers['entry']['signal_id']}")).json()

    assert (first.status_code, again.json()) == (202, answers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert [(s["seq"], s["action"], s["side"]) for s in (leave, entry)] == [
        (1, "EXIT", "SELL"),
        (2, "PLACE", "SELL"),
    ]


async def test_of_fills_only_what_names_its_part_is_taken_and_said_again(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    by_fills = await master.open_strategy("By fills", CopyMode.FILLS)

    whole = await master.emit(by_fills)
    part = await master.emit(by_fills, filled_before=0, filled_after=4)
    elsewhere = await master.emit(strategy_id, filled_before=0, filled_after=4)
    modify = await master.emit(
        by_fills,
        action="MODIFY",
        parent_signal_id=part.json()["signal_id"],
        **{**NO_ORDER, "terms": NEW_TERMS},
    )
    read = await master.http.get(f"/signals/{part.json()['signal_id']}")

    assert [answer.status_code for answer in (whole, part, elsewhere, modify)] == [
        422,
        202,
        422,
        422,
    ]
    assert "filled_after: the strategy copies fills" in whole.json()["message"]
    assert "filled_after: the strategy copies orders" in elsewhere.json()["message"]
    assert (read.json()["filled_before"], read.json()["filled_after"]) == (0, 4)


async def test_a_master_reads_own_signals_newest_first_page_by_page(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    stranger, strangers_strategy = await service.master()
    await stranger.emit(strangers_strategy)
    for _ in range(5):
        await master.emit(strategy_id)

    pages, cursor = [], None
    while True:
        query = {"limit": 2, **({"before": cursor} if cursor else {})}
        page = (await master.http.get("/signals", params=query)).json()
        pages.append([item["seq"] for item in page["signals"]])
        cursor = page["cursor"]
        if cursor is None:
            break

    assert pages == [[5, 4], [3, 2], [1]]


async def test_another_masters_signal_is_answered_like_none_at_all(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    stranger, _ = await service.master()
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]

    foreign = await stranger.http.get(f"/signals/{signal_id}")
    absent = await stranger.http.get(f"/signals/{uuid7()}")

    assert (foreign.status_code, foreign.json()) == (absent.status_code, absent.json())
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"terms": {**NEW_TERMS, "limit_price": 812.5}}, "terms.limit_price", "in quotes"),
        ({"terms": {**NEW_TERMS, "quantity": 1.5}}, "terms.quantity", "whole number"),
        ({"instrument": "SBIN"}, "instrument", "NSE:SBIN"),
        ({"side": None}, "side", "BUY or SELL"),
        ({"expires_in_s": 500}, "expires_in_s", "1 to 120"),
        ({"colour": "red"}, "colour", "leave it out"),
    ],
)
async def test_a_bad_body_is_answered_with_the_field_and_the_fix(
    service: RunningService, changes: dict[str, Any], field: str, words: str
) -> None:
    master, strategy_id = await service.master()

    answer = await master.emit(strategy_id, **changes)

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, "INVALID", field)
    assert words in problem["message"]


async def test_a_signal_without_a_usable_key_is_refused(service: RunningService) -> None:
    master, strategy_id = await service.master()
    body = {"strategy_id": strategy_id, **PLACE}

    missing = await master.http.post("/signals", json=body)
    long = await master.http.post("/signals", json=body, headers={"Idempotency-Key": "x" * 256})

    for answer in (missing, long):
        assert answer.status_code == 422
        assert answer.json()["field"] == "Idempotency-Key"


async def test_only_masters_emit_and_only_from_our_own_pages(service: RunningService) -> None:
    follower = await service.person("follower")
    user_id = str(uuid7())
    await service.auth.remember("cookie", "a cookie", user_id, ("master",))
    browser = service.client({"Cookie": "lockstep=a cookie"})

    async def emitted(headers: dict[str, str]) -> tuple[int, str]:
        answer = await browser.post(
            "/signals",
            json={"strategy_id": str(uuid7()), **PLACE},
            headers={"Idempotency-Key": "k", **headers},
        )
        return answer.status_code, answer.json()["code"]

    assert (await follower.emit(str(uuid7()))).status_code == 403
    assert (await service.client().get("/signals")).status_code == 401
    assert await emitted({"Origin": "https://elsewhere.test"}) == (403, "CROSS_SITE")
    assert await emitted({"Origin": HOST}) == (404, "STRATEGY_UNKNOWN")


def _lifetime_s(accepted: dict[str, str]) -> float:
    instants = [datetime.fromisoformat(accepted[name]) for name in ("accepted_at", "expires_at")]
    assert abs(instants[0] - datetime.now(UTC)) < timedelta(minutes=1)
    return (instants[1] - instants[0]).total_seconds()
