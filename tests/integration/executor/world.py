"""A small world around one executor replica: masters, followers, a broker that keeps a journal."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from aiokafka import TopicPartition
from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.runtime.internal_client import OpenedSession
from libs.trading.calendar import trading_day
from libs.trading.events import UpdateSource
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction, Stamps
from libs.trading.states import OrderState
from services.executor.replica import Replica
from services.executor.rows import Word
from tests.factories import a_signal
from tests.integration.executor.broker import BrokerWithJournal
from tests.servers import PARTITIONS

BROKER = "fyers"


def an_id() -> str:
    return str(uuid7())


class SessionsAtHand:
    """Every account has a session, but for those named in `missing`."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    async def sessions(self, account_ids: Sequence[str], broker: str) -> dict[str, OpenedSession]:
        return {
            account_id: OpenedSession(
                account_id=account_id,
                broker=broker,
                client_id="XB00001",
                environment="PAPER",
                expires_at=datetime.now(UTC) + timedelta(hours=6),
                egress=None,
                version=1,
                secrets={},
            )
            for account_id in account_ids
            if account_id not in self.missing
        }


@dataclass
class World:
    """The rows other services own, written here by the database's owner."""

    owner: asyncpg.Pool
    replica: Replica
    broker: BrokerWithJournal
    sessions: SessionsAtHand
    master_id: str = field(default_factory=an_id)
    strategy_id: str = field(default_factory=an_id)
    seq: int = 0
    follows: list[Follow] = field(default_factory=list)

    async def open(self) -> None:
        await self.owner.execute(
            "INSERT INTO signal.strategies (strategy_id, master_id, name) VALUES ($1, $2, 'One')",
            self.strategy_id,
            self.master_id,
        )

    async def a_follower(
        self, multiplier: str = "1", *, known: bool = True, **changes: Any
    ) -> Follow:
        """`known` accounts had their first reading of the day before the test begins."""
        user_id, account_id = an_id(), an_id()
        follow = replace(
            Follow(
                follow_id=an_id(),
                strategy_id=self.strategy_id,
                master_id=self.master_id,
                user_id=user_id,
                account_id=account_id,
                broker=BROKER,
                sizing=Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(multiplier)),
                from_seq=self.seq,
                version=1,
            ),
            **changes,
        )
        await self.owner.execute(
            """INSERT INTO auth.users (user_id, email, display_name, password_hash, roles)
            VALUES ($1, $2, 'F', 'x', '{follower}')""",
            user_id,
            f"{user_id}@example.org",
        )
        await self.owner.execute(
            """INSERT INTO auth.broker_accounts
            (account_id, user_id, broker, kind, broker_client_id, session_state, connected_at)
            VALUES ($1, $2, $3, 'CLIENT', 'XB00001', 'CONNECTED', clock_timestamp())""",
            account_id,
            user_id,
            BROKER,
        )
        await self.owner.execute(
            """INSERT INTO signal.follows (follow_id, strategy_id, master_id, user_id, account_id,
                broker, sizing_mode, sizing_value, from_seq, paused)
            VALUES ($1, $2, $3, $4, $5, $6, 'MULTIPLIER', $7, $8, $9)""",
            follow.follow_id,
            follow.strategy_id,
            follow.master_id,
            user_id,
            account_id,
            BROKER,
            follow.sizing.value,
            follow.from_seq,
            follow.paused,
        )
        if known:
            await self.owner.execute(
                """INSERT INTO executor.account_days (account_id, day, book_read_at, carried_at)
                VALUES ($1, $2, clock_timestamp(), clock_timestamp())""",
                account_id,
                trading_day(datetime.now(UTC)),
            )
        self.follows.append(follow)
        return follow

    async def emit(self, *, lives_s: float = 30, **changes: Any) -> Signal:
        """Write a signal as the signal service does; nobody hears of it yet."""
        self.seq += 1
        now = datetime.now(UTC)
        signal = a_signal(
            signal_id=an_id(),
            master_id=self.master_id,
            strategy_id=self.strategy_id,
            seq=self.seq,
            expires_at=now + timedelta(seconds=lives_s),
            stamps=Stamps(accepted_at=now - timedelta(seconds=60)),
            **changes,
        )
        await self.owner.execute(
            """INSERT INTO signal.signals (signal_id, master_id, strategy_id, seq, action,
                parent_signal_id, payload, accepted_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            signal.signal_id,
            signal.master_id,
            signal.strategy_id,
            signal.seq,
            signal.action,
            signal.parent_signal_id,
            codec.encode(signal),
            signal.stamps.accepted_at,
            signal.expires_at,
        )
        return signal

    async def hear(self, *events: Any) -> None:
        """Deliver events as the bus does: signals to every partition, others to their shard."""
        records: list[Record | Undecodable] = []
        for event in events:
            partitions: Sequence[int] = range(PARTITIONS)
            topic = topics.SIGNALS
            if isinstance(event, Follow):
                partitions, topic = [shard_of(event.account_id, PARTITIONS)], topics.FOLLOW_EVENTS
            records += [
                Record(topic=topic, partition=partition, offset=0, event=event)
                for partition in partitions
            ]
        await self.replica.work.plan(records)

    async def emit_and_hear(self, **changes: Any) -> Signal:
        signal = await self.emit(**changes)
        await self.hear(signal)
        return signal

    async def orders(self) -> list[asyncpg.Record]:
        return list(
            await self.owner.fetch("SELECT * FROM executor.orders ORDER BY seq, account_id")
        )

    async def states(self) -> list[str]:
        return [
            f"{row['state']}{'/' + row['reason'] if row['reason'] else ''}"
            for row in await self.orders()
        ]

    async def until(self, *wanted: str, within_s: float = 8) -> None:
        """Wait until the orders stand at these states, whatever their order."""
        deadline = asyncio.get_running_loop().time() + within_s
        while sorted(states := await self.states()) != sorted(wanted):
            assert asyncio.get_running_loop().time() < deadline, f"orders stand at {states}"
            await asyncio.sleep(0.02)

    async def until_at_broker(self, within_s: float = 8) -> None:
        """Wait until the ledger knows every order to be at the broker, seen in its book or not."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not {"ACKED", "OPEN"}.issuperset(states := await self.states()):
            assert asyncio.get_running_loop().time() < deadline, f"orders stand at {states}"
            await asyncio.sleep(0.02)

    async def until_history(self, state: str, within_s: float = 8) -> None:
        """Wait until an order has passed through this state."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not await self.owner.fetchval(
            "SELECT count(*) FROM executor.order_history WHERE state = $1", state
        ):
            assert asyncio.get_running_loop().time() < deadline, await self.states()
            await asyncio.sleep(0.02)

    async def read_book(self) -> None:
        """Hear the broker's book as streaming would tell it."""
        accounts = {intent.client_order_id: intent.account_id for intent in self.broker.arrivals}
        await self.replica.ledger.record(
            [
                Word(
                    account_id=accounts[tag],
                    source=UpdateSource.BOOK,
                    received_at=datetime.now(UTC),
                    report=report,
                )
                for tag, report in self.broker.book.items()
            ]
        )

    async def cancel(self, parent: Signal) -> Signal:
        return await self.emit_and_hear(
            action=SignalAction.CANCEL,
            parent_signal_id=parent.signal_id,
            side=None,
            product=None,
            terms=None,
        )


def partitions() -> list[TopicPartition]:
    return [TopicPartition(t, p) for t in topics.EXECUTOR_INPUT for p in range(PARTITIONS)]


__all__ = ["BrokerWithJournal", "OrderState", "SessionsAtHand", "World", "partitions"]
