"""Every broker account and its newest version: loaded at start, kept fresh by events and a poll."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from libs.trading.accounts import Account

# A transaction may commit this long after the moment it wrote as `changed_at`.
_OVERLAP = timedelta(seconds=10)


class AccountTable(Protocol):
    async def accounts_changed_since(
        self, since: datetime | None
    ) -> list[tuple[Account, datetime]]:
        """Accounts with `changed_at` later than that, all of them for None."""


@dataclass(slots=True, kw_only=True)
class Accounts:
    """Newer `version` wins, whichever way it came."""

    table: AccountTable
    on_change: Callable[[Account], None]
    _known: dict[str, Account] = field(default_factory=dict)
    _polled_to: datetime | None = None

    def __iter__(self) -> Iterator[Account]:
        return iter(self._known.values())

    def get(self, account_id: str) -> Account | None:
        return self._known.get(account_id)

    def learn(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            known = self._known.get(account.account_id)
            if known is None or account.version > known.version:
                self._known[account.account_id] = account
                self.on_change(account)

    async def poll(self) -> None:
        """Read what changed since the last poll, a little overlapping."""
        since = self._polled_to and self._polled_to - _OVERLAP
        rows = await self.table.accounts_changed_since(since)
        self.learn(account for account, _ in rows)
        self._polled_to = max((at for _, at in rows), default=self._polled_to)
