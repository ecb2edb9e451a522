"""What a word about a master's own order means, by itself."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.brokers.registry import BROKERS
from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import (
    OrderExtra,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from libs.trading.signals import SignalAction
from services.signal.capture_decision import (
    QUANTITY_STAYS,
    Capture,
    CapturedOrder,
    Held,
    Step,
    first_step,
    next_step,
)
from tests.factories import NOON

LIMIT = OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.5"))
DEARER = replace(LIMIT, limit_price=Decimal(813))
MARKET = OrderTerms(order_type=OrderType.MARKET, quantity=10)
CAPTURE = Capture(
    strategy_id="strategy-1",
    master_id="master-1",
    account_id="account-1",
    broker=BROKERS[0],
    broker_client_id="XB00001",
    is_on=True,
    began_at=NOON,
    follows_too=False,
)
S = OrderStatus


def word(
    status: OrderStatus = S.OPEN,
    *,
    after_s: float = 1,
    source: UpdateSource = UpdateSource.FEED,
    **changes: Any,
) -> BrokerUpdate:
    """Say something about an order placed a second after the capture began."""
    at = NOON + timedelta(seconds=after_s)
    report = OrderReport(
        status=status,
        broker_order_id="order-1",
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=LIMIT,
        at=at,
        placed_at=NOON + timedelta(seconds=1),
        validity=Validity.IOC,
    )
    return BrokerUpdate(
        account_id="account-1",
        broker=BROKERS[0],
        source=source,
        received_at=at,
        report=replace(report, **changes),
    )


def first(update: BrokerUpdate, net: int = 0, closing: int = 0) -> Step:
    step = first_step(CAPTURE, Held(net=net, closing=closing), update)
    assert step is not None
    return step


def copied(**changes: Any) -> CapturedOrder:
    order = replace(first(word()).order, signal_id="signal-1")
    return replace(order, **changes)


def after(known: CapturedOrder, update: BrokerUpdate) -> Step:
    step = next_step(CAPTURE, known, update)
    assert step is not None
    return step


def test_a_new_order_is_copied_as_it_is_with_its_own_time() -> None:
    proposal = first(word()).proposal

    assert proposal is not None
    assert (proposal.action, proposal.instrument, proposal.side) == (
        SignalAction.PLACE,
        "NSE:SBIN",
        Side.BUY,
    )
    assert (proposal.terms, proposal.validity) == (LIMIT, Validity.IOC)
    assert proposal.broker_event_at == NOON + timedelta(seconds=1)


@pytest.mark.parametrize("placed_s", [-3600, -1])
@pytest.mark.parametrize("status", list(S))
def test_what_was_placed_before_the_capture_began_is_history(
    status: OrderStatus, placed_s: int
) -> None:
    placed_at = NOON + timedelta(seconds=placed_s)

    assert (
        first_step(CAPTURE, Held(), word(status, placed_at=placed_at, filled_quantity=10)) is None
    )
    assert first_step(CAPTURE, Held(), word(status, placed_at=None)) is None


@pytest.mark.parametrize("status", [S.ACKED, S.REJECTED, S.CANCELLED, S.LAPSED])
def test_what_never_stood_in_the_market_is_not_copied(status: OrderStatus) -> None:
    assert first_step(CAPTURE, Held(), word(status)) is None


@pytest.mark.parametrize(
    "changes",
    [{"instrument": None}, {"product": None}, {"terms": None}],
)
def test_what_is_not_known_here_is_not_copied_and_said_so(changes: dict[str, Any]) -> None:
    step = first(word(**changes))

    assert step.proposal is None
    assert "not known here" in step.order.problem
    assert after(step.order, word(S.CANCELLED, after_s=2)).proposal is None


def test_terms_that_make_no_order_are_not_copied_and_said_so() -> None:
    step = first(word(terms=replace(LIMIT, limit_price=None)))

    assert step.proposal is None
    assert "limit_price" in step.order.problem


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (OrderExtra.AFTER_MARKET, "after the market"),
        (OrderExtra.DISCLOSED_QUANTITY, "a part of its quantity"),
        (OrderExtra.ATTACHED_EXITS, "a stop or a target"),
    ],
)
def test_what_a_copy_would_lack_travels_with_the_entry_and_is_said(
    extra: OrderExtra, words: str
) -> None:
    step = first(word(extras=frozenset({extra})))

    assert step.proposal is not None
    assert step.proposal.extras == {extra}
    assert words in step.order.problem


def test_a_way_out_is_copied_without_what_it_shows_but_not_before_the_market_opens() -> None:
    shown = first(word(side=Side.SELL, extras=frozenset({OrderExtra.DISCLOSED_QUANTITY})), 10)
    overnight = first(word(side=Side.SELL, extras=frozenset({OrderExtra.AFTER_MARKET})), 10)

    assert shown.proposal is not None
    assert shown.proposal.action is SignalAction.EXIT
    assert overnight.proposal is None
    assert "after the market" in overnight.order.problem


@pytest.mark.parametrize(
    ("net", "closing", "side", "terms", "held"),
    [
        (10, 0, Side.SELL, LIMIT, 10),
        (-10, 0, Side.BUY, LIMIT, 10),
        (25, 0, Side.SELL, MARKET, 25),
        (25, 0, Side.SELL, LIMIT, 25),
        # Another exit at work closes 10 of them: 15 are left.
        (25, 10, Side.SELL, LIMIT, 15),
        # A second stop for the same shares: the master's own risk, not a larger share of others.
        (10, 10, Side.SELL, LIMIT, 10),
    ],
)
def test_what_closes_is_an_exit_of_its_part_whether_it_waits_or_not(
    net: int, closing: int, side: Side, terms: OrderTerms, held: int
) -> None:
    step = first(word(side=side, terms=terms), net, closing)

    assert step.proposal is not None
    assert step.proposal.action is SignalAction.EXIT
    assert (step.proposal.terms, step.proposal.held_quantity) == (terms, held)


@pytest.mark.parametrize(
    ("opening", "terms", "status", "held"),
    [
        (0, MARKET, S.OPEN, None),
        (0, LIMIT, S.FILLED, None),
        # A stop that waits, or another entry at work: what followers have at work stays there.
        (0, LIMIT, S.OPEN, 10),
        (3, MARKET, S.FILLED, 10),
    ],
)
def test_out_of_everything_takes_back_what_followers_were_late_to_enter(
    opening: int, terms: OrderTerms, status: OrderStatus, held: int | None
) -> None:
    update = word(status, side=Side.SELL, terms=terms, filled_quantity=1)

    step = first_step(CAPTURE, Held(net=10, opening=opening), update)

    assert step is not None
    assert step.proposal is not None
    assert (step.proposal.action, step.proposal.held_quantity) == (SignalAction.EXIT, held)


@pytest.mark.parametrize(
    ("net", "side", "terms", "status"),
    [
        (0, Side.SELL, MARKET, S.FILLED),
        (10, Side.BUY, MARKET, S.FILLED),
        # It still waits: nobody knows whether it will turn the position round.
        (5, Side.SELL, LIMIT, S.OPEN),
    ],
)
def test_what_opens_is_an_entry(
    net: int, side: Side, terms: OrderTerms, status: OrderStatus
) -> None:
    step = first(word(status, side=side, terms=terms, filled_quantity=1), net)

    assert step.proposal is not None
    assert (step.proposal.action, step.proposal.terms) == (SignalAction.PLACE, terms)
    assert step.leaves is None


@pytest.mark.parametrize(("terms", "status"), [(MARKET, S.OPEN), (LIMIT, S.FILLED)])
def test_what_turns_a_position_round_is_a_way_out_and_then_an_entry(
    terms: OrderTerms, status: OrderStatus
) -> None:
    step = first(word(status, side=Side.SELL, terms=terms, filled_quantity=1), 4)

    assert step.leaves is not None
    assert step.proposal is not None
    assert (step.leaves.action, step.leaves.held_quantity) == (SignalAction.EXIT, None)
    assert (step.leaves.terms, step.proposal.terms) == (
        replace(terms, quantity=4),
        replace(terms, quantity=6),
    )
    assert step.proposal.action is SignalAction.PLACE


def test_an_exit_is_changed_in_all_but_its_quantity_and_taken_back() -> None:
    known = replace(first(word(side=Side.SELL), 10).order, signal_id="signal-1")
    less = replace(DEARER, quantity=4)

    changed = after(known, word(side=Side.SELL, terms=less, after_s=9))
    again = after(changed.order, word(side=Side.SELL, terms=less, after_s=10))
    gone = after(again.order, word(S.CANCELLED, side=Side.SELL, terms=less, after_s=11))

    assert changed.proposal is not None
    assert (changed.proposal.action, changed.proposal.terms) == (SignalAction.MODIFY, DEARER)
    assert changed.order.problem == QUANTITY_STAYS
    assert again.proposal is None
    assert gone.proposal is not None
    assert gone.proposal.action is SignalAction.CANCEL


def test_a_change_of_the_masters_is_a_modify_of_the_copied_order() -> None:
    step = after(copied(), word(terms=DEARER, after_s=9))

    assert step.proposal is not None
    assert (step.proposal.action, step.proposal.terms) == (SignalAction.MODIFY, DEARER)
    assert step.proposal.parent_signal_id == "signal-1"
    assert step.proposal.broker_event_at == NOON + timedelta(seconds=9)
    assert (step.order.terms, step.name) == (DEARER, "change 1")
    assert after(step.order, word(terms=DEARER, after_s=9)).proposal is None


@pytest.mark.parametrize("status", [S.CANCELLED, S.REJECTED])
def test_an_order_taken_back_is_a_cancel_once(status: OrderStatus) -> None:
    step = after(copied(), word(status, after_s=9))

    assert step.proposal is not None
    assert step.proposal.action is SignalAction.CANCEL
    assert next_step(CAPTURE, step.order, word(status, after_s=9)) is None


@pytest.mark.parametrize("status", [S.LAPSED, S.FILLED, S.PARTIAL])
def test_what_ends_or_fills_by_itself_is_no_change(status: OrderStatus) -> None:
    step = after(copied(), word(status, after_s=9, filled_quantity=10))

    assert step.proposal is None
    assert step.order.filled_quantity == 10


def test_an_older_word_of_the_feed_is_not_heard() -> None:
    changed = after(copied(), word(terms=DEARER, after_s=9)).order

    assert next_step(CAPTURE, changed, word(terms=LIMIT, after_s=8)) is None
    assert next_step(CAPTURE, replace(changed, filled_quantity=4), word(after_s=10)) is None


def test_a_book_that_lags_behind_the_feed_changes_nothing_back() -> None:
    changed = after(copied(), word(terms=DEARER, after_s=9)).order
    book = UpdateSource.BOOK

    assert after(changed, word(terms=LIMIT, after_s=10, source=book)).proposal is None
    missed = after(changed, word(terms=LIMIT, after_s=60, source=book)).proposal
    assert missed is not None
    assert (missed.action, missed.broker_event_at) == (SignalAction.MODIFY, None)


@pytest.mark.parametrize(
    ("before", "fired"),
    [
        (
            OrderTerms(order_type=OrderType.STOP, quantity=10, trigger_price=Decimal(800)),
            MARKET,
        ),
        (
            OrderTerms(
                order_type=OrderType.STOP_LIMIT,
                quantity=10,
                trigger_price=Decimal(800),
                limit_price=Decimal("812.5"),
            ),
            LIMIT,
        ),
    ],
)
def test_a_stop_that_was_reached_is_no_change_of_the_masters(
    before: OrderTerms, fired: OrderTerms
) -> None:
    assert after(copied(terms=before), word(terms=fired, after_s=9)).proposal is None
    more = replace(fired, quantity=20)
    assert after(copied(terms=before), word(terms=more, after_s=9)).proposal is not None
