"""The planning transaction of an EXIT, MODIFY or CANCEL, without SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from libs.trading.orders import OrderTerms
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import SENDABLE, WORKING, OrderState
from services.executor.births import Born, Ready
from services.executor.exits import Opened
from services.executor.planning import PlacedOrder
from services.executor.rows import Holding, PlannedOrder
from tests.model.shape import due_command, due_order, placed_order
from tests.model.statements import StatementsInMemory
from tests.model.tables import CommandRecord, OrderRecord

_AT_WORK = WORKING | {OrderState.SENDING, OrderState.UNKNOWN}
_CLOSING = _AT_WORK | SENDABLE
_OPENING = _AT_WORK | {OrderState.NEEDS_ATTENTION}


@dataclass(slots=True)
class PageInMemory:
    """What it makes stands in `born`, as on the real page."""

    statements: StatementsInMemory
    holding: Holding
    signal: Signal
    ready: Ready
    not_after: float
    born: Born = field(default_factory=Born)

    async def finish(self, orders: Sequence[PlannedOrder], shards: Sequence[int]) -> None:
        may_leave = [o.shape.state is OrderState.PLANNED and self.ready(o) for o in orders]
        born = self.statements.insert(
            self.signal, orders, may_leave, shards, self.holding, self.not_after
        )
        self.born.claims.extend(born.claims)
        self.born.due.extend(born.due)
        self.born.orders.extend(born.orders)

    async def expect_late(self, entries: Sequence[PlacedOrder]) -> None:
        """Nothing: what is filled after an exit is closed by a task that the model has not."""

    async def opened(self, shards: Sequence[int]) -> dict[str, Opened]:
        by_account: dict[str, list[OrderRecord]] = {}
        for order in self._of_strategy(shards):
            by_account.setdefault(order.planned.account_id, []).append(order)
        return {
            account_id: Opened(
                account_id=account_id,
                net_quantity=sum(o.planned.shape.side.sign * o.filled_quantity for o in orders),
                closing=sum(
                    o.terms.quantity - o.filled_quantity
                    for o in orders
                    if o.planned.shape.signal.action is SignalAction.EXIT and o.state in _CLOSING
                ),
            )
            for account_id, orders in by_account.items()
            if any(
                o.planned.shape.signal.action is SignalAction.PLACE
                and (o.filled_quantity or o.state in _OPENING)
                for o in orders
            )
        }

    async def placed(self, shards: Sequence[int]) -> list[PlacedOrder]:
        return self._listed(
            lambda order: (
                order.planned.shape.signal.signal_id == self.signal.parent_signal_id
                and order.planned.shard in shards
            )
        )

    async def entries_at_work(self, shards: Sequence[int]) -> list[PlacedOrder]:
        mine = {order.order_id for order in self._of_strategy(shards)}
        return self._listed(
            lambda order: (
                order.order_id in mine and order.planned.shape.signal.action is SignalAction.PLACE
            )
        )

    async def cancel_unsent(self, order_ids: Sequence[str], shards: Sequence[int]) -> None:
        for order_id in order_ids:
            order = self.statements.tables.orders[order_id]
            if order.state in SENDABLE and order.planned.shard in shards:
                order.reason = "MASTER_CANCELLED"
                self.statements.tables.move(order, OrderState.SKIPPED)

    async def change_unsent(self, changes: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        for placed, terms in changes:
            order = self.statements.tables.orders[placed.order_id]
            if order.state in SENDABLE:
                order.terms = terms
                self.statements.tables.move(order, order.state)
                self.born.due.append(due_order(order))

    async def add_cancels(self, orders: Sequence[PlacedOrder]) -> None:
        self._add("CANCEL", [(order, None) for order in orders])

    async def add_changes(self, wanted: Sequence[tuple[PlacedOrder, OrderTerms]]) -> None:
        self._add("MODIFY", wanted)

    async def leave_out_changes(self, orders: Sequence[PlacedOrder], why: str) -> None:
        self._add("MODIFY", [(order, None) for order in orders], left_out=True)

    def _add(
        self,
        kind: str,
        wanted: Sequence[tuple[PlacedOrder, OrderTerms | None]],
        *,
        left_out: bool = False,
    ) -> None:
        tables = self.statements.tables
        for placed, changed in wanted:
            known = tables.commands_of(placed.order_id)
            for earlier in known:
                if earlier.state == "DUE" and earlier.kind == "MODIFY" and not left_out:
                    earlier.state, earlier.changed_at = "DROPPED", tables.now()
            if any(command.signal_id == self.signal.signal_id for command in known):
                continue
            order = tables.orders[placed.order_id]
            command = CommandRecord(
                order_id=placed.order_id,
                n=len(known) + 1,
                kind=kind,
                state="DROPPED" if left_out else "DUE",
                shard=order.planned.shard,
                signal_id=self.signal.signal_id,
                expires_at=self.signal.expires_at,
                due_at=tables.now(),
                planned_at=tables.now(),
                changed_at=tables.now(),
                order_type=changed.order_type if changed else None,
                quantity=changed.quantity if changed else None,
                limit_price=changed.limit_price if changed else None,
                trigger_price=changed.trigger_price if changed else None,
            )
            tables.commands[placed.order_id, command.n] = command
            if not left_out:
                self.born.due.append(due_command(order, command))

    def _of_strategy(self, shards: Sequence[int]) -> list[OrderRecord]:
        signal = self.signal
        return [
            order
            for order in self.statements.tables.orders.values()
            if order.planned.shard in shards
            and order.planned.shape.signal.strategy_id == signal.strategy_id
            and order.planned.shape.signal.instrument == signal.instrument
            and order.planned.shape.product == signal.product
            and order.planned.shape.signal.seq < signal.seq
            and order.state is not OrderState.SKIPPED
        ]

    def _listed(self, wanted: Callable[[OrderRecord], bool]) -> list[PlacedOrder]:
        found = [order for order in self.statements.tables.orders.values() if wanted(order)]
        return [
            placed_order(order, self._changes(order))
            for order in sorted(found, key=lambda o: o.order_id)
        ]

    def _changes(self, order: OrderRecord) -> int:
        known = self.statements.tables.commands_of(order.order_id)
        return sum(c.kind == "MODIFY" and c.state != "DROPPED" for c in known)
