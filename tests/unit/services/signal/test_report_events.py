"""Whatever comes twice or late, a report says the same; what cannot be kept is named."""

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from libs.trading.events import OrderChanged
from libs.trading.states import OrderState as S
from services.signal.report_events import folded, is_storable, why_not_storable
from tests.factories import NOON, a_signal, an_order_changed, some_terms

UUIDS = {
    name: f"0193a000-0000-7000-8000-0000000000{at:02d}"
    for at, name in enumerate(
        ("signal_id", "follow_id", "strategy_id", "master_id", "user_id", "account_id"), start=1
    )
}
LIFE = [
    (1, S.PLANNED, 0),
    (2, S.SENDING, 10),
    (3, S.ACKED, 30),
    (4, S.PARTIAL, 40),
    (5, S.FILLED, 55),
]


def a_life() -> list[OrderChanged]:
    return [
        an_order_changed(version=version, state=state, at=NOON + timedelta(milliseconds=ms))
        for version, state, ms in LIFE
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_the_order_of_arrival_changes_nothing(order: tuple[int, ...]) -> None:
    life = a_life()

    [news] = folded(life[at] for at in order)

    assert news.newest == life[-1]
    assert news.acknowledged_at == NOON + timedelta(milliseconds=30)
    assert news.filled_at == NOON + timedelta(milliseconds=55)


def test_a_repeated_event_changes_nothing() -> None:
    life = a_life()

    assert folded([*life, *life[1:3]]) == folded(life)


def test_a_rejection_is_no_acknowledgement() -> None:
    [news] = folded([an_order_changed(state=S.REJECTED)])

    assert news.acknowledged_at is None
    assert news.filled_at is None


def test_an_endless_message_is_cut() -> None:
    [news] = folded([an_order_changed(message="no " * 10_000)])

    assert len(news.newest.message) == 1_000


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"user_id": "somebody"}, "OrderChanged.user_id: not a uuid"),
        ({"message": "a\0b"}, "OrderChanged: a text holds a zero byte"),
        ({"average_price": Decimal("1e999")}, "OrderChanged: a price is out of all bounds"),
    ],
)
def test_what_no_table_takes_is_named(changes: dict[str, object], problem: str | None) -> None:
    assert why_not_storable(an_order_changed(**{**UUIDS, **changes})) == problem


def test_a_signal_with_a_foreign_id_is_none_of_ours() -> None:
    ours = a_signal(master_id=UUIDS["master_id"], strategy_id=UUIDS["strategy_id"])

    assert is_storable(ours)
    assert not is_storable(a_signal())
    assert not is_storable(
        a_signal(
            master_id=UUIDS["master_id"],
            strategy_id=UUIDS["strategy_id"],
            terms=some_terms(limit_price=Decimal("1e999")),
        )
    )
