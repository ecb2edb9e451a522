"""Capture on real Postgres and Kafka: own orders become signals once, history and echoes never."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from libs.brokers.registry import BROKERS, manifest
from libs.contracts import codec, topics
from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import (
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
)
from libs.trading.shards import shard_of
from libs.trading.signals import CopyMode
from libs.trading.tags import mint_client_order_id
from tests.integration.signal.running import TAG_KEY, Person, RunningService, running_service
from tests.servers import Database, Servers

LIMIT = OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.5"))
MARKET = OrderTerms(order_type=OrderType.MARKET, quantity=10)
Says = Callable[..., Awaitable[None]]


@pytest.fixture
async def says(servers: Servers, kafka_topics: int) -> AsyncIterator[Says]:
    """Say something about an order of an account, as streaming does."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap_servers)
    await producer.start()

    async def say(account_id: str, order_id: str, *, late_s: float = 0, **changes: Any) -> None:
        now = datetime.now(UTC)
        report = OrderReport(
            status=OrderStatus.OPEN,
            broker_order_id=order_id,
            instrument="NSE:SBIN",
            side=Side.BUY,
            product=Product.INTRADAY,
            terms=LIMIT,
            at=now,
            placed_at=now - timedelta(seconds=late_s),
        )
        update = BrokerUpdate(
            account_id=account_id,
            broker=BROKERS[0],
            source=UpdateSource.FEED,
            received_at=now,
            report=replace(report, **changes),
        )
        await producer.send_and_wait(
            topics.BROKER_UPDATES,
            codec.encode(update),
            key=account_id.encode(),
            partition=shard_of(account_id, kafka_topics),
        )

    yield say
    await producer.stop()


async def turn(master: Person, strategy_id: str, account_id: str, *, on: bool = True) -> Any:
    return await master.http.put(
        f"/strategies/{strategy_id}/capture", json={"account_id": account_id, "on": on}
    )


async def until(master: Person, count: int, within_s: float = 30) -> list[dict[str, Any]]:
    """Wait for so many signals; return them, oldest first."""
    deadline = time.monotonic() + within_s
    while True:
        found: list[dict[str, Any]] = (await master.http.get("/signals")).json()["signals"]
        if len(found) >= count or time.monotonic() > deadline:
            assert len(found) == count
            return found[::-1]
        await asyncio.sleep(0.05)


async def captured(master: Person, strategy_id: str, count: int) -> list[dict[str, Any]]:
    """Wait for so many orders to be written down: that follows their signals."""
    for _ in range(200):
        answer = await master.http.get(f"/strategies/{strategy_id}/capture/orders")
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()["orders"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(found)} of {count} orders are written down")


async def test_an_order_and_its_life_become_signals_each_once(
    service: RunningService, add_account: Callable[..., str], says: Says
) -> None:
    master, strategy_id = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    assert (await turn(master, strategy_id, account_id)).json()["on"] is True

    for _ in range(2):
        await says(account_id, "one")
    changed = replace(LIMIT, limit_price=Decimal(813))
    await says(account_id, "one", terms=changed)
    for _ in range(2):
        await says(account_id, "one", terms=changed, status=OrderStatus.CANCELLED)
    await says(account_id, "two", terms=MARKET, status=OrderStatus.FILLED, filled_quantity=10)
    await says(
        account_id,
        "three",
        side=Side.SELL,
        terms=MARKET,
        status=OrderStatus.FILLED,
        filled_quantity=10,
    )

    signals = await until(master, 5)
    assert [signal["action"] for signal in signals] == [
        "PLACE",
        "MODIFY",
        "CANCEL",
        "PLACE",
        "EXIT",
    ]
    assert [signal["parent_signal_id"] for signal in signals[1:3]] == [signals[0]["signal_id"]] * 2
    orders = await captured(master, strategy_id, 3)
    assert [order["signal_id"] for order in orders] == [
        signals[4]["signal_id"],
        signals[3]["signal_id"],
        signals[0]["signal_id"],
    ]


async def test_a_position_closed_in_parts_is_exits_of_what_was_left(
    service: RunningService, add_account: Callable[..., str], says: Says
) -> None:
    master, strategy_id = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    await turn(master, strategy_id, account_id)
    done = {"status": OrderStatus.FILLED, "filled_quantity": 10, "terms": MARKET}
    stop = replace(LIMIT, quantity=4)

    await says(account_id, "in", **done)
    await says(account_id, "waits", side=Side.SELL, terms=stop)
    await says(account_id, "leaves", side=Side.SELL, terms=replace(MARKET, quantity=3))
    dearer = replace(stop, limit_price=Decimal(815))
    await says(account_id, "waits", side=Side.SELL, terms=dearer)

    signals = await until(master, 4)
    assert [(s["action"], s["held_quantity"]) for s in signals] == [
        ("PLACE", None),
        ("EXIT", 10),
        ("EXIT", 6),
        ("MODIFY", None),
    ]


async def test_a_strategy_of_fills_copies_each_once_and_nothing_that_waits(
    service: RunningService, add_account: Callable[..., str], says: Says
) -> None:
    master, _ = await service.master()
    strategy_id = await master.open_strategy("By fills", CopyMode.FILLS)
    account_id = add_account(master.user_id, kind="TRADER")
    await turn(master, strategy_id, account_id)

    await says(account_id, "one")
    for filled in (3, 3, 10):
        status = OrderStatus.FILLED if filled == 10 else OrderStatus.PARTIAL
        await says(account_id, "one", status=status, filled_quantity=filled)
    await says(
        account_id,
        "two",
        side=Side.SELL,
        terms=replace(LIMIT, quantity=15),
        status=OrderStatus.FILLED,
        filled_quantity=15,
    )

    signals = await until(master, 4)
    assert [(s["action"], s["filled_before"], s["filled_after"]) for s in signals] == [
        ("PLACE", 0, 3),
        ("PLACE", 3, 10),
        ("EXIT", None, None),
        ("PLACE", 10, 15),
    ]
    assert {s["terms"]["order_type"] for s in signals} == {"MARKET"}
    assert (signals[2]["terms"]["quantity"], signals[2]["held_quantity"]) == (10, None)


async def test_history_echoes_and_others_orders_never_fan_out(
    service: RunningService, add_account: Callable[..., str], says: Says
) -> None:
    master, strategy_id = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    await says(account_id, "yesterday's news")
    await turn(master, strategy_id, account_id)

    await says(account_id, "waits since the morning", late_s=3600)
    await says(account_id, "waits since the morning", late_s=3600, filled_quantity=4)
    await says(account_id, "ours", client_order_id=mint_client_order_id(bytes.fromhex(TAG_KEY)))
    await says(add_account(master.user_id, kind="TRADER"), "of another account")
    await says(account_id, "new")

    (signal,) = await until(master, 1)
    (order,) = await captured(master, strategy_id, 1)
    assert (order["broker_order_id"], order["signal_id"]) == ("new", signal["signal_id"])


async def test_what_was_missed_while_nobody_listened_comes_with_its_own_time(
    servers: Servers, database: Database, kafka_topics: int, add_account: Callable[..., str],
    says: Says,
) -> None:  # fmt: skip
    async with running_service(servers, database) as service:
        await service.app.state.capture.wait_started()
        master, strategy_id = await service.master()
        account_id = add_account(master.user_id, kind="TRADER")
        await turn(master, strategy_id, account_id)
        await says(account_id, "held", terms=MARKET, status=OrderStatus.FILLED, filled_quantity=10)
        await until(master, 1)
    # As if the capture had begun long ago, so that a late order is not history.
    await _begun_earlier(database, strategy_id)
    await says(account_id, "late", late_s=120)
    await says(
        account_id,
        "way out",
        late_s=90,
        side=Side.SELL,
        terms=MARKET,
        status=OrderStatus.FILLED,
        filled_quantity=10,
    )
    async with running_service(servers, database) as service:
        again = Person(
            user_id=master.user_id,
            http=service.client({"Authorization": await _key(service, master)}),
        )
        _, late, way_out = await until(again, 3)

    assert (late["action"], way_out["action"]) == ("PLACE", "EXIT")
    lives = [
        datetime.fromisoformat(signal["expires_at"]) - datetime.fromisoformat(signal["accepted_at"])
        for signal in (late, way_out)
    ]
    assert lives[0] < timedelta(seconds=1) < lives[1]


async def test_turned_off_nothing_is_captured_and_turned_on_it_begins_anew(
    service: RunningService, add_account: Callable[..., str], says: Says
) -> None:
    master, strategy_id = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    first = (await turn(master, strategy_id, account_id)).json()
    same = (await turn(master, strategy_id, account_id)).json()
    off = (await turn(master, strategy_id, account_id, on=False)).json()
    await says(account_id, "meanwhile")
    await asyncio.sleep(1)
    anew = (await turn(master, strategy_id, account_id)).json()
    await says(account_id, "meanwhile", late_s=5)
    await says(account_id, "new")

    await until(master, 1)
    (order,) = await captured(master, strategy_id, 1)
    assert order["broker_order_id"] == "new"
    assert first["began_at"] == same["began_at"] == off["began_at"] < anew["began_at"]
    assert off["on"] is False


async def test_an_account_is_captured_by_its_owner_and_once(
    service: RunningService, add_account: Callable[..., str]
) -> None:
    master, strategy_id = await service.master()
    stranger, foreign = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    expired = add_account(master.user_id, kind="TRADER", session_state="EXPIRED")
    other = await master.open_strategy("Another")

    answers = [
        await turn(stranger, foreign, account_id),
        await turn(stranger, strategy_id, account_id),
        await turn(master, strategy_id, expired),
        await master.http.get(f"/strategies/{strategy_id}/capture"),
        await turn(master, strategy_id, account_id),
        await turn(master, other, account_id),
        await stranger.http.get(f"/strategies/{strategy_id}/capture/orders"),
    ]

    assert [answer.json().get("code") for answer in answers] == [
        "ACCOUNT_UNKNOWN",
        "STRATEGY_UNKNOWN",
        "ACCOUNT_NOT_CONNECTED",
        "CAPTURE_UNKNOWN",
        None,
        "ALREADY_CAPTURED",
        "STRATEGY_UNKNOWN",
    ]


async def test_an_account_that_follows_is_not_captured_where_tags_do_not_come_back(
    service: RunningService,
    add_account: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    untold = replace(manifest(BROKERS[0]), tags_echoed=False)
    monkeypatch.setattr("services.signal.capture_routes.manifest", lambda _: untold)
    both = await service.person("master", "follower")
    strategy_id = await both.open_strategy()
    _, followed = await service.master()
    # The same broker login, connected once as a master's and once as a follower's.
    own, following = add_account(both.user_id, kind="TRADER"), add_account(both.user_id)
    begun = (await turn(both, strategy_id, own)).json()
    follow = (await both.begin_follow(followed, following)).json()

    standing = (await both.http.get(f"/strategies/{strategy_id}/capture")).json()
    refused = await turn(both, strategy_id, own)
    await both.http.delete(f"/follows/{follow['follow_id']}")
    taken = await turn(both, strategy_id, own)

    assert (begun["problem"], refused.json()["code"]) == ("", "WOULD_ECHO")
    assert "does not mark our orders" in standing["problem"]
    assert taken.status_code == 200


async def _begun_earlier(database: Database, strategy_id: str) -> None:
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute(
            "update signal.captures set began_at = now() - interval '1 hour'"
            " where strategy_id = %s",
            (strategy_id,),
        )


async def _key(service: RunningService, person: Person) -> str:
    key = f"lsk_{person.user_id.replace('-', '')}"
    await service.auth.remember("api_key", key, person.user_id, ("master",))
    return f"Bearer {key}"
