"""What JSON is taken, and what is said about the rest."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.runtime.problems import problem_of
from services.signal.bodies import FollowChangeBody, SignalBody, StrategyBody

PLACE: dict[str, Any] = {
    "strategy_id": "0193a000-0000-7000-8000-00000000000a",
    "action": "PLACE",
    "instrument": "NSE:SBIN",
    "side": "BUY",
    "product": "INTRADAY",
    "terms": {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.50"},
}


def place_with(path: str, value: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(PLACE))
    target = body
    *parents, last = path.split(".")
    for parent in parents:
        target = target[parent]
    target[last] = value
    return body


def problem_with(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        SignalBody.model_validate_json(json.dumps(body))
    return problem_of(caught.value.errors()[0])


def test_a_whole_body_becomes_a_proposal() -> None:
    proposal = SignalBody.model_validate_json(json.dumps(PLACE)).proposal()

    assert proposal.strategy_id == PLACE["strategy_id"]
    assert proposal.terms is not None
    assert proposal.terms.limit_price == Decimal("812.5")
    assert proposal.parent_signal_id is None


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("terms.limit_price", 812.5, 'in quotes, as "812.50"'),
        ("terms.limit_price", float("nan"), "in quotes"),
        ("terms.limit_price", "812.50001", "4 decimals"),
        ("terms.limit_price", "1e3", "4 decimals"),
        ("terms.limit_price", "-1", "in quotes"),
        ("terms.limit_price", "NaN", "in quotes"),
        ("terms.limit_price", "", "in quotes"),
        ("terms.limit_price", True, "in quotes"),
        ("terms.limit_price", "١٢", "in quotes"),
        ("terms.limit_price", ["1"], "in quotes"),
        ("terms.quantity", 10.0, "whole number above 0"),
        ("terms.quantity", "10", "whole number above 0"),
        ("terms.quantity", 0, "whole number above 0"),
        ("terms.quantity", -1, "whole number above 0"),
        ("terms.quantity", True, "whole number above 0"),
        ("terms.quantity", 10**12, "whole number above 0"),
        ("terms.order_type", "limit", "must be 'MARKET', 'LIMIT'"),
        ("terms.price", "1", "leave it out"),
        ("action", "BUY", "must be 'PLACE', 'MODIFY'"),
        ("side", "LONG", "must be 'BUY' or 'SELL'"),
        ("instrument", "SBIN", "NSE:SBIN"),
        ("instrument", "nse:sbin", "NSE:SBIN"),
        ("instrument", "NFO:NIFTY:2026-13-01:FUT", "NFO:NIFTY:2026-12-29:24500:CE"),
        ("instrument", "NFO:NIFTY:2026-12-29:NAN:CE", "NFO:NIFTY:2026-12-29:24500:CE"),
        ("instrument", "NFO:NIFTY:2026-12-29:-5:CE", "NFO:NIFTY:2026-12-29:24500:CE"),
        ("strategy_id", "7", "valid UUID"),
        ("expires_in_s", "30", "whole number of seconds"),
        ("expires_in_s", 1.5, "whole number of seconds"),
        ("note", "hello", "leave it out"),
    ],
)
def test_a_bad_field_is_named_with_its_fix(path: str, value: Any, words: str) -> None:
    problem = problem_with(place_with(path, value))

    assert problem["field"] == path
    assert words in problem["message"]


def test_one_instrument_has_one_spelling() -> None:
    body = place_with("instrument", "NFO:NIFTY:2026-12-29:24500.00:CE")

    assert SignalBody.model_validate(body).instrument == "NFO:NIFTY:2026-12-29:24500:CE"


@given(st.decimals(min_value="0.0001", max_value=999_999_999, places=4))
def test_every_price_of_four_decimals_arrives_exactly(price: Decimal) -> None:
    body = SignalBody.model_validate(place_with("terms.limit_price", f"{price:f}"))

    assert body.terms is not None
    assert body.terms.limit_price == price
    assert "E" not in str(body.terms.limit_price)


@given(st.from_regex(r"(NSE|NFO|MCX|X)(:[A-Z0-9.&-]{0,11}){0,4}", fullmatch=True))
def test_what_is_taken_as_an_instrument_keeps_its_name(text: str) -> None:
    try:
        name = SignalBody.model_validate(place_with("instrument", text)).instrument
    except ValidationError:
        return

    assert SignalBody.model_validate(place_with("instrument", name)).instrument == name


def test_a_change_must_say_something() -> None:
    with pytest.raises(ValidationError, match="sizing, new limits, paused"):
        FollowChangeBody.model_validate({})


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "bell\x07", "\u202eevil"])
def test_a_name_that_no_screen_shows_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        StrategyBody.model_validate({"name": name})


def test_a_name_is_trimmed() -> None:
    assert StrategyBody.model_validate({"name": "  Momentum "}).name == "Momentum"
