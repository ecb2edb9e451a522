"""Broker sessions for the feeds: asked for in bulk, remembered for when nobody can be asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from libs.brokers.protocol import BrokerSession
from libs.runtime.internal_client import OpenedSession
from libs.trading.accounts import Account, Environment

_GATHER_S = 0.005
_BULK_MAX = 200
_NEVER = datetime.max.replace(tzinfo=UTC)


class Source(Protocol):
    async def sessions(
        self, account_ids: Sequence[str], broker: str
    ) -> Mapping[str, OpenedSession]: ...


@dataclass(slots=True, kw_only=True)
class BulkSessions:
    """Questions of the same few milliseconds become one: a start has thousands of them.

    The source answers less when Redis and auth are away; then the session known before is used,
    until `forget` or until the broker refuses it.
    """

    source: Source
    _known: dict[str, BrokerSession] = field(default_factory=dict)
    _asked: dict[str, dict[str, asyncio.Future[BrokerSession | None]]] = field(default_factory=dict)
    _asking: set[asyncio.Task[None]] = field(default_factory=set)

    async def session_of(self, account: Account) -> BrokerSession | None:
        waiting = self._asked.get(account.broker)
        if waiting is None:
            waiting = self._asked[account.broker] = {}
            task = asyncio.create_task(self._ask(account.broker))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        answer = waiting.setdefault(account.account_id, asyncio.get_running_loop().create_future())
        # Shielded: two may wait for one answer, and the first may be cancelled.
        return await asyncio.shield(answer)

    def forget(self, account_id: str) -> None:
        self._known.pop(account_id, None)

    async def _ask(self, broker: str) -> None:
        await asyncio.sleep(_GATHER_S)
        waiting = self._asked.pop(broker)
        account_ids = list(waiting)
        for start in range(0, len(account_ids), _BULK_MAX):
            some = account_ids[start : start + _BULK_MAX]
            opened = await self.source.sessions(some, broker)
            self._known.update({name: broker_session(found) for name, found in opened.items()})
        for account_id, answer in waiting.items():
            answer.set_result(self._known.get(account_id))


def broker_session(opened: OpenedSession) -> BrokerSession:
    return BrokerSession(
        account_id=opened.account_id,
        client_id=opened.client_id,
        environment=Environment(opened.environment),
        expires_at=opened.expires_at or _NEVER,
        secrets=opened.secrets,
        egress=opened.egress,
    )
