"""Refusals for too many requests, counted durably; what `Breaches` promises, without SQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tests.model.database_line import DatabaseLine
from tests.model.tables import Tables

# The product closes after two; then little would be left to see after the first minute.
_CLOSED_AFTER = 8


@dataclass(slots=True)
class BreachesInMemory:
    tables: Tables
    line: DatabaseLine
    _today: dict[str, int] = field(default_factory=dict)

    async def load(self, account_ids: Iterable[str]) -> None:
        wanted = list(account_ids)
        self._today |= await self.line.ask(
            lambda: {id_: n for id_, n in self.tables.breaches.items() if id_ in wanted}
        )

    async def count(self, account_id: str) -> None:
        def statement() -> int:
            self.tables.breaches[account_id] = self.tables.breaches.get(account_id, 0) + 1
            return self.tables.breaches[account_id]

        self._today[account_id] = await self.line.ask(statement)

    def closes_entries(self, account_id: str, now: Callable[[], datetime]) -> bool:
        return self._today.get(account_id, 0) >= _CLOSED_AFTER
