"""What no table takes is named, what is too long is cut."""

from decimal import Decimal

import pytest

from services.signal.report_events import is_storable, news_of, why_not_storable
from tests.factories import a_signal, an_order_changed, some_terms

UUIDS = {
    name: f"0193a000-0000-7000-8000-0000000000{at:02d}"
    for at, name in enumerate(
        ("signal_id", "follow_id", "strategy_id", "master_id", "user_id", "account_id"), start=1
    )
}


def test_an_endless_message_is_cut() -> None:
    news = news_of(an_order_changed(message="no " * 10_000), None, None)

    assert len(news.newest.message) == 1_000


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"user_id": "somebody"}, "OrderChanged.user_id: not a uuid"),
        ({"message": "a\0b"}, "OrderChanged: a text holds a zero byte"),
        ({"figures": {"lot": "\0"}}, "OrderChanged: a text holds a zero byte"),
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
