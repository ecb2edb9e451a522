"""The judge of `make faults` sees each kind of violation: one that sees nothing proves nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.case import Alarm, Arrival, Case, Created, Emitted, Expected, Ours, Step
from tests.faults.judge import doubled, judge, lost

AT = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
SIGNAL, ACCOUNT, CLIENT, TAG = "signal-1", "account-1", "XB00001", "k3v9q0m2x7b1a4z"


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


ORDER = Ours(
    order_id="order-1",
    signal_id=SIGNAL,
    account_id=ACCOUNT,
    leg=0,
    issue=0,
    tag=TAG,
    action="PLACE",
    side="BUY",
    state="FILLED",
    reason=None,
    version=3,
    broker_order_id="1",
    filled_quantity=5,
    accepted_at=AT,
    expires_at=after(30),
    deadline=after(12),
    changed_at=after(2),
)
HISTORY = [
    Step(order_id="order-1", version=1, state="SENDING", at=after(0.1), committed_at=after(0.2)),
    Step(order_id="order-1", version=2, state="ACKED", at=after(1.1), committed_at=after(1.2)),
    Step(order_id="order-1", version=3, state="FILLED", at=after(1.3), committed_at=after(1.4)),
]
ARRIVAL = Arrival(
    n=1,
    at=after(1),
    ns=10**9,
    operation="place",
    client_id=CLIENT,
    tag=TAG,
    segment="NSE",
    status=200,
    order_id="1",
    answered=True,
)
CREATED = Created(
    n=2,
    order_id="1",
    tag=TAG,
    client_id=CLIENT,
    at=after(1),
    instrument="NSE:SBIN",
    side="BUY",
    status="FILLED",
    filled_quantity=5,
)
CASE = Case(
    now=after(10),
    signals=[Emitted(signal_id=SIGNAL, action="PLACE", instrument="NSE:SBIN", eligible=[ACCOUNT])],
    signal_rows={SIGNAL: 1},
    orders=[ORDER],
    history=HISTORY,
    arrivals=[ARRIVAL],
    created=[CREATED],
    alarms=[],
    expected=[],
    net_books={(ACCOUNT, "NSE:SBIN"): 5},
    net_ours={(ACCOUNT, "NSE:SBIN"): 5},
)
AGAIN = replace(ARRIVAL, n=3, at=after(2), ns=2 * 10**9, order_id="2")
CREATED_AGAIN = replace(CREATED, n=4, order_id="2")
EXPECTED = Expected(names=["KAFKA_AWAY"], since=AT)
ALARM = Alarm(
    schema="executor",
    name="KAFKA_AWAY",
    subject="replica",
    opened_at=after(3),
    cleared_at=after(9),
)

VIOLATIONS = {
    "I1: an order was created twice": (
        "I1",
        replace(CASE, arrivals=[ARRIVAL, AGAIN], created=[CREATED, CREATED_AGAIN]),
    ),
    "I1: a request went again after its answer was lost": (
        "I1",
        replace(CASE, arrivals=[replace(ARRIVAL, answered=False, status=500), AGAIN]),
    ),
    "I2: an accepted signal has no row": ("I2", replace(CASE, signal_rows={})),
    "I2: a follower has no order": (
        "I2",
        replace(CASE, orders=[], history=[], arrivals=[], created=[], net_books={}, net_ours={}),
    ),
    "I3: an order stands in doubt": ("I3", replace(CASE, orders=[replace(ORDER, state="UNKNOWN")])),
    "I3: an order waits after its expiry": (
        "I3",
        replace(CASE, now=after(40), orders=[replace(ORDER, state="HELD")]),
    ),
    "I4: another fill than in the book": (
        "I4",
        replace(CASE, created=[replace(CREATED, filled_quantity=4)]),
    ),
    "I4: an order of the book is not ours": ("I4", replace(CASE, created=[CREATED, replace(
        CREATED, n=9, order_id="9", tag="a-stranger")])),
    "I4: an order of ours is not in the book": ("I4", replace(CASE, created=[])),
    "I4: another net quantity": ("I4", replace(CASE, net_ours={(ACCOUNT, "NSE:SBIN"): 10})),
    "I5: an entry arrived stale": ("I5", replace(CASE, arrivals=[replace(ARRIVAL, at=after(33))])),
    "I6: it arrived before it was written down": (
        "I6",
        replace(CASE, arrivals=[replace(ARRIVAL, at=after(0.15))]),
    ),
    "I6: a second try without a commit of its own": (
        "I6",
        replace(CASE, arrivals=[replace(ARRIVAL, status=429), AGAIN]),
    ),
    "I7: more rows than followers": (
        "I7",
        replace(CASE, orders=[ORDER, replace(ORDER, order_id="2", tag="t2", account_id="else")]),
    ),
    "I8: a cancel before the order was known": (
        "I8",
        replace(CASE, arrivals=[ARRIVAL, replace(AGAIN, operation="cancel", order_id="1",
                                                 at=after(1.1))]),
    ),
    "I10: eleven requests within a second": (
        "I10",
        replace(CASE, arrivals=[replace(ARRIVAL, n=n, ns=10**9 + n, operation="modify")
                                for n in range(11)]),
    ),
    "I10: 201 requests within a minute": (
        "I10",
        replace(CASE, arrivals=[replace(ARRIVAL, n=n, ns=n * 2 * 10**8, operation="book")
                                for n in range(201)]),
    ),
    "I11: a secret in a log": ("I11", replace(CASE, leaked=["a PIN in auth.log"])),
    "I12: a version without history": ("I12", replace(CASE, history=HISTORY[:2])),
    "I12: the chain is broken": ("I12", replace(CASE, chain=["shard 1 breaks at 7"])),
    "I13: no alarm": ("I13", replace(CASE, expected=[EXPECTED])),
    "I13: an alarm came too late": (
        "I13",
        replace(CASE, expected=[EXPECTED], alarms=[replace(ALARM, opened_at=after(31))]),
    ),
    "I13: an alarm stands for ever": (
        "I13",
        replace(CASE, expected=[EXPECTED], alarms=[replace(ALARM, cleared_at=None)]),
    ),
}  # fmt: skip


def test_a_day_without_faults_has_no_violation() -> None:
    assert judge(CASE) == []
    assert judge(replace(CASE, expected=[EXPECTED], alarms=[ALARM])) == []


@pytest.mark.parametrize("name", VIOLATIONS)
def test_each_violation_is_seen(name: str) -> None:
    invariant, case = VIOLATIONS[name]

    found = judge(case)

    assert [words for words in found if words.startswith(f"{invariant}: ")]


def test_a_request_refused_unread_may_come_again() -> None:
    refused = replace(ARRIVAL, status=429, order_id=None)
    again = replace(HISTORY[0], version=2, committed_at=after(1.5))
    history = [
        HISTORY[0],
        again,
        *(replace(step, version=step.version + 1) for step in HISTORY[1:]),
    ]

    found = judge(
        replace(
            CASE,
            orders=[replace(ORDER, version=4)],
            history=history,
            arrivals=[refused, replace(AGAIN, order_id="1")],
        )
    )

    assert found == []


def test_what_the_owner_trades_himself_is_not_ours() -> None:
    foreign = replace(CREATED, order_id="9", tag="", n=9)

    assert judge(replace(CASE, created=[CREATED, foreign], foreign=frozenset({"9"}))) == []


def test_an_alarm_that_only_the_log_could_take_counts() -> None:
    case = replace(CASE, expected=[EXPECTED], unwritten_alarms=frozenset({"KAFKA_AWAY"}))

    assert judge(case) == []


def test_a_doubt_needs_its_alarm_unless_it_was_over_at_once() -> None:
    doubt = Expected(names=["ORDERS_IN_DOUBT"], since=AT)

    def in_doubt_for(seconds: float) -> Case:
        unknown = replace(HISTORY[1], state="UNKNOWN", at=after(1.1))
        linked = replace(HISTORY[2], at=after(1.1 + seconds))
        return replace(CASE, expected=[doubt], history=[HISTORY[0], unknown, linked])

    assert judge(in_doubt_for(1)) == []
    assert [words[:4] for words in judge(in_doubt_for(3))] == ["I13:"]


def test_doubled_and_lost_are_counted_apart() -> None:
    twice = replace(CASE, created=[CREATED, CREATED_AGAIN])

    assert len(doubled(twice)) == 1
    assert lost(CASE) == []
    assert len(lost(replace(CASE, created=[CREATED, replace(CREATED, tag="x", n=8)]))) == 1
