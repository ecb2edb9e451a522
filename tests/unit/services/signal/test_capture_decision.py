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
    LATE_PART,
    Capture,
    CapturedOrder,
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


def first(update: BrokerUpdate, net: int = 0) -> Step:
    step = first_step(CAPTURE, net, update)
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

    assert first_step(CAPTURE, 0, word(status, placed_at=placed_at, filled_quantity=10)) is None
    assert first_step(CAPTURE, 0, word(status, placed_at=None)) is None


@pytest.mark.parametrize("status", [S.ACKED, S.REJECTED, S.CANCELLED, S.LAPSED])
def test_what_never_stood_in_the_market_is_not_copied(status: OrderStatus) -> None:
    assert first_step(CAPTURE, 0, word(status)) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extras": frozenset({OrderExtra.AFTER_MARKET})}, "after the market"),
        ({"extras": frozenset({OrderExtra.DISCLOSED_QUANTITY})}, "a part of its quantity"),
        ({"extras": frozenset({OrderExtra.ATTACHED_EXITS})}, "a stop or a target"),
        ({"instrument": None}, "not known here"),
        ({"product": None}, "not known here"),
        ({"terms": None}, "not known here"),
        ({"terms": replace(LIMIT, limit_price=None)}, "limit_price"),
    ],
)
def test_what_a_copy_would_lack_is_not_copied_and_said_so(
    changes: dict[str, Any], words: str
) -> None:
    step = first(word(**changes))

    assert step.proposal is None
    assert words in step.order.problem
    assert after(step.order, word(S.CANCELLED, after_s=2)).proposal is None


@pytest.mark.parametrize(
    ("net", "side", "terms", "status", "filled", "action"),
    [
        (10, Side.SELL, LIMIT, S.FILLED, 10, SignalAction.EXIT),
        (-10, Side.BUY, LIMIT, S.FILLED, 10, SignalAction.EXIT),
        (10, Side.SELL, MARKET, S.OPEN, 0, SignalAction.EXIT),
        (10, Side.SELL, MARKET, S.PARTIAL, 4, SignalAction.EXIT),
        (10, Side.SELL, LIMIT, S.OPEN, 0, SignalAction.PLACE),
        (10, Side.SELL, LIMIT, S.PARTIAL, 4, SignalAction.PLACE),
        (20, Side.SELL, MARKET, S.FILLED, 10, SignalAction.PLACE),
        (5, Side.SELL, MARKET, S.FILLED, 10, SignalAction.PLACE),
        (0, Side.SELL, MARKET, S.FILLED, 10, SignalAction.PLACE),
        (10, Side.BUY, MARKET, S.FILLED, 10, SignalAction.PLACE),
    ],
)
def test_only_what_closes_the_whole_position_and_cannot_change_is_an_exit(
    net: int,
    side: Side,
    terms: OrderTerms,
    status: OrderStatus,
    filled: int,
    action: SignalAction,
) -> None:
    step = first(word(status, side=side, terms=terms, filled_quantity=filled), net)

    assert step.proposal is not None
    assert step.proposal.action is action


def test_a_part_that_was_closed_long_ago_is_said_to_be_still_held() -> None:
    late = word(S.FILLED, after_s=90, side=Side.SELL, terms=MARKET, filled_quantity=10)

    assert first(late, 20).order.problem == LATE_PART
    assert first(late, 10).order.problem == ""


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
