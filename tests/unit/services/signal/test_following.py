"""How follows begin, change and end; which signals they cover."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.problems import Problem
from libs.trading.accounts import Account, AccountKind, SessionState
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.limits import NO_LIMITS
from libs.trading.signals import CopyMode
from services.signal.following import begun, changed, check_account, ended
from services.signal.records import Strategy
from tests.factories import a_follow, an_account, every_limit

ACCOUNT = an_account()
HALF = Sizing(mode=SizingMode.MULTIPLIER, value=Decimal("0.5"))
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
STRATEGY = Strategy(
    strategy_id="strategy-1",
    master_id="master-1",
    name="Momentum",
    description="",
    equity=None,
    copy_mode=CopyMode.ORDERS,
    created_at=SINCE,
    changed_at=SINCE,
)


def a_new_follow(last_seq: int) -> Follow:
    return begun(
        "follow-1", "user-1", strategy=STRATEGY, account=ACCOUNT, sizing=HALF, last_seq=last_seq
    )


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (None, "ACCOUNT_UNKNOWN"),
        (replace(ACCOUNT, kind=AccountKind.TRADER), "ACCOUNT_NOT_FOR_FOLLOWING"),
        (replace(ACCOUNT, session_state=SessionState.EXPIRED), "ACCOUNT_NOT_CONNECTED"),
        (replace(ACCOUNT, session_state=SessionState.DISCONNECTED), "ACCOUNT_NOT_CONNECTED"),
        (replace(ACCOUNT, session_state=SessionState.ERROR), "ACCOUNT_NOT_CONNECTED"),
    ],
)
def test_one_follows_only_with_an_own_connected_account(account: Account | None, code: str) -> None:
    with pytest.raises(Problem) as caught:
        check_account(account)

    assert caught.value.code == code


def test_a_follow_begins_after_the_last_signal() -> None:
    follow = a_new_follow(last_seq=41)

    assert (follow.covers(41), follow.covers(42)) == (False, True)
    assert (follow.version, follow.broker) == (1, ACCOUNT.broker)


def test_what_does_not_differ_changes_nothing() -> None:
    follow = a_follow(paused=True)

    assert changed(follow, sizing=follow.sizing, paused=True) is follow


def test_every_change_counts_the_version_on() -> None:
    paused = changed(a_follow(), sizing=None, paused=True)
    halved = changed(paused, sizing=HALF, paused=None)

    assert (paused.version, paused.paused) == (2, True)
    assert (halved.version, halved.paused, halved.sizing) == (3, True, HALF)


def test_an_end_stays_where_it_is() -> None:
    once = ended(a_follow(), 9)

    assert (once.until_seq, once.version) == (9, 2)
    assert ended(once, 12) is once


def test_an_ended_follow_takes_no_new_rules() -> None:
    with pytest.raises(Problem) as caught:
        changed(ended(a_follow(), 9), sizing=None, paused=True)

    assert caught.value.code == "FOLLOW_ENDED"


@given(st.lists(st.integers(min_value=0, max_value=5), min_size=1, max_size=20))
def test_leaving_and_returning_covers_no_signal_twice_and_none_between(steps: list[int]) -> None:
    """Each step: the master emits so many signals, then the follower follows or ends."""
    last_seq, follows, wanted = 0, list[Follow](), set[int]()
    for emitted in steps:
        running = bool(follows) and follows[-1].until_seq is None
        wanted |= set(range(last_seq + 1, last_seq + emitted + 1)) if running else set()
        last_seq += emitted
        if running:
            follows[-1] = ended(follows[-1], last_seq)
        else:
            follows.append(a_new_follow(last_seq))

    covering = [seq for seq in range(1, last_seq + 1) for f in follows if f.covers(seq)]

    assert covering == sorted(wanted)


def test_new_limits_stand_in_for_all_of_the_old_ones() -> None:
    limited = changed(a_follow(), sizing=None, paused=None, limits=every_limit())
    freed = changed(limited, sizing=None, paused=None, limits=NO_LIMITS)

    assert (limited.limits, limited.version) == (every_limit(), 2)
    assert (freed.limits, freed.version) == (NO_LIMITS, 3)
    assert changed(freed, sizing=None, paused=None, limits=NO_LIMITS) is freed
