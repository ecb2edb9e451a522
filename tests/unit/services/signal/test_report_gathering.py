"""Of an order's many events one row is made, whatever comes twice, late or broken."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.contracts import codec, topics
from libs.contracts.v1 import order_pb2
from libs.trading.events import OrderChanged
from libs.trading.states import OrderState as S
from services.signal.report_events import OrderNews
from services.signal.report_gathering import Gathered
from tests.factories import NOON
from tests.unit.services.signal.test_report_reader import RecordOfKafka, an_event

LIFE = [
    (1, S.PLANNED, 0),
    (2, S.SENDING, 10),
    (3, S.ACKED, 30),
    (4, S.PARTIAL, 40),
    (5, S.FILLED, 55),
]


def a_life() -> list[OrderChanged]:
    return [
        an_event(version=version, state=state, at=NOON + timedelta(milliseconds=ms))
        for version, state, ms in LIFE
    ]


def gathered(*payloads: bytes) -> Gathered:
    found = Gathered()
    for offset, payload in enumerate(payloads):
        found.add(RecordOfKafka(topics.ORDER_EVENTS, payload, offset=offset))
    return found


def folded(*events: OrderChanged) -> list[OrderNews]:
    return list(gathered(*map(codec.encode, events)).news())


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_the_order_of_arrival_changes_nothing(order: tuple[int, ...]) -> None:
    life = a_life()

    [news] = folded(*(life[at] for at in order))

    assert news.newest == life[-1]
    assert news.acknowledged_at == NOON + timedelta(milliseconds=30)
    assert news.filled_at == NOON + timedelta(milliseconds=55)


def test_a_repeated_event_changes_nothing() -> None:
    life = a_life()

    assert folded(*life, *life[1:3]) == folded(*life)


def test_the_stamps_an_event_brings_itself_count_more_than_when_it_was_written() -> None:
    stamps = {"acknowledged_at": NOON, "filled_at": NOON + timedelta(milliseconds=7)}
    life = a_life()

    [news] = folded(*life[:-1], replace(life[-1], **stamps))  # type: ignore[arg-type]  # by name

    assert (news.acknowledged_at, news.filled_at) == tuple(stamps.values())


def test_a_rejection_is_no_acknowledgement() -> None:
    [news] = folded(an_event(state=S.REJECTED))

    assert news.acknowledged_at is None
    assert news.filled_at is None


def test_a_newest_event_that_cannot_be_stored_is_buried_and_the_one_before_it_speaks() -> None:
    found = gathered(
        codec.encode(an_event(version=1)), codec.encode(an_event(version=2, message="a\0b"))
    )

    [news] = found.news()

    assert news.newest.version == 1
    assert len(found.dead) == 1


def test_events_that_name_no_order_are_buried_each() -> None:
    found = gathered(b"\xff\xff", b"", order_pb2.OrderChanged(version=2).SerializeToString())

    assert list(found.news()) == []
    assert len(found.dead) == 3


def test_each_order_is_told_of_once_in_the_order_of_their_ids() -> None:
    ids = [f"0193a000-0000-7000-8000-0000000001{at:02d}" for at in range(3)]

    news = folded(*(an_event(order_id=order_id) for order_id in (*reversed(ids), *ids)))

    assert [one.newest.order_id for one in news] == ids
