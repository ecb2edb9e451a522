"""When two requests are the same request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.problems import Problem
from services.signal.bodies import SignalBody
from services.signal.replay import checked_key, request_hash

PLACE: dict[str, Any] = {
    "strategy_id": "0193a000-0000-7000-8000-00000000000a",
    "action": "PLACE",
    "instrument": "NSE:SBIN",
    "side": "BUY",
    "product": "INTRADAY",
    "terms": {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.50"},
}


def hash_of(**changes: Any) -> bytes:
    body = SignalBody.model_validate({**PLACE, **changes})
    return request_hash(body.model_dump(mode="json", exclude_defaults=True))


def test_spelling_does_not_make_another_request() -> None:
    backwards = SignalBody.model_validate(dict(reversed(PLACE.items())))

    assert hash_of() == request_hash(backwards.model_dump(mode="json", exclude_defaults=True))
    assert hash_of() == hash_of(parent_signal_id=None)
    assert hash_of() == hash_of(strategy_id=PLACE["strategy_id"].upper())
    assert hash_of() == hash_of(
        terms={"limit_price": "812.5000", "order_type": "LIMIT", "quantity": 10}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "SELL"},
        {"instrument": "NSE:TCS"},
        {"product": "DELIVERY"},
        {"expires_in_s": 30},
        {"action": "EXIT"},
        {"strategy_id": "0193a000-0000-7000-8000-00000000000b"},
        {"terms": {"order_type": "LIMIT", "quantity": 11, "limit_price": "812.50"}},
        {"terms": {"order_type": "LIMIT", "quantity": 10, "limit_price": "812.55"}},
    ],
)
def test_another_meaning_is_another_request(changes: dict[str, Any]) -> None:
    assert hash_of(**changes) != hash_of()


def test_todays_hashes_outlive_this_version() -> None:
    known = "151e51739b5be64dae08f0a8d1ef8eab795c552b686df2a3d3f5ff77e35378c5"

    assert hash_of().hex() == known


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=6), st.randoms())
def test_the_order_of_fields_never_matters(body: dict[str, int], random: Any) -> None:
    items = list(body.items())
    random.shuffle(items)

    assert request_hash(dict(items)) == request_hash(body)


@pytest.mark.parametrize("key", ["a", "x" * 255, "order 7/2026 (b)", "~!@#"])
def test_printable_keys_are_taken_as_they_are(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize("key", [None, "", "x" * 256, "tab\t", "é", "line\n", "\x7f"])
def test_other_keys_are_refused_with_the_fix(key: str | None) -> None:
    with pytest.raises(Problem) as caught:
        checked_key(key)

    assert caught.value.field == "Idempotency-Key"
    assert caught.value.status == 422
