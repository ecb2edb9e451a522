"""What followers are told: a sentence for every reason, with the figures where there are any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.trading.reasons import (
    HOLD_SENTENCES,
    SKIP_SENTENCES,
    HoldReason,
    SkipReason,
    figures_of,
    indian,
    rupees,
    sentence,
)

A_VALUE = {
    "quantity": "12", "unit": "share", "price": "812.50", "value": "9750.00", "limit": "5000",
    "whose": "FOLLOW",
}  # fmt: skip


def test_every_reason_has_its_sentence() -> None:
    assert set(SKIP_SENTENCES) == set(SkipReason)
    assert set(HOLD_SENTENCES) == set(HoldReason)


@pytest.mark.parametrize("reason", SkipReason)
def test_a_sentence_says_each_figure_it_needs(reason: SkipReason) -> None:
    figures = {name: f"7{number}" for number, name in enumerate(sorted(figures_of(reason)))}

    told = sentence(reason, figures)

    assert told.endswith(".")
    for name, figure in figures.items():
        assert name == "whose" or figure in told


@pytest.mark.parametrize("reason", SkipReason)
def test_without_figures_the_plain_sentence_stands(reason: SkipReason) -> None:
    assert sentence(reason, {}) == SKIP_SENTENCES[reason]
    assert sentence(reason, {"odd": "1"}) == SKIP_SENTENCES[reason]


def test_the_figures_of_a_broken_limit_are_told_as_money_and_shares() -> None:
    assert sentence(SkipReason.ORDER_VALUE, A_VALUE) == (
        "12 shares \N{MULTIPLICATION SIGN} ₹812.50 = ₹9,750.00 is over your ₹5,000.00 limit"
        " per order."
    )


def test_a_limit_of_the_account_is_called_so() -> None:
    one = {**A_VALUE, "quantity": "1", "whose": "ACCOUNT"}

    assert sentence(SkipReason.ORDER_VALUE, one).startswith("1 share \N{MULTIPLICATION SIGN}")
    assert "your account's ₹5,000.00 limit" in sentence(SkipReason.ORDER_VALUE, one)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "₹0.00"),
        ("999.5", "₹999.50"),
        ("100000", "₹1,00,000.00"),
        ("12345678.9", "₹1,23,45,678.90"),
        ("-1234.5025", "-₹1,234.5025"),
        ("1E+7", "₹1,00,00,000.00"),
    ],
)
def test_rupees_are_grouped_as_in_india(amount: str, shown: str) -> None:
    assert rupees(amount) == shown


@given(st.integers())
def test_grouping_only_adds_commas(number: int) -> None:
    grouped = indian(str(number))

    assert grouped.replace(",", "") == str(number)
    assert all(2 <= len(part) <= 3 for part in grouped.lstrip("-").split(",")[1:])
