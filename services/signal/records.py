"""What the repository hands out beside trading terms: rows as the flow needs them, and messages."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.contracts import codec, topics
from libs.runtime.outbox import OutboxMessage
from libs.trading.follows import Follow
from libs.trading.shards import shard_of
from libs.trading.signals import CopyMode, Signal


class NameTaken(Exception):
    """Another strategy of this master has the name already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    strategy_id: str
    master_id: str
    name: str
    description: str
    equity: Decimal | None
    copy_mode: CopyMode
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFollow:
    follow: Follow
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The signal that was accepted under an Idempotency-Key, and the body it came with."""

    signal: Signal
    request_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a master's request meets in the ledger. `equity` is what the strategy is traded with."""

    owns_strategy: bool
    equity: Decimal | None
    copy_mode: CopyMode | None
    earlier: Earlier | None
    parent: Signal | None


def signal_message(signal: Signal, partitions: int) -> OutboxMessage:
    """Send a signal to every partition: any shard may hold a follower."""
    return OutboxMessage(
        topic=topics.SIGNALS,
        key=signal.master_id,
        partitions=tuple(range(partitions)),
        payload=codec.encode(signal),
    )


def follow_message(follow: Follow, partitions: int) -> OutboxMessage:
    """Send the whole state to the shard of the account it trades for."""
    return OutboxMessage(
        topic=topics.FOLLOW_EVENTS,
        key=follow.follow_id,
        partitions=(shard_of(follow.account_id, partitions),),
        payload=codec.encode(follow),
    )


def signal_from(payload: bytes) -> Signal:
    """Read a signal as it was published."""
    signal = codec.decode(topics.SIGNALS, payload)
    if not isinstance(signal, Signal):
        raise TypeError("the signals topic carries signals")
    return signal
