"""Takes in one complete order book of an account: what it says of ours, and what else it shows.

Every book that reconciliation reads goes through here, whatever it was read for.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.trading.calendar import trading_day
from libs.trading.events import UpdateSource
from libs.trading.orders import OrderReport
from libs.trading.states import OrderState, folded_state
from libs.trading.tags import is_ours
from services.executor.alarms import AlarmName, Alarms
from services.executor.baseline import Baseline, Known, Ours
from services.executor.evidence import Book
from services.executor.rows import Word

# UNKNOWN is judged by its doubts; the others hear nothing from a book.
_DEAF = frozenset(
    {
        OrderState.PLANNED,
        OrderState.HELD,
        OrderState.SKIPPED,
        OrderState.UNKNOWN,
        OrderState.NEEDS_ATTENTION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Syncing:
    baseline: Baseline
    record_soon: Callable[[Word], None]
    alarms: Alarms
    tag_key: bytes
    tags_echoed: bool

    async def take_in(self, account_id: str, rows: Sequence[OrderReport]) -> Book:
        """Fold what is news about our orders, keep the rest as the baseline.

        The returned book carries the baseline as it was before this read.
        """
        read_at = datetime.now(UTC)
        day = trading_day(read_at)
        known = await self.baseline.known(account_id, day)
        ours = await self.baseline.ours(account_id, rows)
        row_of = _rows_of(ours, rows)
        for order, row in row_of:
            if _is_news(order, row, known.get(row.broker_order_id)):
                self.record_soon(_word(account_id, order, row, read_at))
        linked = {row.broker_order_id: order.order_id for order, row in row_of}
        await self._alarm_about_strays(account_id, rows, ours)
        news = [
            (row, linked.get(row.broker_order_id))
            for row in rows
            if _differs(known.get(row.broker_order_id), row, linked.get(row.broker_order_id))
        ]
        await self.baseline.note(account_id, day, news)
        return Book(
            rows=rows,
            first_seen={id_: order.first_seen_at for id_, order in known.items()},
            linked=frozenset(order.broker_order_id for order in ours if order.broker_order_id),
            tags_echoed=self.tags_echoed,
        )

    async def _alarm_about_strays(
        self, account_id: str, rows: Sequence[OrderReport], ours: Sequence[Ours]
    ) -> None:
        """Say that an order carries a tag of ours which no order of the ledger can explain."""
        by_tag = {order.client_order_id: order for order in ours}
        strays = [
            row.broker_order_id
            for row in rows
            if is_ours(self.tag_key, row.client_order_id) and _stray(by_tag, row)
        ]
        if strays:
            await self.alarms.open(
                AlarmName.ORDER_NOT_IN_LEDGER,
                f"account:{account_id}",
                broker_order_ids=", ".join(strays[:20]),
                count=str(len(strays)),
            )


def _rows_of(ours: Sequence[Ours], rows: Sequence[OrderReport]) -> list[tuple[Ours, OrderReport]]:
    """Pair orders with their rows: by the broker's id, else by a tag that only one row carries."""
    by_id = {row.broker_order_id: row for row in rows}
    tags = Counter(row.client_order_id for row in rows if row.client_order_id)
    by_tag = {row.client_order_id: row for row in rows if row.client_order_id}
    pairs = []
    for order in ours:
        row = by_id.get(order.broker_order_id or "")
        if row is None and order.broker_order_id is None and tags[order.client_order_id] == 1:
            row = by_tag[order.client_order_id]
        if row is not None:
            pairs.append((order, row))
    return pairs


def _is_news(order: Ours, row: OrderReport, known: Known | None) -> bool:
    if order.state in _DEAF:
        return False
    # What a person has seen and closed comes back only when the broker says something new.
    if order.abandoned and not _differs(known, row, order.order_id):
        return False
    return (
        order.broker_order_id is None
        or row.filled_quantity > order.filled_quantity
        or folded_state(order.state, order.filled_quantity, row) is not order.state
    )


def _differs(known: Known | None, row: OrderReport, order_id: str | None) -> bool:
    return known is None or (known.status, known.filled_quantity, known.order_id) != (
        row.status,
        row.filled_quantity,
        order_id or known.order_id,
    )


def _stray(by_tag: dict[str, Ours], row: OrderReport) -> bool:
    order = by_tag.get(row.client_order_id or "")
    return order is None or order.broker_order_id not in {None, row.broker_order_id}


def _word(account_id: str, order: Ours, row: OrderReport, read_at: datetime) -> Word:
    return Word(
        account_id=account_id,
        source=UpdateSource.BOOK,
        received_at=read_at,
        order_id=order.order_id,
        report=row,
    )
