"""The order door: paths, headers, and what is read when a refusal says too little."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from libs.brokers.errors import (
    AmbiguousMatch,
    NotSent,
    NoWayOut,
    OutcomeUnknown,
    SessionExpired,
)
from libs.brokers.fyers.instruments import load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.fyers.orders import FyersOrders
from libs.brokers.http import HTTPReply
from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Environment
from libs.trading.orders import OrderStatus
from tests.factories import NOON, an_intent
from tests.unit.libs.brokers.fyers.payloads import payload
from tests.unit.libs.brokers.fyers.replies import a_refusal, a_reply

ADDRESSES = MANIFEST.addresses(Environment.PAPER, "http://127.0.0.1:9701")
SESSION = BrokerSession(
    account_id="account-1",
    client_id="XB00001",
    environment=Environment.PAPER,
    expires_at=NOON,
    secrets={"app_id": "AB12CD34EF-100", "access_token": "eyJ.canary.sig"},
    egress="office",
)
PLACED = a_reply(s="ok", code=1101, message="Successfully placed order", id="26112300000001")


@dataclass
class TransportThatAnswers:
    """Notes each request and answers from a list."""

    replies: list[HTTPReply]
    sent: list[dict[str, Any]] = field(default_factory=list)
    warmed: list[tuple[str, Mapping[str | None, int]]] = field(default_factory=list)

    async def send(self, method: str, url: str, **request: Any) -> HTTPReply:
        self.sent.append({"method": method, "url": url, **request})
        return self.replies.pop(0)

    async def warm(self, url: str, wanted: Mapping[str | None, int]) -> None:
        self.warmed.append((url, wanted))

    async def aclose(self) -> None:
        return None


def orders(
    writes: list[HTTPReply] | None = None, reads: list[HTTPReply] | None = None
) -> tuple[FyersOrders, TransportThatAnswers, TransportThatAnswers]:
    writing, reading = TransportThatAnswers(writes or []), TransportThatAnswers(reads or [])
    return FyersOrders(ADDRESSES, writes=writing, reads=reading), writing, reading


def book(**changes: Any) -> HTTPReply:
    answer = payload("order_book")
    answer["orderBook"][0] |= changes
    return a_reply(**answer)


async def test_order_is_posted_once_with_its_account_and_its_way_out() -> None:
    gateway, writes, _ = orders([PLACED])
    not_after = time.monotonic() + 2

    report = await gateway.place_order(SESSION, an_intent(), not_after=not_after)

    assert report.broker_order_id == "26112300000001"
    [request] = writes.sent
    assert orjson.loads(request.pop("body"))["symbol"] == "NSE:SBIN-EQ"
    assert request == {
        "method": "POST",
        "url": "http://127.0.0.1:9701/api/v3/orders/sync",
        "headers": {"Authorization": "AB12CD34EF-100:eyJ.canary.sig"},
        "egress": "office",
        "not_after": not_after,
    }


async def test_no_live_order_leaves_from_an_address_that_is_not_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = load_instruments(ADDRESSES)
    monkeypatch.setattr("libs.brokers.fyers.orders.load_instruments", lambda _: listed)
    writes, reads = TransportThatAnswers([]), TransportThatAnswers([])
    live = MANIFEST.addresses(Environment.LIVE, None)
    gateway = FyersOrders(live, writes=writes, reads=reads)
    session = replace(SESSION, environment=Environment.LIVE, egress=None)

    with pytest.raises(NoWayOut):
        await gateway.place_order(session, an_intent())
    with pytest.raises(NoWayOut):
        await gateway.modify_order(session, "26112300000001", an_intent())
    with pytest.raises(NoWayOut):
        await gateway.cancel_order(session, "26112300000001", an_intent())

    assert writes.sent == []


async def test_modification_is_a_patch_and_cancel_a_delete_with_a_body() -> None:
    gateway, writes, _ = orders([PLACED, PLACED])

    await gateway.modify_order(SESSION, "26112300000001", an_intent())
    await gateway.cancel_order(SESSION, "26112300000001", an_intent())

    assert [(sent["method"], sent["url"].rpartition("/api/v3")[2]) for sent in writes.sent] == [
        ("PATCH", "/orders/sync"),
        ("DELETE", "/orders/sync"),
    ]
    assert writes.sent[1]["body"] == b'{"id":"26112300000001"}'


@pytest.mark.parametrize(
    ("code", "changes", "status", "filled"),
    [
        (-162, {"status": 2, "filledQty": 10, "remainingQuantity": 0}, OrderStatus.FILLED, 10),
        (-161, {"status": 1, "filledQty": 4, "remainingQuantity": 0}, OrderStatus.CANCELLED, 4),
        (-164, {"status": 5, "filledQty": 0}, OrderStatus.REJECTED, 0),
    ],
)
async def test_cancel_that_came_too_late_reports_the_order_as_the_book_has_it(
    code: int, changes: dict[str, Any], status: OrderStatus, filled: int
) -> None:
    gateway, _, reads = orders([a_refusal(400, code)], [book(**changes)])

    report = await gateway.cancel_order(SESSION, "26112300000001", an_intent())

    assert (report.status, report.filled_quantity, report.code) == (status, filled, None)
    assert reads.sent[0]["url"].endswith("/api/v3/orders?id=26112300000001")


async def test_cancel_that_came_too_late_for_an_order_not_in_the_book_is_unknown() -> None:
    gateway, _, _ = orders([a_refusal(400, -162)], [a_reply(s="ok", code=200, orderBook=[])])

    with pytest.raises(OutcomeUnknown, match="not in the book"):
        await gateway.cancel_order(SESSION, "26112300000001", an_intent())


async def test_order_is_found_by_its_tag_alone() -> None:
    gateway, _, reads = orders(reads=[book(), book(), book(orderTag="1:another")])

    found = await gateway.find_order(SESSION, "k3v9q0m2x7b1a4z")

    assert found is not None
    assert found.instrument == "NSE:SBIN"
    assert reads.sent[0]["url"].endswith("/api/v3/orders?order_tag=1%3Ak3v9q0m2x7b1a4z")
    assert await gateway.find_order(SESSION, "unknownunknown1") is None
    assert await gateway.find_order(SESSION, "k3v9q0m2x7b1a4z") is None


async def test_two_orders_with_one_tag_are_for_a_person() -> None:
    twice = payload("order_book")
    twice["orderBook"][1]["orderTag"] = "1:k3v9q0m2x7b1a4z"
    gateway, _, _ = orders(reads=[a_reply(**twice)])

    with pytest.raises(AmbiguousMatch):
        await gateway.find_order(SESSION, "k3v9q0m2x7b1a4z")


async def test_book_is_whole_or_an_error() -> None:
    gateway, _, _ = orders(reads=[book(), book(qty="many")])

    assert len(await gateway.order_book(SESSION)) == 2
    with pytest.raises(OutcomeUnknown):
        await gateway.order_book(SESSION)


async def test_instrument_that_is_not_listed_is_not_sent() -> None:
    gateway, writes, _ = orders([PLACED])

    with pytest.raises(NotSent, match="NSE:NOWHERE"):
        await gateway.place_order(SESSION, an_intent(instrument="NSE:NOWHERE"))
    assert writes.sent == []


async def test_live_knows_no_instrument_until_the_daily_list_is_loaded() -> None:
    live = FyersOrders(
        MANIFEST.addresses(Environment.LIVE, None),
        writes=TransportThatAnswers([PLACED]),
        reads=TransportThatAnswers([]),
    )

    with pytest.raises(NotSent):
        await live.place_order(replace(SESSION, environment=Environment.LIVE), an_intent())


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        {"app_id": "AB12CD34EF-100"},
        {"app_id": "AB12CD34EF-100", "access_token": "canary\r\nX: 1"},
        {"app_id": "AB12CD34EF-100", "access_token": "canarÿ"},
    ],
)
async def test_session_that_cannot_be_sent_asks_for_a_login_and_shows_nothing(
    secrets: dict[str, str],
) -> None:
    gateway, writes, _ = orders([PLACED])

    with pytest.raises(SessionExpired) as raised:
        await gateway.place_order(replace(SESSION, secrets=secrets), an_intent())
    assert "canar" not in repr(raised.value)
    assert writes.sent == []


async def test_warming_touches_no_account() -> None:
    gateway, writes, reads = orders()

    await gateway.warm([SESSION, SESSION, replace(SESSION, egress=None)])

    assert writes.warmed == [("http://127.0.0.1:9701/api/v3", {"office": 2, None: 1})]
    assert reads.warmed == [("http://127.0.0.1:9701/api/v3", {None: 1})]
