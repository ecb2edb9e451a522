"""The invariants I1 to I13 of docs/reliability.md over what a row left behind. Pure.

The simulator's journal decides; the ledger is held against it, never the other way round. Each
violation begins with the name of its invariant. I9 is a timing: it is reported, not judged.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from tests.faults.case import (
    APART,
    AT_BROKER,
    ORDER_WRITES,
    OVER,
    WORKING,
    Arrival,
    Case,
    Expected,
    Ours,
)

STALE = timedelta(seconds=2)
IN_DOUBT = "ORDERS_IN_DOUBT"
# Two looks of the executors at what stands.
BRIEF = timedelta(seconds=1.5)
ALARM_WITHIN = timedelta(seconds=30)
ORDERS_PER_SECOND_MAX = 10
REQUESTS_PER_MINUTE_MAX = 200
# Refusals that the broker is known to make before it processes an order (transition 9).
_REFUSED_UNREAD = frozenset({401, 429})
_SECOND_NS = 1_000_000_000


def judge(case: Case) -> list[str]:
    """List every violation."""
    return [f"{name}: {words}" for name, check in INVARIANTS.items() for words in check(case)]


def doubled(case: Case) -> list[str]:
    """List (signal, account, leg, issue) with more than one created order."""
    by_tag = {order.tag: order for order in case.orders}
    counts = Counter(
        (o.signal_id, o.account_id, o.leg, o.issue)
        for c in case.created
        if c.tag is not None and (o := by_tag.get(c.tag)) is not None
    )
    return [f"{key} has {count} orders" for key, count in counts.items() if count > 1]


def lost(case: Case) -> list[str]:
    """List missing rows, orders of the journal nobody knows, and rows that stand nowhere."""
    return [*_missing_rows(case), *_unknown_orders(case), *_unsettled(case)]


def sent_once(case: Case) -> Iterable[str]:
    yield from doubled(case)
    created = Counter(c.tag for c in case.created if c.order_id not in case.foreign)
    yield from (f"tag {tag} was created {n} times" for tag, n in created.items() if n > 1)
    final: dict[str, Arrival] = {}
    for arrival in _writes(case, "place"):
        tag = arrival.tag or f"no tag ({arrival.client_id})"
        if tag in final:
            yield f"{tag} was sent again (line {arrival.n}) after line {final[tag].n}"
        elif not (arrival.answered and arrival.status in _REFUSED_UNREAD):
            final[tag] = arrival


def nothing_lost(case: Case) -> Iterable[str]:
    for signal in case.signals:
        rows = case.signal_rows.get(signal.signal_id, 0)
        if rows != 1:
            yield f"signal {signal.signal_id} was accepted and has {rows} rows"
    yield from _missing_rows(case)


def everything_ends(case: Case) -> Iterable[str]:
    yield from _unsettled(case)
    for order in case.orders:
        if order.state in {"PLANNED", "HELD"} and order.expires_at + STALE < case.now:
            yield f"{order.tag} is {order.state} after its expiry"


def ledger_is_book(case: Case) -> Iterable[str]:
    yield from _unknown_orders(case)
    seen = {c.tag: c for c in case.created if c.order_id not in case.foreign}
    for order in case.orders:
        there = seen.get(order.tag)
        if order.state == "NEEDS_ATTENTION":
            continue
        if there is None:
            if order.state in AT_BROKER and not _refused_at_the_door(order):
                yield f"{order.tag} is {order.state} here and not in the journal"
            continue
        state = "OPEN" if order.state == "ACKED" else order.state
        ours = (state, order.filled_quantity, order.broker_order_id)
        theirs = (there.status, there.filled_quantity, there.order_id)
        if ours != theirs:
            yield f"{order.tag}: {ours} here, {theirs} in the book"
    for key in sorted(case.net_books.keys() | case.net_ours.keys()):
        books, ours_net = case.net_books.get(key, 0), case.net_ours.get(key, 0)
        if books != ours_net:
            yield f"{key}: net {ours_net} here, {books} in the book"


def nothing_stale(case: Case) -> Iterable[str]:
    by_tag = {order.tag: order for order in case.orders}
    for arrival in _writes(case, "place"):
        order = by_tag.get(arrival.tag or "")
        if order and order.action == "PLACE" and arrival.at > order.expires_at + STALE:
            late_s = (arrival.at - order.expires_at).total_seconds()
            yield f"{order.tag} arrived {late_s:.1f} s after its expiry"


def written_ahead(case: Case) -> Iterable[str]:
    """Each try needs a SENDING commit of its own before it arrives."""
    by_tag = {order.tag: order for order in case.orders}
    commits: defaultdict[str, list[datetime]] = defaultdict(list)
    for step in case.history:
        if step.state == "SENDING":
            commits[step.order_id].append(step.committed_at)
    tries: Counter[str] = Counter()
    for arrival in _writes(case, "place"):
        order = by_tag.get(arrival.tag or "")
        if order is None:
            continue
        tries[order.order_id] += 1
        before = sum(at < arrival.at for at in commits[order.order_id])
        if before < tries[order.order_id]:
            yield f"{order.tag} arrived {tries[order.order_id]} times, {before} commits before"


def conserved(case: Case) -> Iterable[str]:
    by_tag = {order.tag: order for order in case.orders}
    sent: defaultdict[str, set[str]] = defaultdict(set)
    for arrival in _writes(case, "place"):
        if order := by_tag.get(arrival.tag or ""):
            sent[order.signal_id].add(order.tag)
    for signal in case.signals:
        rows = [o for o in case.orders if o.signal_id == signal.signal_id and not o.issue]
        if len(sent[signal.signal_id]) > len(rows):
            yield f"signal {signal.signal_id}: {len(sent[signal.signal_id])} sent of {len(rows)}"
        if signal.action in {"PLACE", "EXIT"} and len(rows) != len(signal.eligible):
            yield (
                f"signal {signal.signal_id}: {len(rows)} planned, {len(signal.eligible)} eligible"
            )


def in_order(case: Case) -> Iterable[str]:
    by_broker_id = {o.broker_order_id: o for o in case.orders if o.broker_order_id}
    known: defaultdict[str, list[datetime]] = defaultdict(list)
    for step in case.history:
        if step.state in AT_BROKER:
            known[step.order_id].append(step.committed_at)
    for arrival in case.arrivals:
        if arrival.operation not in {"modify", "cancel"}:
            continue
        order = by_broker_id.get(arrival.order_id or "")
        if order and not any(at < arrival.at for at in known[order.order_id]):
            yield f"{arrival.operation} of {order.tag} came before its PLACE was acknowledged"


def within_limits(case: Case) -> Iterable[str]:
    writes: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    requests: defaultdict[str, list[int]] = defaultdict(list)
    for arrival in case.arrivals:
        if arrival.client_id is None:
            continue
        requests[arrival.client_id].append(arrival.ns)
        if arrival.operation in ORDER_WRITES:
            writes[arrival.client_id, arrival.segment].append(arrival.ns)
    for key, instants in writes.items():
        if (most := _most_within(instants, _SECOND_NS)) > ORDERS_PER_SECOND_MAX:
            yield f"{key} sent {most} order requests within a second"
    for client_id, instants in requests.items():
        if (most := _most_within(instants, 60 * _SECOND_NS)) > REQUESTS_PER_MINUTE_MAX:
            yield f"{client_id} sent {most} requests within a minute"


def secret(case: Case) -> Iterable[str]:
    return case.leaked


def audited(case: Case) -> Iterable[str]:
    versions: defaultdict[str, set[int]] = defaultdict(set)
    for step in case.history:
        versions[step.order_id].add(step.version)
    for order in case.orders:
        written = versions[order.order_id]
        if written != set(range(1, order.version + 1)):
            yield f"{order.tag}: version {order.version}, history {sorted(written)}"
    yield from case.chain


def not_silent(case: Case) -> Iterable[str]:
    for wanted in case.expected:
        words = " or ".join(wanted.names)
        raised = [
            alarm
            for alarm in case.alarms
            if alarm.name in wanted.names
            and alarm.opened_at <= wanted.since + ALARM_WITHIN
            # One that stands already need not be raised once more.
            and (alarm.cleared_at is None or alarm.cleared_at >= wanted.since)
        ]
        if not raised and not _only_in_the_log(case, wanted) and not _brief_doubts(case, wanted):
            yield f"{words} was not raised within {ALARM_WITHIN.total_seconds():g} s"
        standing = [alarm for alarm in raised if alarm.cleared_at is None]
        if wanted.clears and standing:
            yield f"{standing[0].name} of {standing[0].subject} still stands"


INVARIANTS: Mapping[str, Callable[[Case], Iterable[str]]] = {
    "I1": sent_once,
    "I2": nothing_lost,
    "I3": everything_ends,
    "I4": ledger_is_book,
    "I5": nothing_stale,
    "I6": written_ahead,
    "I7": conserved,
    "I8": in_order,
    "I10": within_limits,
    "I11": secret,
    "I12": audited,
    "I13": not_silent,
}


def settled(order: Ours) -> bool:
    return order.state in OVER | APART | WORKING


def _only_in_the_log(case: Case, wanted: Expected) -> bool:
    """Say whether a service could only log the alarm, because the ledger was away."""
    return bool(case.unwritten_alarms & set(wanted.names))


def _brief_doubts(case: Case, wanted: Expected) -> bool:
    """Say whether every doubt ended before a person could have acted on it."""
    if list(wanted.names) != [IN_DOUBT]:
        return False
    steps = sorted(case.history, key=lambda step: (step.order_id, step.version))
    return all(
        step.order_id == after.order_id and after.at - step.at < BRIEF
        for step, after in zip(steps, [*steps[1:], steps[0]], strict=True)
        if step.state == "UNKNOWN"
    )


def _writes(case: Case, operation: str) -> list[Arrival]:
    found = [arrival for arrival in case.arrivals if arrival.operation == operation]
    return sorted(found, key=lambda arrival: arrival.n)


def _missing_rows(case: Case) -> list[str]:
    rows = Counter((o.signal_id, o.account_id, o.leg) for o in case.orders if not o.issue)
    return [
        f"{signal.action} {signal.signal_id} has {count} rows for account {account}"
        for signal in case.signals
        if signal.action in {"PLACE", "EXIT"}
        for account in signal.eligible
        if (count := rows[signal.signal_id, account, 0]) != 1
    ]


def _unknown_orders(case: Case) -> list[str]:
    mine = {order.tag for order in case.orders}
    return [
        f"order {c.order_id} of the journal is not in the ledger"
        for c in case.created
        if c.tag not in mine and c.order_id not in case.foreign
    ]


def _unsettled(case: Case) -> list[str]:
    return [f"{o.tag} stands at {o.state}({o.reason})" for o in case.orders if not settled(o)]


def _refused_at_the_door(order: Ours) -> bool:
    """Say whether the broker refused it before it became an order: only its reply tells."""
    return order.state == "REJECTED" and not order.broker_order_id


def _most_within(instants: Sequence[int], span_ns: int) -> int:
    ordered, first, most = sorted(instants), 0, 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= span_ns:
            first += 1
        most = max(most, last - first + 1)
    return most
