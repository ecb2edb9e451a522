"""Raw order socket messages, as the FYERS reference and the official SDK's key map have them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from libs.brokers.errors import OutcomeUnknown, SessionExpired
from libs.brokers.fyers import wire
from libs.brokers.fyers.wire.feed import FEED_KEYS
from libs.trading.orders import (
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from tests.unit.libs.brokers.fyers.payloads import payload


def read(**changes: Any) -> OrderReport:
    message = payload("socket_order_new_ack")
    report = wire.order_of({"orders": message["orders"] | changes, "s": "ok"}, lambda _: "NSE:X")
    assert report is not None
    return report


def test_subscription_is_the_sdks_text() -> None:
    assert wire.SUBSCRIBE == '{"T":"SUB_ORD","SLIST":["orders"],"SUB_T":1}'


def test_new_order_of_the_reference_is_read_whole() -> None:
    assert read() == OrderReport(
        status=OrderStatus.ACKED,
        broker_order_id="23121800292158",
        instrument="NSE:X",
        side=Side.BUY,
        product=Product.DELIVERY,
        terms=OrderTerms(order_type=OrderType.MARKET, quantity=1),
        at=datetime(2023, 12, 18, 8, 21, 30, tzinfo=UTC),
        placed_at=datetime(2023, 12, 18, 8, 21, 30, tzinfo=UTC),
        validity=Validity.DAY,
    )


@pytest.mark.parametrize(
    ("org_ord_status", "ord_status", "expected"),
    [
        (1, 90, OrderStatus.CANCELLED),
        (2, 90, OrderStatus.FILLED),
        (4, 20, OrderStatus.ACKED),
        (5, 90, OrderStatus.REJECTED),
        (6, 20, OrderStatus.OPEN),
        (7, 90, OrderStatus.LAPSED),
        (20, 20, OrderStatus.ACKED),
        (90, 90, OrderStatus.FILLED),
        (None, 90, OrderStatus.FILLED),
        (None, 20, OrderStatus.ACKED),
        (None, 55, OrderStatus.ACKED),
    ],
)
def test_status_is_read_on_the_public_scale_first(
    org_ord_status: int | None, ord_status: int, expected: OrderStatus
) -> None:
    changes = {"org_ord_status": org_ord_status, "ord_status": ord_status, "qty_remaining": 0}

    assert read(**changes).status is expected


def test_fill_is_read() -> None:
    report = read(
        org_ord_status=6,
        qty=10,
        qty_filled=4,
        qty_remaining=6,
        price_traded=812.35,
        ordertag="1:k3v9q0m2x7b1a4z",
        id_exchange="1100000000012345",
    )

    assert (report.status, report.filled_quantity) == (OrderStatus.PARTIAL, 4)
    assert report.average_price == Decimal("812.35")
    assert report.client_order_id == "k3v9q0m2x7b1a4z"
    assert report.exchange_order_id == "1100000000012345"


def test_messages_of_another_kind_are_no_orders() -> None:
    others: list[dict[str, Any]] = [{"trades": {"id": "1"}, "s": "ok"}, {"positions": {}}, {}]
    for message in others:
        assert wire.order_of(message, lambda _: None) is None


def test_confirmation_opens_the_feed_and_a_refusal_never_does() -> None:
    assert wire.opens_feed({"code": 1605, "message": "Successfully subscribed", "s": "ok"})
    assert wire.opens_feed(payload("socket_order_new_ack"))
    assert not wire.opens_feed({"s": "ok", "code": 1})
    with pytest.raises(SessionExpired):
        wire.opens_feed({"s": "error", "code": -16, "message": "no"})
    with pytest.raises(OutcomeUnknown):
        wire.opens_feed({"s": "error", "code": -1, "message": "no"})


@pytest.mark.parametrize("frame", ["", "pong?", "[1]", b"\xff", orjson.dumps("text")])
def test_frame_that_is_no_message_breaks_the_line(frame: str | bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_message(frame)


def test_key_map_is_the_sdks() -> None:
    assert len(FEED_KEYS) == 31
    assert FEED_KEYS["org_ord_status"] == "status"
    assert "ord_status" not in FEED_KEYS
