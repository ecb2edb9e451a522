import json
from dataclasses import fields
from datetime import timedelta, timezone
from decimal import Decimal

from libs.contracts.order_json import order_json
from libs.trading.events import OrderChanged
from libs.trading.orders import OrderType
from tests.factories import NOON, an_order_changed, some_terms

INDIA = timezone(timedelta(hours=5, minutes=30))


def test_an_order_reads_as_the_contract_says() -> None:
    order = an_order_changed(
        average_price=Decimal("812.5500"),
        terms=some_terms(
            order_type=OrderType.STOP_LIMIT,
            limit_price=Decimal("1E+3"),
            trigger_price=Decimal("999.95"),
        ),
        sent_at=NOON.astimezone(INDIA),
    )

    shown = order_json(order)

    assert shown["limit_price"] == "1000"
    assert shown["trigger_price"] == "999.95"
    assert shown["average_price"] == "812.5500"
    assert shown["sent_at"] == shown["accepted_at"] == "2026-11-23T06:30:00.000000Z"
    assert shown["change_id"] == "7"
    assert (shown["order_type"], shown["side"], shown["state"]) == ("STOP_LIMIT", "BUY", "PLANNED")
    assert json.loads(json.dumps(shown)) == shown


def test_what_is_not_known_yet_is_null() -> None:
    shown = order_json(an_order_changed())

    unknown = {name for name, value in shown.items() if value is None}
    prices = {"trigger_price", "average_price"}
    stamps = {"sent_at", "acknowledged_at", "filled_at"}
    assert unknown == prices | {"broker_order_id", "reason", "retry_of"} | stamps


def test_every_field_is_shown_but_whose_order_it_is() -> None:
    shown = set(order_json(an_order_changed()))

    flat = {"order_type", "quantity", "limit_price", "trigger_price"}
    assert shown == {item.name for item in fields(OrderChanged)} - {"user_id", "terms"} | flat
