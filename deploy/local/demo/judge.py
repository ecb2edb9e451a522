"""Was anything doubled or lost? The simulator's journal decides, never our own word. Pure.

doubled: one (signal, account, leg, issue) has more than one order in the journal.
lost: an eligible follower without a row, a row that is neither over nor working alike in ledger and
journal, or an order in the journal that the ledger does not know.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

SENT_STATES = frozenset({"ACKED", "OPEN", "PARTIAL", "FILLED", "CANCELLED", "REJECTED", "LAPSED"})
WORKING_STATES = frozenset({"ACKED", "OPEN", "PARTIAL"})
OVER_STATES = frozenset({"SKIPPED", "FILLED", "CANCELLED", "REJECTED", "LAPSED"})
COUNTED_APART = {"NOT_PLACED": "not_placed", "NEEDS_ATTENTION": "attention", "HELD": "waiting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """One follower order as our ledger has it at the end."""

    signal_id: str
    account_id: str
    leg: int
    issue: int
    tag: str
    broker: str
    state: str
    reason: str | None
    broker_order_id: str | None
    quantity: int
    filled_quantity: int
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOrder:
    """One order that the simulator created, and how its own book has it at the end."""

    broker_order_id: str
    tag: str | None
    created_at: datetime
    status: str
    filled_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    doubled: Sequence[str]
    lost: Sequence[str]
    differences: Sequence[str]
    orders: Mapping[str, int]
    skip_reasons: Mapping[str, int]

    @property
    def fine(self) -> bool:
        return not (self.doubled or self.lost or self.differences)


def judge(
    ledger: Sequence[LedgerOrder],
    journal: Sequence[JournalOrder],
    eligible: Iterable[tuple[str, str]],
) -> Verdict:
    """Hold the ledger against the journal; every (signal, account) of `eligible` needs a row."""
    created = Counter(order.tag for order in journal)
    by_tag = {order.tag: order for order in journal}
    mine = {order.tag: order for order in ledger}
    places = Counter(
        (o.signal_id, o.account_id, o.leg, o.issue) for o in ledger for _ in range(created[o.tag])
    )
    rows = {(order.signal_id, order.account_id) for order in ledger if order.issue == 0}
    missing = [f"{s} has no row for account {a}" for s, a in eligible if (s, a) not in rows]
    unknown = [
        f"order {o.broker_order_id} of the journal is not in the ledger"
        for o in journal
        if o.tag not in mine
    ]
    unsettled = [
        f"{o.tag} stands at {o.state}" for o in ledger if not _settled(o, by_tag.get(o.tag))
    ]
    return Verdict(
        doubled=[f"{key} has {count} orders" for key, count in places.items() if count > 1],
        lost=[*missing, *unknown, *unsettled],
        differences=[
            f"{o.tag}: {o.state} {o.filled_quantity} here, "
            f"{_said(by_tag.get(o.tag))} in the journal"
            for o in ledger
            if not _alike(o, by_tag.get(o.tag))
        ],
        orders=counts(ledger, by_tag),
        skip_reasons=dict(Counter(o.reason or "" for o in ledger if o.state == "SKIPPED")),
    )


def counts(ledger: Sequence[LedgerOrder], sent_tags: Container[str | None]) -> dict[str, int]:
    """Count orders by what became of them; `sent` are those the journal has."""
    states = Counter(order.state for order in ledger)
    return {
        "planned": len(ledger),
        "sent": sum(order.tag in sent_tags for order in ledger),
        "filled": states["FILLED"],
        "rejected": states["REJECTED"],
        "cancelled": states["CANCELLED"],
        "skipped": states["SKIPPED"],
        "not_placed": states["NOT_PLACED"],
        "attention": states["NEEDS_ATTENTION"],
        "working": sum(states[state] for state in WORKING_STATES),
        "waiting": states["HELD"] + states["AWAITING_USER"],
    }


def percentile(values: Sequence[float], share: float) -> float | None:
    """Pick the nearest-rank percentile, one decimal."""
    if not values:
        return None
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)], 1)


def _settled(order: LedgerOrder, seen: JournalOrder | None) -> bool:
    if order.state in OVER_STATES or order.state in COUNTED_APART:
        return True
    return order.state in WORKING_STATES and seen is not None and _alike(order, seen)


def _alike(order: LedgerOrder, seen: JournalOrder | None) -> bool:
    if seen is None:
        return order.state not in SENT_STATES
    state = "OPEN" if order.state == "ACKED" else order.state
    same_fill = order.filled_quantity == seen.filled_quantity
    return state == seen.status and same_fill and order.broker_order_id == seen.broker_order_id


def _said(seen: JournalOrder | None) -> str:
    return f"{seen.status} {seen.filled_quantity}" if seen else "nothing"
