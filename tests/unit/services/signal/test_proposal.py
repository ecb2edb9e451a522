"""Which fields each action takes, and what a change may change."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from libs.runtime.problems import Problem
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.signals import CopyMode, Signal, SignalAction
from services.signal.proposal import Proposal, check, check_mode, check_parent, signal_of
from tests.factories import NOON, a_signal, some_terms

PARENT_ID = "0193a000-0000-7000-8000-000000000001"


def a_place(**changes: Any) -> Proposal:
    place = Proposal(
        strategy_id="strategy-1",
        action=SignalAction.PLACE,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=some_terms(),
    )
    return replace(place, **changes)


def a_modify(**changes: Any) -> Proposal:
    modify = Proposal(
        strategy_id="strategy-1",
        action=SignalAction.MODIFY,
        parent_signal_id=PARENT_ID,
        terms=some_terms(quantity=20),
    )
    return replace(modify, **changes)


def a_cancel(**changes: Any) -> Proposal:
    cancel = Proposal(
        strategy_id="strategy-1", action=SignalAction.CANCEL, parent_signal_id=PARENT_ID
    )
    return replace(cancel, **changes)


def accepted(proposal: Proposal, parent: Signal | None = None) -> Signal:
    return signal_of(proposal, signal_id="s", master_id="m", seq=7, accepted_at=NOON, parent=parent)


@pytest.mark.parametrize(
    "proposal",
    [
        a_place(),
        a_place(validity=Validity.IOC, expires_in_s=120),
        a_place(action=SignalAction.EXIT),
        a_place(master_price=Decimal("812.45")),
        a_modify(),
        a_modify(instrument="NSE:SBIN", expires_in_s=10),
        a_cancel(),
        a_cancel(instrument="NSE:SBIN"),
    ],
)
def test_whole_proposals_pass(proposal: Proposal) -> None:
    check(proposal)


@pytest.mark.parametrize(
    ("proposal", "field", "words"),
    [
        (a_place(instrument=None), "instrument", "as NSE:SBIN"),
        (a_place(side=None), "side", "BUY or SELL"),
        (a_place(product=None), "product", "INTRADAY"),
        (a_place(terms=None), "terms", "order_type"),
        (a_place(parent_signal_id=PARENT_ID), "parent_signal_id", "leave it out"),
        (a_place(action=SignalAction.EXIT, side=None), "side", "BUY or SELL"),
        (a_place(action=SignalAction.EXIT, expires_in_s=9), "expires_in_s", "leave it out"),
        (a_place(expires_in_s=121), "expires_in_s", "1 to 120"),
        (a_modify(parent_signal_id=None), "parent_signal_id", "signal_id of the PLACE"),
        (a_modify(terms=None), "terms", "order_type"),
        (a_modify(side=Side.SELL), "side", "leave it out"),
        (a_modify(product=Product.MTF), "product", "leave it out"),
        (a_modify(validity=Validity.IOC), "validity", "leave it out"),
        (a_cancel(parent_signal_id=None), "parent_signal_id", "signal_id of the PLACE"),
        (a_cancel(terms=some_terms()), "terms", "leave it out"),
        (a_place(terms=some_terms(limit_price=None)), "terms.limit_price", "needs one above 0"),
        (a_place(held_quantity=10), "held_quantity", "leave it out"),
        (a_place(action=SignalAction.EXIT, held_quantity=9), "held_quantity", "at least the 10"),
        (a_place(action=SignalAction.EXIT, filled_after=9), "filled_after", "leave it out"),
        (a_place(filled_before=0), "filled_after", "what is filled now"),
        (a_place(filled_before=5, filled_after=5), "filled_after", "above filled_before, 5"),
        (a_place(filled_after=11), "filled_after", "at most the order's 10"),
        (
            a_place(terms=some_terms(trigger_price=Decimal(1))),
            "terms.trigger_price",
            "leave it out",
        ),
        (
            a_place(terms=OrderTerms(order_type=OrderType.STOP, quantity=1)),
            "terms.trigger_price",
            "needs one above 0",
        ),
    ],
)
def test_a_refusal_names_the_field_and_the_fix(proposal: Proposal, field: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        check(proposal)

    assert (caught.value.status, caught.value.code) == (422, "INVALID")
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("parent", "proposal", "status", "code"),
    [
        (None, a_modify(), 404, "PARENT_UNKNOWN"),
        (a_signal(action=SignalAction.CANCEL), a_cancel(), 409, "PARENT_NOT_AN_ORDER"),
        (a_signal(action=SignalAction.MODIFY), a_cancel(), 409, "PARENT_NOT_AN_ORDER"),
        (a_signal(action=SignalAction.EXIT), a_modify(), 422, "INVALID"),
        (a_signal(strategy_id="another"), a_modify(), 409, "PARENT_OF_ANOTHER_STRATEGY"),
        (a_signal(), a_modify(instrument="NSE:TCS"), 422, "INVALID"),
    ],
)
def test_only_an_own_order_of_the_same_strategy_and_instrument_is_changed(
    parent: Signal | None, proposal: Proposal, status: int, code: str
) -> None:
    with pytest.raises(Problem) as caught:
        check_parent(proposal, parent)

    assert (caught.value.status, caught.value.code) == (status, code)


def test_an_exit_is_changed_in_all_but_its_quantity_and_cancelled() -> None:
    leave = a_signal(action=SignalAction.EXIT)
    dearer = some_terms(limit_price=Decimal(820))

    check_parent(a_cancel(), leave)
    check_parent(a_modify(terms=dearer), leave)

    assert accepted(a_modify(terms=dearer), leave).terms == dearer


@pytest.mark.parametrize(
    ("mode", "proposal", "field"),
    [
        (CopyMode.FILLS, a_place(), "filled_after"),
        (CopyMode.FILLS, a_modify(), "action"),
        (CopyMode.ORDERS, a_place(filled_before=0, filled_after=5), "filled_after"),
    ],
)
def test_what_does_not_suit_the_copy_mode_is_refused(
    mode: CopyMode, proposal: Proposal, field: str
) -> None:
    with pytest.raises(Problem) as caught:
        check_mode(proposal, mode)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("mode", "proposal"),
    [
        (CopyMode.FILLS, a_place(filled_before=0, filled_after=5)),
        (CopyMode.FILLS, a_place(action=SignalAction.EXIT)),
        (CopyMode.FILLS, a_cancel()),
        (CopyMode.ORDERS, a_place()),
        (CopyMode.ORDERS, a_modify()),
    ],
)
def test_what_suits_the_copy_mode_passes(mode: CopyMode, proposal: Proposal) -> None:
    check_mode(proposal, mode)


def test_an_entry_has_no_parent_to_check() -> None:
    check_parent(a_place(), None)


def test_a_place_becomes_the_signal_it_asks_for() -> None:
    signal = accepted(a_place())

    assert (signal.seq, signal.master_id, signal.validity) == (7, "m", Validity.DAY)
    assert signal.terms == some_terms()
    assert signal.stamps.accepted_at == NOON


def test_a_change_repeats_instrument_and_validity_of_its_place() -> None:
    parent = a_signal(instrument="NSE:TCS", validity=Validity.IOC)

    signal = accepted(a_modify(), parent)

    assert (signal.instrument, signal.validity) == ("NSE:TCS", Validity.IOC)
    assert signal.parent_signal_id == PARENT_ID
    assert signal.terms == some_terms(quantity=20)
    assert (signal.side, signal.product) == (None, None)


@pytest.mark.parametrize(
    ("proposal", "field"),
    [
        (a_cancel(master_price=Decimal(812)), "master_price"),
        (a_place(master_price=Decimal(0)), "master_price"),
    ],
)
def test_a_masters_price_belongs_to_what_is_traded_and_is_one(
    proposal: Proposal, field: str
) -> None:
    with pytest.raises(Problem) as refused:
        check(proposal)

    assert refused.value.field == field


def test_a_signal_carries_what_the_master_traded_at_and_with() -> None:
    signal = signal_of(
        a_place(master_price=Decimal("812.45")),
        signal_id="s",
        master_id="m",
        seq=7,
        accepted_at=NOON,
        parent=None,
        master_equity=Decimal(1_000_000),
    )

    assert (signal.master_price, signal.master_equity) == (Decimal("812.45"), Decimal(1_000_000))
