"""The invariants I1 to I8, I10 and I12, judged from the broker's journal and the ledger's history.

`arrived` and `moved` look at one thing the moment it happens, `after_step` at what may last only so
long, `at_the_end` at what must be true once everything is well again.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from libs.paper.orders import WORKING as WORKING_AT_BROKER
from libs.paper.orders import PaperOrder
from libs.trading.follows import Follow
from libs.trading.reasons import AttentionReason
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import (
    AT_BROKER,
    CLOSED_AT_BROKER,
    SENDABLE,
    TERMINAL,
    WORKING,
    OrderState,
)
from tests.model.broker import Arrival, BrokerOfManyMoods
from tests.model.bus import BusInMemory
from tests.model.statements import Timings
from tests.model.tables import OrderRecord, Tables, Transition

_SHARDS = 2
# Sweeps come in turns and statements take time.
_SLACK = timedelta(seconds=3)
_LATE_WRITE = timedelta(seconds=2)
_PER_SECOND_MAX = 10
_UNKNOWN_MAX = timedelta(minutes=5)
_FOR_A_PERSON = {
    AttentionReason.BOOK_UNREADABLE,
    AttentionReason.SESSION_DEAD,
    AttentionReason.UNEXPLAINED_FILL,
}
_PARKED = frozenset({OrderState.NEEDS_ATTENTION})


@dataclass(slots=True)
class Judge:
    """`found` is everything that was wrong, in the order it happened."""

    tables: Tables
    broker: BrokerOfManyMoods
    bus: BusInMemory
    timings: Timings
    found: list[str] = field(default_factory=list)
    _places: defaultdict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    _recent: defaultdict[tuple[str, str], list[datetime]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _last: dict[str, Transition] = field(default_factory=dict)
    _unfinished: set[str] = field(default_factory=set)
    _seen: int = 0

    def arrived(self, arrival: Arrival) -> None:
        order = self.tables.orders.get(self.tables.by_tag.get(arrival.tag, ""))
        if order is None:
            self._wrong("I6", f"{arrival.kind} of {arrival.tag} arrived, and no row knows it")
            return
        self._judge_limit(arrival)
        if arrival.kind == "PLACE":
            self._judge_place(arrival, order)
        elif self._last[order.order_id].state not in AT_BROKER | _PARKED:
            state = order.state
            self._wrong("I8", f"{arrival.kind} of {order.order_id} arrived, but it is {state}")

    def moved(self, transition: Transition) -> None:
        order = self.tables.orders[transition.order_id]
        before = self._last.get(transition.order_id)
        if transition.version != (before.version + 1 if before else 1):
            self._wrong("I12", f"{order.order_id}: version {transition.version} after {before}")
        if before is not None and transition.filled_quantity < before.filled_quantity:
            self._wrong("I4", f"{order.order_id}: a fill went back from {before.filled_quantity}")
        self._last[transition.order_id] = transition
        if transition.state in TERMINAL | _PARKED:
            self._unfinished.discard(order.order_id)
        else:
            self._unfinished.add(order.order_id)
        if transition.state is OrderState.SENDING:
            self._judge_claim(transition, order)

    def after_step(self, healthy_since: Mapping[int, datetime]) -> None:
        """Judge what changed in this step, and what stands for too long."""
        for transition in self.tables.history[self._seen :]:
            self._judge_link(self.tables.orders[transition.order_id])
        self._seen = len(self.tables.history)
        for order_id in self._unfinished:
            order = self.tables.orders[order_id]
            since = healthy_since.get(order.planned.shard)
            if since is not None:
                self._judge_bound(order, since)
        self._judge_positions()
        if self.tables.buried:
            self._wrong("I2", "a good record was buried")

    def at_the_end(self) -> None:
        for order in self.tables.orders.values():
            if order.state not in TERMINAL | _PARKED | WORKING:
                self._wrong("I3", f"{order.order_id} is still {order.state} ({order.reason})")
            self._judge_link(order)
        self._judge_books()
        self._judge_followers()
        self._judge_cancels()

    def _judge_place(self, arrival: Arrival, order: OrderRecord) -> None:
        earlier = self._places[arrival.tag]
        if any(not before.refused for before in earlier):
            self._wrong("I1", f"{order.order_id} was sent again after {earlier}")
        earlier.append(arrival)
        if order.state is not OrderState.SENDING or order.attempts < len(earlier):
            self._wrong("I6", f"{order.order_id} arrived while its row is {order.state}")
        entry = order.planned.shape.signal.action is SignalAction.PLACE
        if entry and arrival.at > order.planned.shape.signal.expires_at + _LATE_WRITE:
            self._wrong("I5", f"{order.order_id} arrived at {arrival.at}, stale")

    def _judge_limit(self, arrival: Arrival) -> None:
        key = (arrival.account_id, arrival.instrument.partition(":")[0])
        since = arrival.at - timedelta(seconds=1)
        self._recent[key] = [at for at in self._recent[key] if at > since] + [arrival.at]
        if len(self._recent[key]) > _PER_SECOND_MAX:
            self._wrong("I10", f"{len(self._recent[key])} requests in a second for {key}")

    def _judge_claim(self, transition: Transition, order: OrderRecord) -> None:
        """Judge the very moment from which an order may leave."""
        planned, tables = order.planned, self.tables
        lease = tables.leases.get(planned.shard)
        if lease is None or lease.owner != transition.by or lease.until <= transition.at:
            self._wrong("R3", f"{order.order_id} was claimed by {transition.by} without a lease")
        if planned.shape.signal.expires_at <= transition.at:
            self._wrong("I5", f"{order.order_id} was claimed after it expired")
        if planned.shape.signal.action is not SignalAction.PLACE:
            return
        if stop := tables.entry_stop(planned):
            self._wrong("D5", f"{order.order_id} was claimed in spite of {stop}")
        if not tables.follows[planned.follow_id][0].covers(planned.shape.signal.seq):
            self._wrong("I7", f"{order.order_id} was claimed for nobody who follows")
        others = tables.in_doubt_but(order)
        if others:
            self._wrong("R2", f"{order.order_id} was claimed beside {others} in doubt")
        if any(command.kind == "CANCEL" for command in tables.commands_of(order.order_id)):
            self._wrong("rule 4", f"{order.order_id} was claimed after its master had cancelled")

    def _judge_bound(self, order: OrderRecord, healthy_since: datetime) -> None:
        now, state = self.tables.now(), order.state
        grace = timedelta(seconds=self.timings.lost_answer_grace_s)
        if state is OrderState.SENDING and order.deadline is not None:
            until = order.deadline + grace
        elif state in SENDABLE:
            until = order.planned.shape.signal.expires_at
        elif state is OrderState.UNKNOWN:
            until = order.changed_at + _UNKNOWN_MAX
        else:
            return
        if now > max(until, healthy_since) + _SLACK:
            self._wrong("I3", f"{order.order_id} is {state} since {order.changed_at}, now {now}")

    def _judge_link(self, order: OrderRecord) -> None:
        """See that the ledger never knows more than the broker's book."""
        if not order.broker_order_id:
            return
        at_broker = self._at_broker(order)
        if at_broker is None or at_broker.request.tag != order.planned.client_order_id:
            self._wrong("I4", f"{order.order_id} is linked to {order.broker_order_id}")
        elif order.filled_quantity > at_broker.filled_quantity:
            self._wrong("I4", f"{order.order_id} has {order.filled_quantity} filled, too many")

    def _judge_positions(self) -> None:
        """Everybody only buys; so an exit that sells more than was bought opens a position."""
        for account in self.broker.exchange.accounts.values():
            for position in account.positions.values():
                if position.net < 0:
                    self._wrong("I4", f"an exit opened {position.net} for {account.client_id}")

    def _judge_books(self) -> None:
        for account in self.broker.exchange.accounts.values():
            tags: defaultdict[str, int] = defaultdict(int)
            for at_broker in account.orders.values():
                tags[at_broker.request.tag] += 1
                order = self.tables.orders.get(self.tables.by_tag.get(at_broker.request.tag, ""))
                if order is None:
                    self._wrong("I4", f"B{at_broker.number} is nobody's order")
                elif problem := _differs(order, at_broker):
                    self._wrong("I4", f"{order.order_id}: {problem}")
            for tag in [tag for tag, count in tags.items() if count > 1]:
                self._wrong("I1", f"{tags[tag]} orders carry {tag}")
        for order in self.tables.orders.values():
            linked = order.state in WORKING | {OrderState.FILLED, OrderState.CANCELLED}
            if linked and self._at_broker(order) is None:
                self._wrong("I4", f"{order.order_id} is {order.state}, and the broker has nothing")

    def _judge_followers(self) -> None:
        """Look for a row for everybody whom a signal reached, and for every signal on each shard.

        But for follows heard of after the signal had expired.
        """
        follows = [follow for follow, _ in self.tables.follows.values()]
        for signal in [s for signals in self.tables.emitted.values() for s in signals]:
            for follow in follows:
                reached = follow.strategy_id == signal.strategy_id and follow.covers(signal.seq)
                if reached and signal.action is SignalAction.PLACE:
                    self._judge_planned(signal, follow)
        for follow in follows:
            emitted = len(self.tables.emitted[follow.master_id])
            shard = shard_of(follow.account_id, _SHARDS)
            planned = self.tables.planned_seqs.get((shard, follow.master_id), 0)
            if planned != emitted:
                self._wrong("I2", f"shard {shard} planned {planned} of {emitted}")

    def _judge_planned(self, signal: Signal, follow: Follow) -> None:
        heard_at = self.bus.heard_at.get(follow.follow_id)
        known = heard_at is not None and heard_at < signal.expires_at
        if known and (signal.signal_id, follow.account_id) not in self.tables.by_key:
            self._wrong("I2", f"{follow.follow_id} never got {signal.signal_id}")

    def _judge_cancels(self) -> None:
        """See that nothing cancelled works on, unless the broker refused the cancel."""
        for command in self.tables.commands.values():
            order = self.tables.orders[command.order_id]
            if command.kind != "CANCEL" or order.state not in WORKING:
                continue
            if command.state != "REFUSED":
                self._wrong("rule 4", f"{order.order_id} works on, its cancel is {command.state}")

    def _at_broker(self, order: OrderRecord) -> PaperOrder | None:
        number = (order.broker_order_id or "B0")[1:]
        account = self.broker.exchange.accounts.get(order.planned.account_id)
        return account.orders.get(int(number)) if account and number.isdigit() else None

    def _wrong(self, invariant: str, what: str) -> None:
        self.found.append(f"{invariant}: {what}")


def _differs(order: OrderRecord, at_broker: PaperOrder) -> str | None:
    """Say how a row differs from the broker's book; None when it does not, or a person decides."""
    if order.state is OrderState.NEEDS_ATTENTION:
        expected = order.reason in _FOR_A_PERSON
        return None if expected else f"needs attention for {order.reason}: {order.message}"
    if at_broker.status in WORKING_AT_BROKER:
        same = order.state in WORKING
    else:
        same = order.state in CLOSED_AT_BROKER and order.state.value == at_broker.status.value
    if not same:
        return f"{order.state} here, {at_broker.status} at the broker"
    if order.filled_quantity != at_broker.filled_quantity:
        return f"{order.filled_quantity} filled here, {at_broker.filled_quantity} at the broker"
    return None
