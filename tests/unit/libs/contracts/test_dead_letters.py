from dataclasses import replace

import pytest

from libs.contracts import codec, topics
from libs.contracts.codec import Undecodable
from libs.contracts.dead_letters import concern_of, dead_letter_message
from libs.contracts.v1 import signal_pb2
from libs.trading.events import DeadLetter
from libs.trading.signals import SignalAction
from tests.factories import a_signal

MASTER = "0193a000-0000-7000-8000-0000000000aa"
OTHER = "0193a000-0000-7000-8000-0000000000bb"


def a_payload(action: SignalAction = SignalAction.PLACE, master_id: str = MASTER) -> bytes:
    return codec.encode(replace(a_signal(), action=action, master_id=master_id))


def a_letter(
    raw: bytes, key: bytes | None = MASTER.encode(), topic: str = topics.SIGNALS
) -> Undecodable:
    return Undecodable(
        topic=topic, partition=1, offset=2, raw=raw, error="bad", key=key, headers={"h": "1"}
    )


def test_a_letter_travels_whole() -> None:
    message = dead_letter_message(a_letter(b"\xff\x00"))

    assert (message.topic, message.key, message.partitions) == (
        topics.DEAD_LETTERS,
        topics.SIGNALS,
        (0,),
    )
    letter = codec.decode(topics.DEAD_LETTERS, message.payload)
    assert isinstance(letter, DeadLetter)
    assert (letter.raw, letter.key, letter.headers) == (b"\xff\x00", MASTER.encode(), {"h": "1"})
    assert (letter.source_topic, letter.partition, letter.offset) == (topics.SIGNALS, 1, 2)


def test_a_letter_never_outgrows_the_bus() -> None:
    message = dead_letter_message(a_letter(b"x" * 1_048_576))

    assert len(message.payload) < 1_000_000
    letter = codec.decode(topics.DEAD_LETTERS, message.payload)
    assert isinstance(letter, DeadLetter)
    assert "of 1048576 bytes" in letter.error


@pytest.mark.parametrize(
    ("letter", "master_id", "surely_place"),
    [
        (a_letter(a_payload()), MASTER, True),
        # A field that is missing or wrong elsewhere does not hide what it is.
        (a_letter(a_payload(), key=None), MASTER, True),
        (a_letter(a_payload(SignalAction.EXIT)), MASTER, False),
        (a_letter(a_payload(SignalAction.CANCEL)), MASTER, False),
        (a_letter(a_payload(SignalAction.MODIFY)), MASTER, False),
        (a_letter(b"\xff\xff"), MASTER, False),
        (a_letter(b""), MASTER, False),
        (a_letter(b"\xff\xff", key=None), None, False),
        (a_letter(b"\xff\xff", key=b"\xff\xfe"), None, False),
        (a_letter(b"\xff\xff", key=b"somebody"), None, False),
        (a_letter(a_payload(), key=b"somebody"), MASTER, False),
        (a_letter(a_payload(master_id=OTHER)), MASTER, False),
    ],
)
def test_it_concerns_the_master_of_its_key_and_is_a_place_only_beyond_doubt(
    letter: Undecodable, master_id: str | None, surely_place: bool
) -> None:
    concern = concern_of(letter)

    assert concern is not None
    assert (concern.master_id, concern.surely_place) == (master_id, surely_place)


def test_an_action_that_nobody_knows_is_not_a_place() -> None:
    action = signal_pb2.SignalEmitted.DESCRIPTOR.fields_by_name["action"]
    # The last value of a field wins.
    unknown = bytes([action.number << 3, 99])

    concern = concern_of(a_letter(a_payload() + unknown))

    assert concern is not None
    assert not concern.surely_place


def test_what_is_no_signal_concerns_no_master() -> None:
    assert concern_of(a_letter(b"\xff", topic=topics.BROKER_UPDATES)) is None
