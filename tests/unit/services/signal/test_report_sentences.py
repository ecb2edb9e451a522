"""What is said of an order: all of it to its follower, nothing private to the master."""

import pytest

from libs.trading.reasons import HoldReason, SkipReason
from libs.trading.states import OrderState
from services.signal.report_sentences import general_sentence, own_sentence

FIGURES = "9 shares of ₹100, ₹900 in all, is over your ₹500 limit per order."


@pytest.mark.parametrize("state", list(OrderState))
def test_every_state_has_a_sentence(state: OrderState) -> None:
    assert general_sentence(state.value, None).endswith(".")


@pytest.mark.parametrize("reason", list(SkipReason))
def test_every_skip_has_its_own_sentence(reason: SkipReason) -> None:
    assert general_sentence("SKIPPED", reason.value) != general_sentence("SKIPPED", None)


@pytest.mark.parametrize("reason", list(HoldReason))
def test_every_hold_has_its_own_sentence(reason: HoldReason) -> None:
    assert general_sentence("HELD", reason.value) != general_sentence("HELD", None)


def test_a_reason_that_is_not_known_yet_is_no_error() -> None:
    assert general_sentence("SKIPPED", "SOMETHING_NEW") == "No order was sent."


def test_a_follower_hears_the_figures_and_the_brokers_own_words() -> None:
    assert own_sentence("SKIPPED", "ORDER_VALUE", FIGURES) == FIGURES
    assert own_sentence("REJECTED", None, "RMS: margin exceeds, 5000 short") == (
        "The broker refused the order: RMS: margin exceeds, 5000 short"
    )
    assert own_sentence("SKIPPED", "PAUSED", "") == general_sentence("SKIPPED", "PAUSED")
