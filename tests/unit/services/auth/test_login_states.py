import pytest

from libs.runtime.problems import Problem
from libs.trading.accounts import AccountKind
from services.auth.login_states import (
    IssuedState,
    Link,
    new_state,
    refusal,
    require_state,
    state_hash,
)

MINE = Link(user_id="user-1", broker="abroker", kind=AccountKind.CLIENT)
OTHERS = Link(user_id="user-2", broker="abroker", kind=AccountKind.CLIENT)
MASTERS = Link(user_id="user-1", broker="abroker", kind=AccountKind.TRADER)
ELSEWHERE = Link(user_id="user-1", broker="another", kind=AccountKind.CLIENT)


def test_state_is_unguessable_and_its_first_letter_names_the_side() -> None:
    states = {new_state(AccountKind.CLIENT) for _ in range(100)}

    assert len(states) == 100
    assert {state[0] for state in states} == {"c"}
    assert new_state(AccountKind.TRADER)[0] == "t"
    # 43 characters of 6 bits each carry 256 random bits.
    assert {len(state) for state in states} == {44}


def test_only_a_hash_is_kept() -> None:
    state = new_state(AccountKind.CLIENT)

    assert state not in state_hash(state)
    assert state_hash(state) == state_hash(state)
    assert len(state_hash("\ud800")) == 64  # Half a surrogate pair is hashed, not an error.


@pytest.mark.parametrize("state", ["", "   "])
def test_a_missing_state_is_refused_before_anything_is_looked_up(state: str) -> None:
    with pytest.raises(Problem) as refused:
        require_state(state)

    assert (refused.value.status, refused.value.code) == (400, "STATE_MISSING")


@pytest.mark.parametrize(
    ("issued", "code"),
    [
        (None, "STATE_UNKNOWN"),
        (IssuedState(link=OTHERS, used=False, expired=False), "STATE_UNKNOWN"),
        (IssuedState(link=OTHERS, used=True, expired=True), "STATE_UNKNOWN"),
        (IssuedState(link=MASTERS, used=False, expired=False), "STATE_UNKNOWN"),
        (IssuedState(link=ELSEWHERE, used=False, expired=False), "STATE_UNKNOWN"),
        (IssuedState(link=MINE, used=True, expired=False), "STATE_USED"),
        (IssuedState(link=MINE, used=True, expired=True), "STATE_USED"),
        (IssuedState(link=MINE, used=False, expired=True), "STATE_EXPIRED"),
        (IssuedState(link=MINE, used=False, expired=False), "STATE_USED"),
    ],
)
def test_every_refused_state_says_why_in_one_clear_sentence(
    issued: IssuedState | None, code: str
) -> None:
    problem = refusal(issued, MINE)

    assert (problem.status, problem.code, problem.field) == (400, code, "state")
    assert problem.message.endswith("Connect again.")


def test_unknown_and_somebody_elses_cannot_be_told_apart() -> None:
    foreign = refusal(IssuedState(link=OTHERS, used=False, expired=False), MINE)

    assert foreign.body() == refusal(None, MINE).body()
