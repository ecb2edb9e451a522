"""What reconciliation keeps: doubts, changes in doubt, and the baseline of books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.trading.orders import OrderReport, OrderTerms
from libs.trading.states import WORKING, OrderState
from services.executor.baseline import Known, Ours
from services.executor.evidence import Doubt
from services.executor.rows import Change
from services.executor.settling_rows import Look, UnsureChange
from tests.model.ledger_in_memory import LedgerInMemory
from tests.model.tables import CommandRecord, OrderRecord, Tables


@dataclass(frozen=True, slots=True)
class DoubtsInMemory:
    """The promises of settling_rows.py."""

    ledger: LedgerInMemory

    async def due(self) -> list[tuple[Doubt, datetime]]:
        shards = set(self.ledger.holding().epochs)
        return await self.ledger.line.ask(lambda: self._due(shards)) if shards else []

    async def unsure_changes(self) -> list[UnsureChange]:
        shards = set(self.ledger.holding().epochs)
        return await self.ledger.line.ask(lambda: self._unsure(shards)) if shards else []

    async def decide(self, doubt: Doubt, change: Change) -> None:
        await self.ledger.line.ask(lambda: self.ledger.statements.decide(doubt, change))

    async def note_looks(self, looks: Sequence[Look]) -> None:
        await self.ledger.line.ask(lambda: self.ledger.statements.note_looks(looks))

    async def compared(self, change: UnsureChange, report: OrderReport) -> None:
        await self.ledger.line.ask(lambda: self.ledger.statements.compared(change, report))

    async def compare_later(self, changes: Sequence[UnsureChange]) -> None:
        await self.ledger.line.ask(lambda: self.ledger.statements.compare_later(changes))

    def _due(self, shards: set[int]) -> list[tuple[Doubt, datetime]]:
        tables = self.ledger.statements.tables
        in_doubt = [
            o for o in tables.orders.values() if o.state is OrderState.UNKNOWN or _parked(o)
        ]
        accounts = {
            order.planned.account_id
            for order in in_doubt
            if order.planned.shard in shards
            and order.state is OrderState.UNKNOWN
            and order.due_at <= tables.now()
        }
        return [
            (_doubt(order), tables.now())
            for order in in_doubt
            if order.planned.account_id in accounts
        ]

    def _unsure(self, shards: set[int]) -> list[UnsureChange]:
        tables = self.ledger.statements.tables
        return [
            UnsureChange(
                order_id=command.order_id,
                command=command.n,
                account_id=order.planned.account_id,
                broker_order_id=order.broker_order_id or "",
                terms=_terms(order, command),
                changed_at=command.changed_at,
            )
            for command in tables.commands.values()
            if command.shard in shards
            and command.state == "DUE"
            and command.due_at <= tables.now()
            and self.ledger.statements.is_unsure(command)
            and (order := tables.orders[command.order_id]).state in WORKING
        ]


@dataclass(frozen=True, slots=True)
class BaselineInMemory:
    """The promises of baseline.py. Nobody carried anything into this day."""

    ledger: LedgerInMemory

    async def ours(self, account_id: str, rows: Sequence[OrderReport]) -> list[Ours]:
        tags = {row.client_order_id for row in rows if row.client_order_id}
        ids = {row.broker_order_id for row in rows}
        return await self.ledger.line.ask(
            lambda: [
                Ours(
                    order_id=order.order_id,
                    client_order_id=order.planned.client_order_id,
                    broker_order_id=order.broker_order_id,
                    state=order.state,
                    abandoned=False,
                    filled_quantity=order.filled_quantity,
                )
                for order in self._tables.orders.values()
                if order.planned.account_id == account_id
                and (order.planned.client_order_id in tags or order.broker_order_id in ids)
            ]
        )

    async def known(self, account_id: str, day: date) -> dict[str, Known]:
        return await self.ledger.line.ask(lambda: dict(self._tables.baseline.get(account_id, {})))

    async def note(
        self, account_id: str, day: date, news: Sequence[tuple[OrderReport, str | None]]
    ) -> None:
        def statement() -> None:
            seen = self._tables.baseline.setdefault(account_id, {})
            for row, order_id in news:
                before = seen.get(row.broker_order_id)
                seen[row.broker_order_id] = Known(
                    status=row.status,
                    filled_quantity=row.filled_quantity,
                    order_id=order_id or (before.order_id if before else None),
                    first_seen_at=before.first_seen_at if before else self._tables.now(),
                )

        await self.ledger.line.ask(statement)

    async def note_carried(self, account_id: str, day: date, carried: Mapping[str, int]) -> None:
        return None

    async def carried(self, account_id: str, day: date) -> dict[str, int] | None:
        return {}

    async def begun(self, account_ids: Sequence[str], day: date) -> set[str]:
        return set(account_ids)

    @property
    def _tables(self) -> Tables:
        return self.ledger.statements.tables


class SilentAlarms:
    """Nobody listens: alarms are not what this test judges."""

    async def open(
        self, name: str, subject: str, *, user_id: str | None = None, **figures: str
    ) -> bool:
        return False

    async def clear(self, name: str, subject: str) -> bool:
        return False


def _doubt(order: OrderRecord) -> Doubt:
    planned = order.planned
    return Doubt(
        order_id=order.order_id,
        version=order.version,
        account_id=planned.account_id,
        client_order_id=planned.client_order_id,
        instrument=planned.shape.signal.instrument,
        side=planned.shape.side,
        product=planned.shape.product,
        terms=order.terms,
        sent_at=order.sent_at or order.planned_at,
        deadline=order.deadline or order.changed_at,
        looks=order.looks,
        changed_at=order.changed_at,
        parked=_parked(order),
    )


def _parked(order: OrderRecord) -> bool:
    return order.state is OrderState.NEEDS_ATTENTION and order.broker_order_id is None


def _terms(order: OrderRecord, command: CommandRecord) -> OrderTerms:
    return OrderTerms(
        order_type=command.order_type or order.terms.order_type,
        quantity=command.quantity or order.terms.quantity,
        limit_price=command.limit_price,
        trigger_price=command.trigger_price,
    )
