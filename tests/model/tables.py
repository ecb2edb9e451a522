"""What the databases of the executor, signal and auth hold, as far as the order path reads it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from libs.trading.accounts import Account
from libs.trading.follows import Follow
from libs.trading.orders import OrderTerms, OrderType
from libs.trading.signals import Signal
from libs.trading.states import OrderState, may_move
from services.executor.baseline import Known
from services.executor.rows import PlannedOrder

DOUBTFUL = frozenset({OrderState.UNKNOWN, OrderState.NEEDS_ATTENTION})


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """One row of executor.orders. `planned` is what never changes."""

    planned: PlannedOrder
    terms: OrderTerms
    state: OrderState
    reason: str | None
    planned_at: datetime
    due_at: datetime
    changed_at: datetime
    message: str = ""
    version: int = 1
    attempts: int = 0
    broker_order_id: str | None = None
    filled_quantity: int = 0
    average_price: Decimal | None = None
    sent_at: datetime | None = None
    deadline: datetime | None = None
    looks: int = 0

    @property
    def order_id(self) -> str:
        return self.planned.order_id


@dataclass(slots=True, kw_only=True)
class CommandRecord:
    """One row of executor.commands; `order_type` None leaves the terms to the order's own."""

    order_id: str
    n: int
    kind: str
    shard: int
    signal_id: str
    expires_at: datetime
    due_at: datetime
    planned_at: datetime
    changed_at: datetime
    order_type: OrderType | None = None
    quantity: int | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    compared_at: datetime | None = None
    state: str = "DUE"
    deadline: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of executor.order_history. `by` is the replica whose claim this was."""

    order_id: str
    version: int
    before: OrderState | None
    state: OrderState
    at: datetime
    filled_quantity: int
    by: str | None


@dataclass(slots=True, kw_only=True)
class Lease:
    owner: str
    until: datetime
    epoch: int = 1


@dataclass(slots=True)
class Tables:
    """`now` is clock_timestamp(): the one clock that decides. `watch` sees every transition."""

    now: Callable[[], datetime]
    watch: Callable[[Transition], None] = lambda _: None
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    by_key: dict[tuple[str, str], str] = field(default_factory=dict)
    by_tag: dict[str, str] = field(default_factory=dict)
    by_shard: dict[int, list[OrderRecord]] = field(default_factory=dict)
    commands: dict[tuple[str, int], CommandRecord] = field(default_factory=dict)
    history: list[Transition] = field(default_factory=list)
    inbox: set[tuple[int, str]] = field(default_factory=set)
    planned_seqs: dict[tuple[int, str], int] = field(default_factory=dict)
    leases: dict[int, Lease] = field(default_factory=dict)
    # account -> broker's id -> what was last seen of it in a book.
    baseline: dict[str, dict[str, Known]] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)
    buried: int = 0
    # What signal and auth own.
    emitted: dict[str, list[Signal]] = field(default_factory=dict)
    follows: dict[str, tuple[Follow, datetime]] = field(default_factory=dict)
    accounts: dict[str, tuple[Account, datetime]] = field(default_factory=dict)
    stops: dict[str, str] = field(default_factory=dict)
    kill_switches: set[tuple[str, str]] = field(default_factory=set)

    def insert(self, order: OrderRecord, by: str) -> bool:
        """Write a new order; False when its key is there already."""
        planned = order.planned
        key = (planned.shape.signal.signal_id, planned.account_id)
        if key in self.by_key:
            return False
        if planned.client_order_id in self.by_tag:
            raise AssertionError("one tag was minted twice")
        self.by_key[key] = self.by_tag[planned.client_order_id] = order.order_id
        self.orders[order.order_id] = order
        self.by_shard.setdefault(planned.shard, []).append(order)
        self._remember(order, None, by)
        return True

    def move(self, order: OrderRecord, state: OrderState, *, by: str | None = None) -> None:
        """Write one transition and its history."""
        if state is not order.state and not may_move(order.state, state):
            raise AssertionError(f"{order.order_id}: {order.state} never becomes {state}")
        before, order.state = order.state, state
        order.version += 1
        order.changed_at = self.now()
        self._remember(order, before, by)

    def entry_stop(self, order: PlannedOrder) -> str | None:
        """Say why an entry must not leave now: what ENTRY_STOP of statements.py selects."""
        scopes = {
            ("PLATFORM", ""),
            ("MASTER", order.shape.signal.master_id),
            ("ACCOUNT", order.account_id),
            ("STRATEGY", order.shape.signal.strategy_id),
        }
        if not scopes.isdisjoint(self.kill_switches):
            return "KILL"
        known = self.follows.get(order.follow_id)
        if known is not None and (known[0].paused or known[0].until_seq is not None):
            return "PAUSED"
        return self.stops.get(order.account_id)

    def in_doubt(self) -> set[tuple[str, str]]:
        """List accounts and instruments with an order nobody knows the fate of."""
        return {
            (order.planned.account_id, order.planned.shape.signal.instrument)
            for order in self.orders.values()
            if order.state in DOUBTFUL
        }

    def in_doubt_but(self, order: OrderRecord) -> list[str]:
        """List the other orders in doubt that forbid this one to leave."""
        mine = (order.planned.account_id, order.planned.shape.signal.instrument)
        return [
            other.order_id
            for other in self.orders.values()
            if other.state in DOUBTFUL
            and other is not order
            and (other.planned.account_id, other.planned.shape.signal.instrument) == mine
        ]

    def commands_of(self, order_id: str) -> list[CommandRecord]:
        return [command for command in self.commands.values() if command.order_id == order_id]

    def _remember(self, order: OrderRecord, before: OrderState | None, by: str | None) -> None:
        transition = Transition(
            order_id=order.order_id,
            version=order.version,
            before=before,
            state=order.state,
            at=self.now(),
            filled_quantity=order.filled_quantity,
            by=by,
        )
        self.history.append(transition)
        self.watch(transition)
