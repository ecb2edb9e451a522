from typing import Any

import pytest

from libs.contracts import codec, topics
from libs.contracts.codec import Record, Undecodable
from libs.runtime.outbox import OutboxMessage
from libs.trading.events import DeadLetter, Notice, NoticeKind
from services.auth import inbox
from services.auth.inbox import Inbox, sort_out
from services.auth.notices import sentence
from tests.factories import NOON

USER = "0193a000-0000-7000-8000-000000000001"


def a_notice(**changes: Any) -> Notice:
    values: dict[str, Any] = {
        "notice_id": "n1",
        "kind": NoticeKind.NOTIFICATION,
        "code": "HELLO",
        "subject": "order:1",
        "at": NOON,
        "user_id": USER,
    }
    return Notice(**(values | changes))


def a_record(notice: Notice) -> Record:
    return Record(topic=topics.NOTICES, partition=0, offset=7, event=notice)


class Notifications:
    """Stores batches, after failing as often as asked."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.batches: list[tuple[list[Notice], list[OutboxMessage]]] = []

    async def store(self, notices: Any, dead: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the ledger is away")
        self.batches.append((notices, dead))


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "somebody"},
        {"notice_id": ""},
        {"subject": "order:\0"},
        {"figures": {"a": "\0"}},
        {"figures": {"\0": "a"}},
    ],
)
def test_a_notice_no_table_can_hold_becomes_a_dead_letter(changes: dict[str, Any]) -> None:
    notices, dead = sort_out([a_record(a_notice(**changes)), a_record(a_notice())])

    assert notices == [a_notice()]
    letter = codec.decode(topics.DEAD_LETTERS, dead[0].payload)
    assert isinstance(letter, DeadLetter)
    assert (letter.source_topic, letter.offset) == (topics.NOTICES, 7)
    assert letter.error.startswith("Notice")


def test_a_record_nobody_can_read_is_kept_whole() -> None:
    broken = Undecodable(
        topic=topics.NOTICES,
        partition=0,
        offset=3,
        raw=b"\xff",
        error="not protobuf",
        key=b"k",
        headers={"h": "1"},
    )

    _, dead = sort_out([broken])

    letter = codec.decode(topics.DEAD_LETTERS, dead[0].payload)
    assert isinstance(letter, DeadLetter)
    assert (letter.raw, letter.key, letter.headers) == (b"\xff", b"k", {"h": "1"})


async def test_a_ledger_that_is_away_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_BACKOFF_FIRST_S", 0)
    notifications = Notifications(failures=3)

    await Inbox(notifications).take([a_record(a_notice())])

    assert notifications.batches == [([a_notice()], [])]


def test_sentences_survive_missing_figures_and_unknown_codes() -> None:
    assert sentence("RECONNECT_BROKER", {}) == "Please re-connect your broker."
    assert sentence("ORDER_REJECTED", {"x": "{y}"}) == "Order rejected."
    assert sentence("{odd}", {}) == "{odd}."
    assert sentence("{odd.attribute[0]}", {}) == "{odd.attribute[0]}."
