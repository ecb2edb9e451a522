import pytest

from libs.trading.states import AT_BROKER, MOVES, SENDABLE, TERMINAL, OrderState, may_move

S = OrderState


def test_nothing_leads_from_unknown_back_to_a_sendable_state() -> None:
    reached: set[OrderState] = set()
    todo = [S.UNKNOWN]
    while todo:
        for target in MOVES[todo.pop()] - reached:
            reached.add(target)
            todo.append(target)

    assert not reached & (SENDABLE | {S.SENDING})


def test_sending_returns_to_waiting_only_as_held() -> None:
    assert MOVES[S.SENDING] & SENDABLE == {S.HELD}


@pytest.mark.parametrize("state", sorted(S))
def test_every_state_has_its_moves_written_down(state: OrderState) -> None:
    assert state in MOVES


def test_only_a_person_or_the_broker_moves_what_is_over() -> None:
    for state in TERMINAL - {S.NOT_PLACED}:
        assert MOVES[state] <= {S.NEEDS_ATTENTION}
    assert MOVES[S.NOT_PLACED] == AT_BROKER
    assert not may_move(S.SKIPPED, S.SENDING)
