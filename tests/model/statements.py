"""What the statements of the ledger do to the tables, each at one instant: the SQL, without SQL.

Written from decision 0009 and the statements of births, claiming, recording, sweeping and ledger:
compare-and-set by version, lease clause, expiry clause, stop clause, doubt clause, unique keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.trading.orders import OrderIntent, OrderReport, OrderTerms
from libs.trading.reasons import HoldReason, SkipReason
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import CLOSED_AT_BROKER, SENDABLE, WORKING, OrderState
from services.executor.births import Born
from services.executor.evidence import Doubt
from services.executor.folding import folded
from services.executor.recording import Moved, after
from services.executor.rows import Change, Claim, Due, Holding, OrderRow, PlannedOrder, Word
from services.executor.settling_rows import Look, UnsureChange
from tests.model.shape import due_command, due_order
from tests.model.tables import CommandRecord, OrderRecord, Tables

_COMPARE_AGAIN = timedelta(seconds=5)
_TAKES_TERMS = WORKING | {OrderState.FILLED, OrderState.CANCELLED}


@dataclass(slots=True, kw_only=True)
class Timings:
    """The settings of an executor, shortened alike, but for the two seconds that are no setting."""

    answer_timeout_s: float = 2.0
    lost_answer_grace_s: float = 1.0
    evidence_window_s: float = 12.0
    lease_s: float = 4.0
    sweep_every_s: float = 0.5
    planned_grace_s: float = 1.0
    planning_chunk: int = 2
    claim_chunk: int = 3
    in_flight_max: int = 6
    waiting_max: int = 1_000
    attempts_max: int = 3


@dataclass(frozen=True, slots=True)
class StatementsInMemory:
    tables: Tables
    timings: Timings

    def insert(
        self,
        signal: Signal,
        orders: Sequence[PlannedOrder],
        may_leave: Sequence[bool],
        shards: Sequence[int],
        holding: Holding,
        not_after: float,
    ) -> Born:
        """Write new orders, born SENDING where no clause of the claim refuses; note the signal."""
        now, doubts, born = self.tables.now(), self.tables.in_doubt(), Born()
        for planned, ready in zip(orders, may_leave, strict=True):
            leaves = ready and self._may_leave(planned, holding, doubts)
            order = OrderRecord(
                planned=planned,
                terms=planned.shape.terms,
                state=OrderState.SENDING if leaves else planned.shape.state,
                reason=planned.shape.reason,
                planned_at=now,
                due_at=now,
                changed_at=now,
            )
            if leaves:
                self._stamp_sent(order)
            if not self.tables.insert(order, holding.owner):
                continue
            if order.state is not OrderState.SKIPPED:
                born.orders.append(planned)
            if leaves:
                born.claims.append(self._claim(order, not_after))
            elif order.state is OrderState.PLANNED:
                born.due.append(due_order(order))
        for shard in shards:
            self.tables.inbox.add((shard, signal.signal_id))
            key = (shard, signal.master_id)
            self.tables.planned_seqs[key] = max(signal.seq, self.tables.planned_seqs.get(key, 0))
        return born

    def claim_orders(self, due: Sequence[Due], holding: Holding, not_after: float) -> list[Claim]:
        doubts, claims = self.tables.in_doubt(), []
        for order in self._unchanged(due):
            cancelled = self._master_cancelled(order)
            if not cancelled and self._may_leave(order.planned, holding, doubts):
                order.reason, order.looks = None, 0
                self._stamp_sent(order)
                self.tables.move(order, OrderState.SENDING, by=holding.owner)
                claims.append(self._claim(order, not_after))
        return claims

    def claim_commands(self, due: Sequence[Due], holding: Holding, not_after: float) -> list[Claim]:
        now, claims = self.tables.now(), []
        for item in due:
            command = self.tables.commands[item.order_id, item.command]
            order = self.tables.orders[item.order_id]
            others = self.tables.commands_of(item.order_id)
            if (
                command.state == "DUE"
                and command.expires_at > now
                and order.state in WORKING
                and order.broker_order_id is not None
                and all(other.state != "SENDING" for other in others)
                and not self.is_unsure(command)
                and not self._is_stopped(command, order)
                and self._lease_held(command.shard, holding)
            ):
                self._set(command, "SENDING")
                command.attempts += 1
                command.deadline = now + timedelta(seconds=self.timings.answer_timeout_s)
                claims.append(self._claim(order, not_after, command))
        return claims

    def _is_stopped(self, command: CommandRecord, order: OrderRecord) -> bool:
        leads_out = order.planned.shape.signal.action is SignalAction.EXIT
        if command.kind == "CANCEL" or leads_out:
            return False
        return self.tables.entry_stop(order.planned) == "KILL"

    def skip_stopped(self, due: Sequence[Due]) -> None:
        for order in self._unchanged(due):
            expired = order.planned.shape.signal.expires_at <= self.tables.now()
            cancelled = "MASTER_CANCELLED" if self._master_cancelled(order) else None
            if reason := "EXPIRED" if expired else cancelled or self._stop(order.planned):
                order.reason = reason
                self.tables.move(order, OrderState.SKIPPED)

    def skip(self, due: Sequence[Due], reason: SkipReason) -> None:
        for order in self._unchanged(due):
            order.reason = reason
            self.tables.move(order, OrderState.SKIPPED)

    def hold(self, due: Sequence[tuple[Due, datetime]], reason: HoldReason) -> None:
        until = {item.order_id: at for item, at in due}
        for order in self._unchanged([item for item, _ in due]):
            order.due_at = until[order.order_id]
            if order.state is OrderState.PLANNED or order.reason != reason:
                order.reason = reason
                self.tables.move(order, OrderState.HELD)

    def drop_commands(self, due: Sequence[Due]) -> None:
        for item in due:
            command = self.tables.commands[item.order_id, item.command]
            if command.state == "DUE":
                self._set(command, "DROPPED")

    def finish_command(self, claim: Claim, state: str, again_in_s: float) -> None:
        command = self.tables.commands[claim.order_id, claim.command]
        if command.state == "SENDING":
            self._set(command, state)
            command.due_at = self.tables.now() + timedelta(seconds=again_in_s)
        order = self.tables.orders[claim.order_id]
        if state == "DONE" and claim.kind == "MODIFY" and order.state in _TAKES_TERMS:
            order.terms = claim.intent.terms
            self.tables.move(order, order.state)

    def fold(self, words: Sequence[Word]) -> list[Moved]:
        moved = []
        for word in words:
            order = self._order_of(word)
            if order is None:
                continue
            row = row_of(order)
            change = folded(
                row, word, now=self.tables.now(), attempts_max=self.timings.attempts_max
            )
            if change is not None:
                moved.append(Moved(row=after(row, change), source=row.state, change=change))
                self.take(order, moved[-1])
        return moved

    def take(self, order: OrderRecord, moved: Moved) -> None:
        """Write one transition that the pure core asked for."""
        row, change = moved.row, moved.change
        order.broker_order_id, order.filled_quantity = row.broker_order_id, row.filled_quantity
        order.average_price, order.reason = row.average_price, change.reason
        order.message = change.message
        order.due_at = self.tables.now() + timedelta(seconds=change.due_in_s or 0)
        self.tables.move(order, change.state)
        if change.state in CLOSED_AT_BROKER:
            for command in self.tables.commands_of(order.order_id):
                if command.state == "DUE":
                    self._set(command, "DROPPED")

    def _order_of(self, word: Word) -> OrderRecord | None:
        """Find the order a word is about, by our id, our tag or the broker's id."""
        if word.order_id:
            return self.tables.orders.get(word.order_id)
        if word.report is None:
            return None
        tagged = self.tables.orders.get(
            self.tables.by_tag.get(word.report.client_order_id or "", "")
        )
        if tagged is not None and tagged.planned.account_id == word.account_id:
            return tagged
        return next(
            (
                order
                for order in self.tables.orders.values()
                if order.broker_order_id == word.report.broker_order_id
                and order.planned.account_id == word.account_id
            ),
            None,
        )

    def sweep(self, shards: set[int]) -> list[Due]:
        now, grace = self.tables.now(), timedelta(seconds=self.timings.lost_answer_grace_s)
        ours = [order for shard in shards for order in self.tables.by_shard.get(shard, [])]
        commands = [c for c in self.tables.commands.values() if c.shard in shards]
        for order in ours:
            lapsed = order.deadline is not None and order.deadline < now - grace
            if order.state is OrderState.SENDING and lapsed:
                order.due_at = now
                self.tables.move(order, OrderState.UNKNOWN)
            elif order.state in SENDABLE and order.planned.shape.signal.expires_at <= now:
                held = order.state is OrderState.HELD and order.reason == "SESSION"
                order.reason = "SESSION" if held else "EXPIRED"
                self.tables.move(order, OrderState.SKIPPED)
        for command in commands:
            if command.state == "SENDING" and command.deadline and command.deadline < now - grace:
                self._set(command, "DUE")
            if command.state == "DUE" and command.expires_at <= now:
                self._set(command, "DROPPED")
        return [due_order(o) for o in ours if self._is_due(o)] + [
            due_command(self.tables.orders[c.order_id], c) for c in commands if self._may_go(c)
        ]

    def _is_due(self, order: OrderRecord) -> bool:
        now, patience = self.tables.now(), timedelta(seconds=self.timings.planned_grace_s)
        if order.state not in SENDABLE or order.due_at > now:
            return False
        return order.state is OrderState.HELD or order.planned_at < now - patience

    def _may_go(self, command: CommandRecord) -> bool:
        order = self.tables.orders[command.order_id]
        return (
            command.state == "DUE"
            and command.due_at <= self.tables.now()
            and order.state in WORKING
            and order.broker_order_id is not None
            and not self.is_unsure(command)
        )

    def is_unsure(self, command: CommandRecord) -> bool:
        """Tell a MODIFY that may have been taken: it is compared with its order first."""
        compared = command.compared_at is not None and command.compared_at > command.changed_at
        return command.kind == "MODIFY" and command.attempts > 0 and not compared

    def _set(self, command: CommandRecord, state: str) -> None:
        command.state, command.changed_at = state, self.tables.now()

    def _master_cancelled(self, order: OrderRecord) -> bool:
        return any(c.kind == "CANCEL" for c in self.tables.commands_of(order.order_id))

    def decide(self, doubt: Doubt, change: Change) -> None:
        order = self.tables.orders[doubt.order_id]
        if order.version == doubt.version:
            row = row_of(order)
            self.take(order, Moved(row=after(row, change), source=row.state, change=change))

    def compared(self, change: UnsureChange, report: OrderReport) -> None:
        command = self.tables.commands[change.order_id, change.command]
        order = self.tables.orders[change.order_id]
        if command.state != "DUE" or command.changed_at != change.changed_at:
            return
        if report.terms != change.terms:
            command.compared_at = self.tables.now()
            return
        self._set(command, "DONE")
        if order.state in WORKING:
            order.terms = change.terms
            self.tables.move(order, order.state)

    def compare_later(self, changes: Sequence[UnsureChange]) -> None:
        for change in changes:
            command = self.tables.commands[change.order_id, change.command]
            if command.state == "DUE":
                command.due_at = self.tables.now() + _COMPARE_AGAIN

    def note_looks(self, looks: Sequence[Look]) -> None:
        for look in looks:
            order = self.tables.orders[look.doubt.order_id]
            if order.state is OrderState.UNKNOWN and order.version == look.doubt.version:
                order.looks = 0 if look.reset else order.looks + look.looked
                order.due_at = self.tables.now() + timedelta(seconds=look.due_in_s)

    def _may_leave(
        self, planned: PlannedOrder, holding: Holding, doubts: set[tuple[str, str]]
    ) -> bool:
        in_time = planned.shape.signal.expires_at > self.tables.now()
        if not (in_time and self._lease_held(planned.shard, holding)):
            return False
        if planned.shape.signal.action is SignalAction.EXIT:
            return True
        doubtful = (planned.account_id, planned.shape.signal.instrument) in doubts
        return self._stop(planned) is None and not doubtful

    def _lease_held(self, shard: int, holding: Holding) -> bool:
        lease = self.tables.leases.get(shard)
        return (
            lease is not None
            and lease.owner == holding.owner
            and lease.epoch == holding.epochs.get(shard)
            and lease.until > self.tables.now()
        )

    def _stop(self, planned: PlannedOrder) -> str | None:
        return (
            None
            if planned.shape.signal.action is SignalAction.EXIT
            else self.tables.entry_stop(planned)
        )

    def _unchanged(self, due: Sequence[Due]) -> list[OrderRecord]:
        """Find the orders that still stand unsent in the version that was seen."""
        orders = [self.tables.orders[item.order_id] for item in due if not item.command]
        versions = {item.order_id: item.version for item in due}
        return [
            order
            for order in orders
            if order.state in SENDABLE and order.version == versions[order.order_id]
        ]

    def _stamp_sent(self, order: OrderRecord) -> None:
        order.attempts += 1
        order.sent_at = self.tables.now()
        order.deadline = order.sent_at + timedelta(seconds=self.timings.answer_timeout_s)
        order.due_at = order.deadline

    def _claim(
        self, order: OrderRecord, not_after: float, command: CommandRecord | None = None
    ) -> Claim:
        planned, terms = order.planned, order.terms
        if command is not None and command.order_type is not None:
            terms = OrderTerms(
                order_type=command.order_type,
                quantity=command.quantity or terms.quantity,
                limit_price=command.limit_price,
                trigger_price=command.trigger_price,
            )
        return Claim(
            order_id=order.order_id,
            version=order.version,
            user_id=planned.user_id,
            signal_id=command.signal_id if command else planned.shape.signal.signal_id,
            not_after=not_after,
            command=command.n if command else 0,
            kind=command.kind if command else "PLACE",
            broker_order_id=(order.broker_order_id or "") if command else "",
            intent=OrderIntent(
                client_order_id=planned.client_order_id,
                account_id=planned.account_id,
                instrument=planned.shape.signal.instrument,
                side=planned.shape.side,
                product=planned.shape.product,
                validity=planned.shape.signal.validity,
                algo_id=planned.shape.algo_id,
                terms=terms,
            ),
        )


def row_of(order: OrderRecord) -> OrderRow:
    planned = order.planned
    return OrderRow(
        order_id=order.order_id,
        version=order.version,
        state=order.state,
        account_id=planned.account_id,
        user_id=planned.user_id,
        client_order_id=planned.client_order_id,
        instrument=planned.shape.signal.instrument,
        quantity=order.terms.quantity,
        filled_quantity=order.filled_quantity,
        average_price=order.average_price,
        broker_order_id=order.broker_order_id,
        attempts=order.attempts,
        expires_at=planned.shape.signal.expires_at,
    )
