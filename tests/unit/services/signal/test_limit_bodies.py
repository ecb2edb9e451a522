"""The limits of a follow as JSON: what is taken, and what is said about the rest."""

from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from libs.contracts.limits_json import limits_json
from libs.contracts.rules_json import LimitsAnswer, LimitsBody
from libs.runtime.problems import problem_of
from libs.trading.follows import WhenSmall
from libs.trading.limits import NO_LIMITS, Limits
from services.signal.bodies import FollowBody
from tests.factories import every_limit

BODY: dict[str, Any] = {
    "strategy_id": "0193a000-0000-7000-8000-00000000000a",
    "account_id": "0193a000-0000-7000-8000-00000000000b",
    "sizing": {"mode": "MULTIPLIER", "value": "1"},
}


def test_a_follow_has_no_limits_unless_asked_for() -> None:
    body = FollowBody.model_validate(BODY)

    assert body.limits.limits() == NO_LIMITS
    assert body.sizing.sizing().when_small is WhenSmall.SKIP


def test_every_limit_is_taken_and_shown_as_it_came() -> None:
    sent = limits_json(every_limit())

    taken = LimitsBody.model_validate(sent).limits()

    assert taken == every_limit()
    shown = LimitsAnswer.model_validate(limits_json(taken)).model_dump(mode="json")
    assert shown == sent


def test_what_is_not_set_is_shown_as_no_limit() -> None:
    shown = LimitsAnswer.model_validate(limits_json(NO_LIMITS))

    assert {value for value in shown.model_dump().values() if not isinstance(value, list)} == {
        None,
        False,
    }
    assert set(LimitsAnswer.model_fields) == set(LimitsBody.model_fields)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("order_value_max", 5000.0, "in quotes"),
        ("order_value_max", "0", "above 0"),
        ("order_value_max", "-1", "in quotes"),
        ("order_quantity_max", 0, "above 0"),
        ("order_quantity_max", "10", "whole number"),
        ("open_positions_max", 10_001, "from 1 to 10000"),
        ("orders_per_day_max", True, "from 1 to 10000"),
        ("loss_per_day_max", "0.00001", "4 decimals"),
        ("price_distance_bps_max", 0, "from 1 to 10000"),
        ("trading_from_ist", "9:30", "09:30"),
        ("trading_until_ist", "24:00", "09:30"),
        ("trading_until_ist", 930, "09:30"),
        ("short_allowed", "yes", "boolean"),
        ("short", True, "leave it out"),
    ],
)
def test_a_bad_limit_is_named_with_its_fix(field: str, value: object, words: str) -> None:
    problem = problem_with({field: value})

    assert problem["field"] == f"limits.{field}"
    assert words in problem["message"]


@pytest.mark.parametrize(
    ("limits", "field", "words"),
    [
        ({"segments_denied": ["FNO"]}, "limits.segments_denied.0", "'OPTIONS'"),
        ({"products_allowed": ["CNC"]}, "limits.products_allowed.0", "'DELIVERY'"),
        ({"instruments_denied": ["SBIN"]}, "limits.instruments_denied.0", "NSE:SBIN"),
        ({"instruments_denied": ["NFO:nifty"]}, "limits.instruments_denied.0", "NFO:NIFTY"),
        ({"instruments_denied": ["NFO:"]}, "limits.instruments_denied.0", "NFO:NIFTY"),
        ({"instruments_denied": ["NFO:NIFTY:DEC"]}, "limits.instruments_denied.0", "NFO:NIFTY"),
        (
            {"instruments_denied": [f"NSE:S{number}" for number in range(201)]},
            "limits.instruments_denied",
            "200",
        ),
        (
            {"trading_from_ist": "10:00", "trading_until_ist": "10:00"},
            "limits.trading_until_ist",
            "later than",
        ),
        (
            {"instruments_allowed": ["NSE:SBIN"], "instruments_denied": ["NSE:SBIN"]},
            "limits.instruments_denied",
            "leave it out of one",
        ),
        (
            {"segments_allowed": ["EQUITY"], "segments_denied": ["EQUITY"]},
            "limits.segments_denied",
            "EQUITY is allowed too",
        ),
    ],
)
def test_limits_that_make_no_sense_are_named_with_their_fix(
    limits: dict[str, Any], field: str, words: str
) -> None:
    problem = problem_with(limits)

    assert problem["field"] == field
    assert words in problem["message"]


@pytest.mark.parametrize(
    "name",
    ["NSE:SBIN", "NFO:NIFTY", "NFO:NIFTY:2026-12-29", "NFO:NIFTY:2026-12-29:24500:CE", "MCX:GOLD"],
)
def test_an_instrument_may_be_one_or_all_that_is_written_below_a_name(name: str) -> None:
    assert LimitsBody.model_validate({"instruments_denied": [name]}).limits() == Limits(
        instruments_denied=frozenset({name})
    )


def test_one_side_of_a_trading_window_is_enough() -> None:
    limits = LimitsBody.model_validate({"trading_until_ist": "15:00"}).limits()

    assert (limits.trading_from_ist, limits.trading_until_ist) == (None, time(15))
    assert LimitsBody.model_validate({"order_value_max": "5000"}).limits() == Limits(
        order_value_max=Decimal(5000)
    )


def problem_with(limits: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        FollowBody.model_validate({**BODY, "limits": limits})
    return problem_of(caught.value.errors()[0])
