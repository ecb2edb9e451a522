"""A position turned round: out first, then in, and each once."""

from dataclasses import replace

import pytest

from libs.runtime.problems import Problem
from libs.trading.signals import SignalAction
from services.signal.proposal import Proposal
from services.signal.replay import SignalRequest
from tests.unit.services.signal.test_flow import PLACE, Room


@pytest.fixture
def room() -> Room:
    return Room()


def reversal(entry: Proposal = PLACE) -> list[SignalRequest]:
    leave = replace(entry, action=SignalAction.EXIT, expires_in_s=None)
    return [
        SignalRequest(
            master_id="master-1",
            proposal=proposal,
            idempotency_key=f"r:{proposal.action}",
            request_hash=b"r",
        )
        for proposal in (leave, entry)
    ]


async def test_a_reversal_is_a_way_out_and_then_an_entry_once(room: Room) -> None:
    left, entered = await room.flow.reverse(*reversal())
    again = await room.flow.reverse(*reversal())

    assert again == (left, entered)
    assert [(left.action, left.seq), (entered.action, entered.seq)] == [
        (SignalAction.EXIT, 1),
        (SignalAction.PLACE, 2),
    ]
    assert room.ledger.last_seq == 2


async def test_a_reversal_that_broke_off_is_completed_by_its_repetition(room: Room) -> None:
    leave, entry = reversal()
    left = await room.flow.accept(leave)

    assert (await room.flow.reverse(leave, entry))[0] == left
    assert room.ledger.last_seq == 2


async def test_nothing_is_closed_where_the_entry_would_be_refused(room: Room) -> None:
    room.backlog.actions = (SignalAction.PLACE,)

    with pytest.raises(Problem):
        await room.flow.reverse(*reversal())

    assert room.ledger.last_seq == 0
