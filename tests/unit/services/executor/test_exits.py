"""How much an exit closes: a share in whole lots, never more than is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.instruments import Instrument
from libs.trading.orders import Product, Side
from libs.trading.reasons import Refusal, SkipReason
from libs.trading.signals import Signal, SignalAction
from services.executor.exits import Opened, closed_by
from tests.factories import a_signal, some_terms


def an_exit(quantity: int, held: int | None) -> Signal:
    return a_signal(
        action=SignalAction.EXIT,
        side=Side.SELL,
        terms=some_terms(quantity=quantity),
        held_quantity=held,
    )


def closed(
    quantity: int, held: int | None, *, net: int, closing: int = 0, lot: int = 1
) -> int | Refusal:
    opened = Opened(account_id="a", net_quantity=net, closing=closing)
    instrument = Instrument(name="NSE:SBIN", lot_size=lot)
    return closed_by(an_exit(quantity, held), instrument, opened, None)


@pytest.mark.parametrize(
    ("quantity", "held", "net", "closing", "lot", "expected"),
    [
        (5, 10, 20, 0, 1, 10),
        (5, 10, 7, 0, 1, 3),
        (5, 10, 20, 10, 1, 5),
        (5, 10, 225, 0, 75, 75),
        (10, 10, 7, 0, 1, 7),
        (12, 10, 7, 0, 1, 7),
        (5, None, 7, 0, 1, 7),
        # All of it takes odd lots along.
        (10, 10, 80, 0, 75, 80),
    ],
)
def test_a_part_is_the_masters_share_of_what_is_left(
    quantity: int, held: int | None, net: int, closing: int, lot: int, expected: int
) -> None:
    assert closed(quantity, held, net=net, closing=closing, lot=lot) == expected


def test_a_share_of_less_than_a_lot_says_so() -> None:
    assert closed(1, 4, net=2) == Refusal(
        SkipReason.TOO_SMALL, {"wanted": "0.5", "unit": "share", "lot": "1"}
    )


@given(
    net=st.integers(-500, 500),
    closing=st.integers(0, 500),
    quantity=st.integers(1, 50),
    held=st.none() | st.integers(1, 50),
    elsewhere=st.none() | st.integers(-500, 500),
    lot=st.sampled_from([1, 5, 75]),
)
def test_no_exit_ever_opens_anything(
    net: int, closing: int, quantity: int, held: int | None, elsewhere: int | None, lot: int
) -> None:
    opened = Opened(account_id="a", net_quantity=net, closing=closing, ours_today=net)

    answer = closed_by(
        an_exit(quantity, held), Instrument(name="NSE:SBIN", lot_size=lot), opened, elsewhere
    )

    if isinstance(answer, Refusal):
        return
    assert 0 < answer <= net - closing
    if elsewhere is not None:
        assert answer <= net + elsewhere - closing
    assert opened.left(Product.DELIVERY, elsewhere) >= answer


def test_an_exit_of_the_other_side_closes_nothing() -> None:
    assert closed(5, None, net=-7) == Refusal(SkipReason.CLOSED_ELSEWHERE, {})
