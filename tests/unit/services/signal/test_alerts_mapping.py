"""A master's mapping: alerts to proposals, and what it refuses when it is saved or used."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from libs.trading.orders import OrderTerms, OrderType, Product, Side
from libs.trading.signals import SignalAction
from services.signal.alerts import AlertRefused
from services.signal.alerts_mapping import MappingBody
from services.signal.proposal import Proposal

STRATEGY = "01980000-0000-7000-8000-000000000001"
AT = datetime(2026, 12, 29, 9, 56, tzinfo=UTC)

STRATEGY_ALERT: dict[str, Any] = {
    "action": {
        "field": "position",
        "words": {"long": "PLACE", "short": "PLACE", "flat": "EXIT"},
    },
    "instrument": {"field": "ticker"},
    "exchange": {"field": "exchange"},
    "side": {"field": "action"},
    "product": {"constant": "INTRADAY"},
    "order_type": {"field": "type", "words": {"lmt": "LIMIT", "mkt": "MARKET"}},
    "quantity": {"field": "contracts"},
    "limit_price": {"field": "price"},
    "expires_in_s": 60,
}
ALERT = {
    "ticker": "SBIN",
    "exchange": "NSE",
    "action": "buy",
    "position": "long",
    "contracts": "10.0",
    "price": "812.50",
    "type": "lmt",
}


def proposed(mapping: dict[str, Any], alert: dict[str, str]) -> Proposal:
    return MappingBody.model_validate(mapping).proposal(STRATEGY, alert, at=AT)


def test_an_alert_of_a_chart_becomes_an_entry() -> None:
    assert proposed(STRATEGY_ALERT, ALERT) == Proposal(
        strategy_id=STRATEGY,
        action=SignalAction.PLACE,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.5")),
        expires_in_s=60,
        broker_event_at=AT,
    )


def test_a_flat_position_becomes_an_exit_with_the_time_of_an_exit() -> None:
    exit_ = proposed(STRATEGY_ALERT, ALERT | {"position": "FLAT", "action": "sell"})

    assert (exit_.action, exit_.side) == (SignalAction.EXIT, Side.SELL)
    assert exit_.expires_in_s is None


def test_an_exit_of_a_part_says_of_how_much() -> None:
    mapping = STRATEGY_ALERT | {"held_quantity": {"field": "before"}}
    flat = ALERT | {"position": "FLAT", "action": "sell", "before": "25"}

    assert proposed(mapping, flat).held_quantity == 25
    assert proposed(mapping, ALERT).held_quantity is None
    with pytest.raises(AlertRefused, match="held_quantity: '0' is no whole number"):
        proposed(mapping, flat | {"before": "0"})
    with pytest.raises(ValidationError, match="held_quantity: must be a field"):
        MappingBody.model_validate(STRATEGY_ALERT | {"held_quantity": {"constant": "5"}})


def test_a_price_that_the_order_has_not_is_left_out() -> None:
    market = proposed(STRATEGY_ALERT, ALERT | {"type": "mkt"})

    assert market.terms == OrderTerms(order_type=OrderType.MARKET, quantity=10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "hold"}, "side: 'hold' is none of BUY, SELL"),
        ({"position": "up"}, "action: 'up' is none of PLACE, EXIT"),
        ({"contracts": "10.5"}, "quantity: '10.5' is no whole number"),
        ({"contracts": "0"}, "quantity: '0' is no whole number"),
        ({"contracts": "1e3"}, "quantity: '1e3' is no whole number"),
        ({"contracts": "99999999999"}, "quantity: '99999999999' is no whole number"),
        ({"contracts": ""}, "quantity: the alert has no field 'contracts'"),
        ({"price": "812.50001"}, "terms.limit_price: must be a decimal"),
        ({"price": "-1"}, "terms.limit_price: must be a decimal"),
        ({"price": "{{close}}"}, "terms.limit_price: must be a decimal"),
        ({"ticker": "NIFTY1!"}, "is a continuous chart"),
        ({"type": "trailing"}, "order_type: 'trailing' is none of"),
    ],
)
def test_what_an_alert_may_not_say_is_refused_by_the_name_of_its_part(
    change: dict[str, str], words: str
) -> None:
    with pytest.raises(AlertRefused) as refused:
        proposed(STRATEGY_ALERT, ALERT | change)

    assert words in str(refused.value)


def test_an_order_that_needs_a_price_the_mapping_has_not_is_refused() -> None:
    with pytest.raises(AlertRefused, match="trigger_price: a STOP order needs one"):
        proposed(STRATEGY_ALERT, ALERT | {"type": "stop"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"side": {"constant": "HOLD"}}, "side: 'HOLD' is none of BUY, SELL"),
        ({"action": {"constant": "CANCEL"}}, "action: 'CANCEL' is none of PLACE, EXIT"),
        ({"side": {"field": "a", "words": {"up": "LONG"}}}, "side: 'LONG' is none of"),
        ({"quantity": {"constant": "1.5"}}, "no whole number"),
        ({"side": {"constant": "BUY", "field": "a"}}, "either a field or a constant"),
        ({"side": {}}, "either a field or a constant"),
        ({"side": {"constant": "BUY", "words": {"a": "b"}}}, "a constant needs none"),
        ({"instrument": {"constant": "SBIN"}, "exchange": None}, "names no exchange"),
        ({"instrument": {"field": "a\nb"}}, "name of a field"),
        ({"symbols": {"X": "SBIN"}}, "is not an instrument"),
        ({"alerted_at": {"constant": "2026-12-29T09:56:00Z"}}, "must be a field"),
        ({"expires_in_s": 121}, "1 to 120 seconds"),
        ({"surprise": {"constant": "1"}}, "extra"),
    ],
)
def test_a_mapping_that_can_never_work_is_refused_when_it_is_saved(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        MappingBody.model_validate(STRATEGY_ALERT | change)

    assert words.lower() in str(refused.value).lower()


def test_a_mapping_is_read_back_as_it_was_saved() -> None:
    mapping = MappingBody.model_validate(STRATEGY_ALERT)

    assert MappingBody.model_validate(mapping.model_dump(mode="json")) == mapping
