from libs.contracts import codec, topics
from libs.contracts.notices import notice_message
from libs.trading.events import Notice, NoticeKind
from tests.factories import NOON


def test_a_notice_travels_whole_to_the_one_partition_under_its_user() -> None:
    message = notice_message(
        "ALARM_OPENED",
        code="BOOK_UNREADABLE",
        subject="account:a-1",
        user_id="user-1",
        figures={"since": "12:00"},
        at=NOON,
        notice_id="n-1",
    )

    assert (message.topic, message.key, message.partitions) == (topics.NOTICES, "user-1", (0,))
    assert codec.decode(topics.NOTICES, message.payload) == Notice(
        notice_id="n-1",
        kind=NoticeKind.ALARM_OPENED,
        code="BOOK_UNREADABLE",
        subject="account:a-1",
        at=NOON,
        user_id="user-1",
        figures={"since": "12:00"},
    )


def test_a_notice_without_user_goes_to_the_operators_and_gets_its_own_id() -> None:
    first, second = (notice_message("NOTIFICATION", code="C", subject="s") for _ in range(2))

    assert first.key == "operators"
    assert first.payload != second.payload
