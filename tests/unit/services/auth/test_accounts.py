from datetime import timedelta

import pytest

from libs.runtime.problems import Problem
from libs.trading.accounts import SessionState
from services.auth.accounts import Slot, connection_status, slot_for, waiting
from tests.factories import NOON, an_account


def a_slot(
    account_id: str, client_id: str | None, state: SessionState = SessionState.DISCONNECTED
) -> Slot:
    return Slot(account_id=account_id, broker_client_id=client_id, session_state=state)


def test_the_first_login_opens_a_new_account() -> None:
    assert slot_for([], "XB1", "A broker") is None


@pytest.mark.parametrize(
    "state", [SessionState.CONNECTED, SessionState.EXPIRED, SessionState.ERROR]
)
def test_the_linked_client_comes_back_to_its_account(state: SessionState) -> None:
    linked = a_slot("a", "XB1", state)

    assert slot_for([a_slot("b", "XB2"), linked], "XB1", "A broker") == linked


@pytest.mark.parametrize(
    "state", [SessionState.CONNECTED, SessionState.EXPIRED, SessionState.ERROR]
)
def test_another_client_is_refused_while_one_is_linked(state: SessionState) -> None:
    slots = [a_slot("a", "XB1", state), a_slot("b", "XB2")]

    with pytest.raises(Problem) as refused:
        slot_for(slots, "XB2", "A broker")

    assert refused.value.status == 409
    assert "XB2" in refused.value.message
    assert "XB1" in refused.value.message


def test_a_client_that_was_here_before_gets_its_account_back() -> None:
    former = a_slot("b", "XB2")

    assert slot_for([a_slot("a", "XB1"), former, a_slot("c", None)], "XB2", "A broker") == former


def test_a_new_client_takes_the_place_kept_for_an_own_app() -> None:
    kept = a_slot("c", None)

    assert slot_for([a_slot("a", "XB1"), kept], "XB9", "A broker") == kept
    assert waiting([a_slot("a", "XB1")]) is None


def test_a_session_past_its_end_is_expired_before_the_sweep() -> None:
    account = an_account(session_expires_at=NOON)

    assert connection_status(account, NOON - timedelta(seconds=1)) == "connected"
    assert connection_status(account, NOON) == "expired"
    gone = an_account(session_state=SessionState.DISCONNECTED, session_expires_at=None)
    assert connection_status(gone, NOON) == "disconnected"
