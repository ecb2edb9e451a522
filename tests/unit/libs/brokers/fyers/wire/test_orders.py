"""Orders out and order book rows in, as the FYERS reference has them (FR-12)."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.brokers.errors import OutcomeUnknown
from libs.brokers.fyers import wire
from libs.trading.orders import (
    OrderExtra,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from tests.factories import an_intent, some_terms
from tests.unit.libs.brokers.fyers.payloads import payload

NAMES = {"NSE:SBIN-EQ": "NSE:SBIN", "NSE:NIFTY26SEPFUT": "NFO:NIFTY:2026-09-29:FUT"}


def row(**changes: Any) -> dict[str, Any]:
    first: dict[str, Any] = payload("order_book")["orderBook"][0]
    return first | changes


def read(**changes: Any) -> OrderReport:
    return wire.order_in_book(row(**changes), NAMES.get)


def test_limit_order_is_written_as_the_reference_says() -> None:
    body = wire.place_payload(an_intent(), "NSE:SBIN-EQ")

    assert orjson.loads(body) == {
        "symbol": "NSE:SBIN-EQ",
        "qty": 10,
        "type": 1,
        "side": 1,
        "productType": "INTRADAY",
        "limitPrice": 812.5,
        "stopPrice": 0,
        "disclosedQty": 0,
        "validity": "DAY",
        "offlineOrder": False,
        "orderTag": "k3v9q0m2x7b1a4z",
    }


@pytest.mark.parametrize(
    ("terms", "wire_type", "limit_price", "stop_price"),
    [
        (OrderTerms(order_type=OrderType.MARKET, quantity=1), 2, b"0", b"0"),
        (some_terms(limit_price=Decimal("0.05")), 1, b"0.05", b"0"),
        (
            OrderTerms(order_type=OrderType.STOP, quantity=1, trigger_price=Decimal(100)),
            3,
            b"0",
            b"100",
        ),
        (
            OrderTerms(
                order_type=OrderType.STOP_LIMIT,
                quantity=1,
                limit_price=Decimal("1234567890123.0105"),
                trigger_price=Decimal("1E+2"),
            ),
            4,
            b"1234567890123.0105",
            b"100",
        ),
    ],
)
def test_prices_are_written_digit_by_digit(
    terms: OrderTerms, wire_type: int, limit_price: bytes, stop_price: bytes
) -> None:
    body = wire.place_payload(an_intent(terms=terms), "NSE:SBIN-EQ")

    assert b'"type":%d,' % wire_type in body
    assert b'"limitPrice":%b,"stopPrice":%b,' % (limit_price, stop_price) in body


@pytest.mark.parametrize(
    ("product", "written"),
    [
        (Product.DELIVERY, "CNC"),
        (Product.INTRADAY, "INTRADAY"),
        (Product.CARRY_FORWARD, "MARGIN"),
        (Product.MTF, "MTF"),
    ],
)
def test_product_side_and_validity_are_written(product: Product, written: str) -> None:
    intent = an_intent(product=product, side=Side.SELL, validity=Validity.IOC)

    body = orjson.loads(wire.place_payload(intent, "NSE:SBIN-EQ"))

    assert (body["productType"], body["side"], body["validity"]) == (written, -1, "IOC")


def test_modification_writes_absolute_terms_and_leaves_out_what_the_type_lacks() -> None:
    stop_limit = OrderTerms(
        order_type=OrderType.STOP_LIMIT,
        quantity=7,
        limit_price=Decimal("99.5"),
        trigger_price=Decimal(99),
    )

    assert orjson.loads(wire.modify_payload("26112300000001", stop_limit)) == {
        "id": "26112300000001",
        "type": 4,
        "qty": 7,
        "limitPrice": 99.5,
        "stopPrice": 99,
    }
    market = OrderTerms(order_type=OrderType.MARKET, quantity=7)
    assert orjson.loads(wire.modify_payload("1", market)) == {"id": "1", "type": 2, "qty": 7}


def test_cancel_and_questions_are_written() -> None:
    assert wire.cancel_payload("26112300000001") == b'{"id":"26112300000001"}'
    assert wire.order_tag_query("k3v9q0m2x7b1a4z") == "order_tag=1%3Ak3v9q0m2x7b1a4z"
    assert wire.order_id_query("26112300000001") == "id=26112300000001"


def test_partly_filled_order_is_read_whole() -> None:
    assert read() == OrderReport(
        status=OrderStatus.PARTIAL,
        broker_order_id="26112300000001",
        client_order_id="k3v9q0m2x7b1a4z",
        exchange_order_id="1100000000012345",
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.5")),
        filled_quantity=4,
        average_price=Decimal("812.35"),
        at=datetime(2026, 11, 23, 6, 30, 7, tzinfo=UTC),
        placed_at=datetime(2026, 11, 23, 6, 30, 7, tzinfo=UTC),
        validity=Validity.DAY,
    )


@pytest.mark.parametrize(
    ("changes", "extras"),
    [
        ({}, set()),
        ({"offlineOrder": True}, {OrderExtra.AFTER_MARKET}),
        ({"disclosedQty": 2}, {OrderExtra.DISCLOSED_QUANTITY}),
        ({"discloseQty": 2, "stopLoss": 1.5}, set(OrderExtra) - {OrderExtra.AFTER_MARKET}),
        ({"takeProfit": 3}, {OrderExtra.ATTACHED_EXITS}),
        ({"productType": "BO"}, {OrderExtra.ATTACHED_EXITS}),
        ({"parentId": "26112300000001-BO-1"}, {OrderExtra.ATTACHED_EXITS}),
        ({"offlineOrder": "no", "disclosedQty": "?", "parentId": []}, set()),
    ],
)
def test_what_an_owners_order_has_beside_its_terms_is_told(
    changes: dict[str, Any], extras: set[OrderExtra]
) -> None:
    assert read(**changes).extras == extras


def test_rejected_foreign_order_keeps_its_words() -> None:
    report = wire.order_in_book(payload("order_book")["orderBook"][1], NAMES.get)

    assert report.status is OrderStatus.REJECTED
    assert report.message == "RED:Margin Shortfall:INR 1,20,000.50 Available:INR 0.00"
    assert report.client_order_id is None
    assert report.exchange_order_id is None
    assert report.average_price is None
    assert report.instrument == "NFO:NIFTY:2026-09-29:FUT"
    assert report.product is Product.CARRY_FORWARD


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        (1, 0, OrderStatus.CANCELLED),
        (1, 4, OrderStatus.CANCELLED),
        (2, 10, OrderStatus.FILLED),
        (4, 0, OrderStatus.ACKED),
        (4, 4, OrderStatus.PARTIAL),
        (5, 0, OrderStatus.REJECTED),
        (6, 0, OrderStatus.OPEN),
        (6, 4, OrderStatus.PARTIAL),
        (7, 0, OrderStatus.LAPSED),
        (20, 0, OrderStatus.ACKED),
        (90, 10, OrderStatus.FILLED),
        (3, 0, OrderStatus.ACKED),
        (None, 0, OrderStatus.ACKED),
        ([], 0, OrderStatus.ACKED),
    ],
)
def test_status_is_read(status: object, filled: int, expected: OrderStatus) -> None:
    report = read(status=status, filledQty=filled, remainingQuantity=10 - filled)

    assert (report.status, report.filled_quantity) == (expected, filled)


def test_filled_order_without_a_fill_count_is_filled_up_to_what_remains() -> None:
    assert read(status=2, filledQty=0, remainingQuantity=0).filled_quantity == 10


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("1:k3v9q0m2x7b1a4z", "k3v9q0m2x7b1a4z"),
        ("k3v9q0m2x7b1a4z", "k3v9q0m2x7b1a4z"),
        ("1:Untagged", None),
        ("2:Untagged", None),
        ("2:autoslice", None),
        ("Untagged", None),
        ("1:", None),
        ("", None),
        (None, None),
    ],
)
def test_tag_is_read_without_its_prefix(written: str | None, tag: str | None) -> None:
    assert read(orderTag=written).client_order_id == tag


@pytest.mark.parametrize(
    ("written", "price"),
    [
        (812.5, "812.5"),
        (812, "812"),
        (0.1, "0.1"),
        ("812.50", "812.50"),
        (99999999.95, "99999999.95"),
    ],
)
def test_prices_are_read_exactly(written: object, price: str) -> None:
    terms = read(limitPrice=written).terms

    assert terms is not None
    assert str(terms.limit_price) == price


@pytest.mark.parametrize("nonsense", [True, "many", [], {"n": 1}, 2.5, "NaN"])
def test_quantity_that_is_none_is_refused_whole(nonsense: object) -> None:
    with pytest.raises(OutcomeUnknown):
        read(filledQty=nonsense)


@pytest.mark.parametrize("when", ["", None, "soon", "99-Nov-2026 12:00:00", "23-Now-2026 12:00:00"])
def test_time_that_cannot_be_read_is_no_time(when: object) -> None:
    assert read(orderDateTime=when).at is None


def test_time_is_read_with_a_numeric_month_too() -> None:
    assert read(orderDateTime="23-11-2026 12:00:07").at == datetime(
        2026, 11, 23, 6, 30, 7, tzinfo=UTC
    )


def test_order_without_an_id_is_refused() -> None:
    with pytest.raises(OutcomeUnknown):
        read(id="")


@given(
    st.dictionaries(
        st.sampled_from([*payload("order_book")["orderBook"][0]]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]),
    )
)
def test_no_row_breaks_the_reader(changes: dict[str, Any]) -> None:
    with suppress(OutcomeUnknown):
        read(**changes)
