"""A notice as an outbox message: what a service puts beside its row when a person must be told."""

from collections.abc import Mapping
from datetime import UTC, datetime

from uuid_utils import uuid7

from libs.contracts import codec, topics
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import Notice, NoticeKind

_PARTITION = 0  # The topic has one.
_OPERATORS = "operators"


def notice_message(
    kind: str,
    *,
    code: str,
    subject: str,
    user_id: str | None = None,
    figures: Mapping[str, str] | None = None,
    at: datetime | None = None,
    notice_id: str | None = None,
) -> OutboxMessage:
    """Make a new notice and its message; without `user_id` it goes to the operators."""
    return message_of(
        Notice(
            notice_id=notice_id or str(uuid7()),
            kind=NoticeKind(kind),
            code=code,
            subject=subject,
            at=at or datetime.now(UTC),
            user_id=user_id,
            figures={name: str(figure) for name, figure in (figures or {}).items()},
        )
    )


def message_of(notice: Notice) -> OutboxMessage:
    return OutboxMessage(
        topic=topics.NOTICES,
        key=notice.user_id or _OPERATORS,
        partitions=(_PARTITION,),
        payload=codec.encode(notice),
    )
