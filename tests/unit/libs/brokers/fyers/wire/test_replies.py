"""Each FYERS code, status and shape of answer has one meaning (FR-13)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.brokers.errors import (
    AnswerUnreadable,
    BrokerError,
    LoginRefused,
    NotProcessed,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
)
from libs.brokers.fyers import wire
from libs.brokers.http import HTTPReply
from libs.trading.orders import OrderReport, OrderStatus
from tests.unit.libs.brokers.fyers.replies import JSON, a_page, a_refusal, a_reply

TAG = "k3v9q0m2x7b1a4z"
ORDER_ID = "52104097616"

SESSION = (-8, -15, -16, -17)
FINAL = (-50, -51, -53, -99, -300, -352)
FINAL_V2 = (
    *(-101, -209, -159, -174, -305, -323, -308, -309, -390, -310, -311, -316, -313, -314, -315),
    *(-325, -326, -327, -328, -329, -353, -372, -373, -392, -397, -398, -399),
)
OVER = (-161, -162, -164)
# Of a login or of a call that is never made for orders; here they prove nothing.
FOREIGN = (-5, -437, -501, -371, -374, 400)


def read(reply: HTTPReply) -> OrderReport:
    return wire.read_order_reply(reply, client_order_id=TAG)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1101, "Order submitted successfully. Your Order Ref. No.52104097616"),
        (1101, "Successfully placed order"),
        (1102, "Successfully modified order"),
        (1103, "Successfully cancelled order"),
    ],
)
def test_success_with_an_id_is_acked(code: int, message: str) -> None:
    report = read(a_reply(s="ok", code=code, message=message, id=ORDER_ID))

    assert report == OrderReport(
        status=OrderStatus.ACKED,
        broker_order_id=ORDER_ID,
        client_order_id=TAG,
        message=message,
    )


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", [*FINAL, *FINAL_V2])
def test_refused_order_keeps_code_and_words(status: int, code: int) -> None:
    report = read(a_refusal(status, code, "RED:Margin Shortfall:INR 1.00"))

    assert report.status is OrderStatus.REJECTED
    assert (report.code, report.message) == (str(code), "RED:Margin Shortfall:INR 1.00")
    assert report.client_order_id == TAG


def test_refused_order_keeps_the_id_it_was_given() -> None:
    assert read(a_refusal(400, -99, id="26112300000009")).broker_order_id == "26112300000009"


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("code", SESSION)
def test_dead_session_is_told(status: int, code: int) -> None:
    with pytest.raises(SessionExpired, match="the broker's words"):
        read(a_refusal(status, code))


def test_unauthorized_in_the_brokers_shape_is_a_dead_session_whatever_the_code() -> None:
    with pytest.raises(SessionExpired):
        read(a_refusal(401, -12345))


@pytest.mark.parametrize(
    ("status", "code"), [(429, -429), (429, 429), (429, -1), (200, -429), (400, 429)]
)
def test_rate_refusal_is_told(status: int, code: int) -> None:
    with pytest.raises(RateLimited, match="request limit reached"):
        read(a_refusal(status, code, "request limit reached"))


@pytest.mark.parametrize(
    ("headers", "retry_after_s", "day_blocked"),
    [
        ({"x-retry-after-ms": "250", "retry-after": "1"}, 0.25, False),
        ({"retry-after": "3"}, 3, False),
        ({"retry-after": "Mon, 23 Nov 2026 07:00:00 GMT"}, 1, False),
        ({}, 1, False),
        ({"retry-after": "32400"}, 32400, True),
    ],
)
def test_rate_refusal_says_how_long(
    headers: dict[str, str], retry_after_s: float, *, day_blocked: bool
) -> None:
    with pytest.raises(RateLimited) as raised:
        read(a_reply(429, headers, s="error", code=-429, message="request limit reached"))

    assert raised.value.retry_after_s == retry_after_s
    assert raised.value.day_blocked is day_blocked


@pytest.mark.parametrize("code", OVER)
def test_order_that_is_already_over_is_told_apart_and_never_guessed(code: int) -> None:
    with pytest.raises(wire.AlreadyOver):
        read(a_refusal(400, code))


@pytest.mark.parametrize("code", [*FOREIGN, -1, -100000, 0])
def test_code_outside_the_table_proves_nothing(code: int) -> None:
    with pytest.raises(OutcomeUnknown):
        read(a_refusal(400, code))


@pytest.mark.parametrize(
    "reply",
    [
        a_reply(s="ok", code=201, message="sent, no acknowledgement", id=ORDER_ID),
        a_reply(201, s="ok", code=201, message="", id=ORDER_ID),
        a_reply(s="ok", code=1101, message="Successfully placed order"),
        a_reply(s="ok", code=1101, message="Successfully placed order", id=""),
        a_reply(s="ok", code=1101, message="Order queued successfully.", id_fyers="0b0e7d2c"),
        a_reply(code=1101, message="Order Slice placed successfully", data=[]),
        a_reply(s="ok", message="no code", id=ORDER_ID),
        a_reply(500, s="ok", code=1101, message="", id=ORDER_ID),
        a_refusal(500, -50),
        a_refusal(502, -99),
        a_refusal(503, -16),
        a_refusal(403, -99),
        a_reply(307, s="ok", code=1101, message="", id=ORDER_ID),
        a_reply(404, s="ok", code=1101, message="", id=ORDER_ID),
        a_page(200),
        a_page(401),
        a_page(429),
        a_page(502),
        a_page(200, b'{"s":"ok","code":1101,"id":"1"}', "text/plain"),
        a_page(200, b'{"s":"ok","code":1101,"id":"1"}', ""),
        a_page(200, b'{"s":"ok","code":1101,"id":"52104', "application/json"),
        a_page(200, b"", "application/json"),
        a_page(200, b"[]", "application/json"),
        a_page(200, b"null", "application/json"),
        a_page(200, b"\x1f\x8b\x08\x00", "application/json"),
    ],
)
def test_anything_else_is_an_unknown_outcome(reply: HTTPReply) -> None:
    with pytest.raises(OutcomeUnknown):
        read(reply)


@pytest.mark.parametrize(
    "reply",
    [
        a_page(200),
        a_page(307),
        a_page(403),
        a_page(200, b'{"s":"ok","code":1101,"id":"52104', "application/json"),
    ],
)
def test_a_shape_no_documentation_knows_is_told_to_people(reply: HTTPReply) -> None:
    with pytest.raises(AnswerUnreadable):
        read(reply)


def test_an_error_page_of_their_server_is_an_ordinary_failure() -> None:
    with pytest.raises(OutcomeUnknown) as told:
        read(a_page(502))

    assert not isinstance(told.value, AnswerUnreadable)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    status=st.integers(100, 599),
    payload=st.fixed_dictionaries(
        {}, optional={"s": st.sampled_from(["ok", "error"]) | _json, "code": _json, "id": _json}
    ),
)
def test_no_answer_is_taken_for_a_proof_by_accident(status: int, payload: dict[str, Any]) -> None:
    try:
        report = read(a_reply(status, message="", **payload))
    except NotProcessed:
        assert payload["s"] == "error"
        assert status < 500
    except OutcomeUnknown:
        pass
    else:
        assert report.status in {OrderStatus.ACKED, OrderStatus.REJECTED}
        assert status < 500


@given(body=st.binary(max_size=200), status=st.integers(100, 599))
def test_no_body_breaks_the_reader(body: bytes, status: int) -> None:
    with pytest.raises(BrokerError):
        read(HTTPReply(status=status, headers=JSON, body=body))


@pytest.mark.parametrize("code", [-5, -437, -501, -371, -374, -352, -16, -50])
def test_refused_login_keeps_code_and_words(code: int) -> None:
    with pytest.raises(LoginRefused, match="invalid auth code") as raised:
        wire.read_login(a_refusal(400, code, "invalid auth code"))

    assert raised.value.code == str(code)


def test_login_that_is_limited_or_not_answered_is_no_refusal() -> None:
    with pytest.raises(RateLimited):
        wire.read_login(a_refusal(429, -429))
    for reply in (a_page(502), a_refusal(500, -437), a_reply(307, s="error", code=-437)):
        with pytest.raises(OutcomeUnknown):
            wire.read_login(reply)


def test_question_that_is_refused_is_never_an_empty_answer() -> None:
    with pytest.raises(SessionExpired):
        wire.read_rows(a_refusal(401, -16), "orderBook")
    with pytest.raises(RateLimited):
        wire.read_rows(a_refusal(429, -429), "orderBook")
    for reply in (
        a_refusal(400, -50),
        a_reply(s="ok", code=200),
        a_reply(s="ok", code=200, orderBook=None),
        a_reply(s="ok", code=200, orderBook=[1]),
        a_page(200),
    ):
        with pytest.raises(OutcomeUnknown):
            wire.read_rows(reply, "orderBook")
    assert wire.read_rows(a_reply(s="ok", code=200, orderBook=[]), "orderBook") == []
