"""A record nobody could use: as a message of dead-letters.v1, and whom it concerns."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import DeadLetter
from libs.trading.signals import SignalAction

_PARTITION = 0  # The topic has one.
# A record may be as large as the bus takes; the letter around it must not be larger.
_RAW_BYTES_MAX = 900_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What can be told of a signal that could not be used.

    `surely_place` only if it says so itself and its key agrees: a lost entry is a chance missed, a
    lost exit or cancel a position kept.
    """

    master_id: str | None
    surely_place: bool


def unusable(record: Record, error: str) -> Undecodable:
    """Treat what was read but cannot be stored as what could not be read."""
    return Undecodable(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        raw=codec.encode(record.event),
        error=error,
        headers={},
    )


def dead_letter_message(letter: Undecodable) -> OutboxMessage:
    """Put it on its way to the dead letters. What is too long is cut, and says so."""
    error, length = letter.error, len(letter.raw)
    if length > _RAW_BYTES_MAX:
        error = f"{error} (the first {_RAW_BYTES_MAX} of {length} bytes)"
    whole = DeadLetter(
        source_topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        raw=letter.raw[:_RAW_BYTES_MAX],
        error=error,
        at=datetime.now(UTC),
        key=letter.key,
        headers=dict(letter.headers),
    )
    return OutboxMessage(
        topic=topics.DEAD_LETTERS,
        key=letter.topic,
        partitions=(_PARTITION,),
        payload=codec.encode(whole),
    )


def concern_of(letter: Undecodable) -> Concern | None:
    """Tell whose signal a dead letter is. None when it is no signal at all."""
    if letter.topic != topics.SIGNALS:
        return None
    claimed, action = codec.glance(letter.raw)
    keyed = None if letter.key is None else letter.key.decode("utf-8", "replace")
    agrees = keyed is None or keyed == claimed
    return Concern(
        # The key was written by signal beside the payload, and is the smaller target of damage.
        master_id=_id(keyed) or _id(claimed),
        surely_place=agrees and _id(claimed) is not None and action is SignalAction.PLACE,
    )


def _id(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
