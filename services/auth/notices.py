"""What people are told: the notices auth raises itself, and the sentence of every stored notice."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from uuid_utils import uuid7

from libs.trading.accounts import Account
from libs.trading.events import Notice, NoticeKind

RECONNECT_BROKER = "RECONNECT_BROKER"

# Filled with the notice's figures. A code without a sentence here is shown as its own words.
SENTENCES: Mapping[str, str] = {
    RECONNECT_BROKER: "Please re-connect your broker.",
    "CALENDAR_ENDS": "Market hours are known until {known_until}: nothing is entered after it.",
    "CLOCK_SKEW": "A server's clock is {skew_s} s off the database's.",
    "DEAD_LETTER": "A record could not be used and waits for an operator.",
    "EXIT_FAILED": "{quantity} of {instrument} were not closed. {why} {advice}",
    "MASTER_PAUSED_BY_DEAD_LETTER": "New entries are paused: a signal could not be read.",
}


def reconnect_notice(account: Account, title: str, at: datetime) -> Notice:
    return Notice(
        notice_id=str(uuid7()),
        kind=NoticeKind.NOTIFICATION,
        code=RECONNECT_BROKER,
        subject=f"account:{account.account_id}",
        at=at,
        user_id=account.user_id,
        figures={"broker": title, "broker_client_id": account.broker_client_id},
    )


def sentence(code: str, figures: Mapping[str, str]) -> str:
    """Say it in words; a figure that is missing leaves its name, never an error."""
    words = SENTENCES.get(code)
    if words is None:
        # Not ours, so not a pattern to be filled.
        return code.replace("_", " ").capitalize() + "."
    return words.format_map(_Named(figures))


class _Named(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


def why_not_storable(notice: Notice) -> str | None:
    """Say what keeps a notice out of the table for ever; None when it can be stored."""
    if notice.user_id is not None and not _is_uuid(notice.user_id):
        return "Notice.user_id: not a uuid"
    texts = [notice.notice_id, notice.code, notice.subject, *notice.figures]
    if any("\0" in text for text in (*texts, *notice.figures.values())):
        return "Notice: a text holds a zero byte"
    if not notice.notice_id:
        return "Notice.notice_id: missing"
    return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
