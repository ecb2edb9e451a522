"""Webhooks on real Postgres and Kafka: a master's routes, a vendor's alerts, nothing told away."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from uuid_utils import uuid7

from libs.contracts import topics
from libs.trading.signals import SignalAction
from tests.integration.signal.running import Person, RunningService, listening
from tests.servers import Database, Servers

CHART: dict[str, Any] = {
    "name": "Chart",
    "format": "TRADINGVIEW",
    "mapping": {
        "action": {"field": "position", "words": {"long": "PLACE", "flat": "EXIT"}},
        "instrument": {"field": "ticker"},
        "exchange": {"field": "exchange"},
        "side": {"field": "action"},
        "product": {"constant": "INTRADAY"},
        "order_type": {"constant": "LIMIT"},
        "quantity": {"field": "contracts"},
        "limit_price": {"field": "price"},
        "alerted_at": {"field": "time"},
    },
}
SCANNER: dict[str, Any] = {
    "name": "Scanner",
    "format": "CHARTINK",
    "mapping": {
        "instrument": {"field": "stock"},
        "exchange": {"constant": "NSE"},
        "side": {"constant": "BUY"},
        "product": {"constant": "DELIVERY"},
        "quantity": {"constant": "5"},
    },
}
SCAN = b'{"stocks": "SBIN,INFY", "trigger_prices": "812.5,1650.25", "triggered_at": "2:34 pm"}'


def alert(late_s: float = 0, **changes: Any) -> bytes:
    at = datetime.now(UTC) - timedelta(seconds=late_s)
    body = {
        "ticker": "SBIN",
        "exchange": "NSE",
        "action": "buy",
        "position": "long",
        "contracts": 10,
        "price": 812.5,
        "time": at.isoformat(),
    }
    return json.dumps({**body, **changes}).encode()


async def create(master: Person, strategy_id: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await master.http.post(f"/strategies/{strategy_id}/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def send(service: RunningService, path: str, body: bytes, **headers: str) -> httpx.Response:
    return await service.client({"Content-Type": "text/plain"} | headers).post(path, content=body)


async def deliveries(master: Person, created: dict[str, Any]) -> list[dict[str, Any]]:
    webhook = created["webhook"]
    answer = await master.http.get(
        f"/strategies/{webhook['strategy_id']}/webhooks/{webhook['webhook_id']}/deliveries"
    )
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


async def signals_of(master: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await master.http.get("/signals")).json()["signals"]
    return found


async def test_an_alert_of_a_chart_reaches_every_partition_with_its_own_moment(
    service: RunningService, servers: Servers, kafka_topics: int
) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)
    async with listening(servers, master.user_id, topics.SIGNALS) as listener:
        answer = await send(service, created["path"], alert(late_s=7))
        await listener.wait_for(kafka_topics)

    assert answer.status_code == 202, answer.text
    (signal,) = listener.signals(0)
    assert answer.json()["signal_ids"] == [signal.signal_id]
    assert signal.action is SignalAction.PLACE
    assert signal.stamps.broker_event_at is not None
    assert signal.expires_at - signal.stamps.broker_event_at == timedelta(seconds=30)
    (delivery,) = await deliveries(master, created)
    assert (delivery["outcome"], delivery["signal_ids"]) == ("ACCEPTED", [signal.signal_id])


async def test_a_late_entry_is_born_over_and_a_late_exit_acts(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)

    await send(service, created["path"], alert(late_s=120))
    await send(service, created["path"], alert(late_s=120, position="flat", action="sell"))

    way_out, entry = await signals_of(master)
    lives = {
        signal["action"]: datetime.fromisoformat(signal["expires_at"])
        - datetime.fromisoformat(signal["accepted_at"])
        for signal in (way_out, entry)
    }
    assert lives["PLACE"] < timedelta(seconds=1)
    assert lives["EXIT"] > timedelta(seconds=1)


async def test_twenty_of_the_same_alert_at_once_are_one_signal(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)
    body = alert()

    answers = await asyncio.gather(*(send(service, created["path"], body) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({tuple(answer.json()["signal_ids"]) for answer in answers}) == 1
    assert len(await signals_of(master)) == 1


async def test_each_stock_of_a_scan_is_a_signal(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, SCANNER)

    answer = await send(service, created["path"], SCAN)
    again = await send(service, created["path"], SCAN)

    assert answer.status_code == 202
    assert [s["instrument"] for s in await signals_of(master)] == ["NSE:INFY", "NSE:SBIN"]
    assert again.json()["signal_ids"] == answer.json()["signal_ids"]
    assert [d["outcome"] for d in await deliveries(master, created)] == ["REPEATED", "ACCEPTED"]


async def test_wrong_addresses_are_answered_alike_and_leave_no_trace(
    service: RunningService, database: Database
) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)
    secret = created["path"].rpartition("/")[2]
    _, foreign_strategy = await service.master()

    answers = [
        await send(service, path, alert())
        for path in (
            f"/webhooks/{strategy_id}/{secret[:-1]}",
            f"/webhooks/{strategy_id}/lsw_guess",
            f"/webhooks/{foreign_strategy}/{secret}",
            f"/webhooks/{uuid7()}/{secret}",
            f"/webhooks/nothing/{secret}",
            f"/nothing/{strategy_id}/{secret}",
        )
    ]

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (404, answers[0].content)
    }
    assert await deliveries(master, created) == []
    with psycopg.connect(database.owner_dsn) as owner:
        assert owner.execute("select count(*) from signal.signals").fetchone() == (0,)


async def test_a_rotated_secret_opens_and_the_old_one_does_not(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART | {"signature_header": "X-My-Signature"})
    webhook_id = created["webhook"]["webhook_id"]
    rotate = f"/strategies/{strategy_id}/webhooks/{webhook_id}/rotate"

    rotated = (await master.http.post(rotate, json={})).json()
    unsigned = (await master.http.post(rotate, json={"signature_header": None})).json()

    assert rotated["webhook"]["signature_header"] == "X-My-Signature"
    assert rotated["signing_key"] not in {None, created["signing_key"]}
    assert unsigned["signing_key"] is None
    for path, status in ((created["path"], 404), (rotated["path"], 404), (unsigned["path"], 202)):
        assert (await send(service, path, alert())).status_code == status


async def test_a_signed_webhook_refuses_what_nobody_signed(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART | {"signature_header": "X-My-Signature"})
    body, key = alert(), created["signing_key"].encode()
    signature = hmac.new(key, body, hashlib.sha256).hexdigest()

    unsigned = await send(service, created["path"], body)
    altered = await send(service, created["path"], body + b" ", **{"X-My-Signature": signature})
    signed = await send(service, created["path"], body, **{"X-My-Signature": signature})

    assert [unsigned.status_code, altered.status_code, signed.status_code] == [401, 401, 202]
    assert len(await signals_of(master)) == 1


async def test_a_webhook_is_only_its_masters(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)
    stranger, _ = await service.master()
    one = f"/strategies/{strategy_id}/webhooks/{created['webhook']['webhook_id']}"

    answers = [
        await stranger.http.get(f"/strategies/{strategy_id}/webhooks"),
        await stranger.http.post(f"/strategies/{strategy_id}/webhooks", json=CHART),
        await stranger.http.patch(one, json={"name": "mine"}),
        await stranger.http.post(f"{one}/rotate", json={}),
        await stranger.http.delete(one),
        await stranger.http.get(f"{one}/deliveries"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert (await send(service, created["path"], alert())).status_code == 202


async def test_what_is_shown_later_holds_no_secret(
    service: RunningService, database: Database
) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART | {"signature_header": "X-My-Signature"})
    secret, key = created["path"].rpartition("/")[2], created["signing_key"]
    await send(service, created["path"], alert(webhook_url=created["path"], ticker=secret))

    shown = (await master.http.get(f"/strategies/{strategy_id}/webhooks")).text
    shown += str(await deliveries(master, created))

    assert secret not in shown
    assert key not in shown
    with psycopg.connect(database.owner_dsn) as owner:
        for table in ("webhooks", "webhook_alerts", "webhook_deliveries"):
            rows = owner.execute(f"select t::text from signal.{table} t").fetchall()  # noqa: S608
            assert secret not in str(rows)
            assert key not in str(rows)


async def test_a_changed_mapping_counts_from_the_next_alert(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, SCANNER)
    one = f"/strategies/{strategy_id}/webhooks/{created['webhook']['webhook_id']}"

    changed = await master.http.patch(
        one, json={"mapping": SCANNER["mapping"] | {"side": {"constant": "SELL"}}}
    )
    await send(service, created["path"], SCAN)

    assert changed.status_code == 200
    assert changed.json()["mapping"]["side"]["constant"] == "SELL"
    assert {signal["side"] for signal in await signals_of(master)} == {"SELL"}


async def test_a_deleted_webhook_is_gone_with_its_deliveries(service: RunningService) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, SCANNER)
    await send(service, created["path"], SCAN)
    one = f"/strategies/{strategy_id}/webhooks/{created['webhook']['webhook_id']}"

    assert (await master.http.delete(one)).status_code == 204
    assert (await send(service, created["path"], SCAN)).status_code == 404
    assert (await master.http.get(f"{one}/deliveries")).status_code == 404
    assert len(await signals_of(master)) == 2


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (b"x" * 70_000, 413, "TOO_LARGE"),
        (b"buy now", 422, "REFUSED"),
        (b'{"a":' * 10_000, 422, "REFUSED"),
        ({"late_s": 600}, 409, "OUT_OF_TIME"),
        ({"contracts": "ten"}, 422, "REFUSED"),
    ],
)
async def test_what_can_not_be_used_is_refused_and_shown_to_the_master(
    service: RunningService, body: bytes | dict[str, Any], status: int, outcome: str
) -> None:
    master, strategy_id = await service.master()
    created = await create(master, strategy_id, CHART)

    # Made now: an alert of the time when tests were collected may be too old.
    answer = await send(
        service, created["path"], body if isinstance(body, bytes) else alert(**body)
    )

    assert answer.status_code == status
    (delivery,) = await deliveries(master, created)
    assert delivery["outcome"] == outcome
    assert delivery["problem"]
    assert await signals_of(master) == []


async def test_only_the_last_deliveries_are_kept_and_a_strategy_has_ten_webhooks(
    service: RunningService, database: Database
) -> None:
    master, strategy_id = await service.master()
    created = [await create(master, strategy_id, SCANNER) for _ in range(10)]
    one_more = await master.http.post(f"/strategies/{strategy_id}/webhooks", json=SCANNER)
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute(
            "insert into signal.webhook_deliveries (webhook_id, outcome)"
            " select %s, 'REPEATED' from generate_series(1, 500)",
            (created[0]["webhook"]["webhook_id"],),
        )

    await send(service, created[0]["path"], SCAN)

    with psycopg.connect(database.owner_dsn) as owner:
        kept = owner.execute("select count(*) from signal.webhook_deliveries").fetchone()
    assert (one_more.status_code, one_more.json()["code"]) == (409, "TOO_MANY_WEBHOOKS")
    assert kept == (200,)
