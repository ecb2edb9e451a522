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
    ("reason", "figures", "told"),
    [
        (
            SkipReason.EXPIRED,
            {"age_s": "42", "lives_s": "30"},
            "The signal was 42 s old when your order's turn came, and good for 30 s.",
        ),
        (
            SkipReason.CLOSED_ELSEWHERE,
            {"opened": "10", "unit": "share", "closing": "4"},
            "Nothing was left to close of the 10 shares that this strategy had opened, with 4 being"
            " closed already.",
        ),
        (
            SkipReason.UNKNOWN_INSTRUMENT,
            {"broker": "Somewhere", "instrument": "NSE:NOPE"},
            "Somewhere does not list NSE:NOPE, or not clearly.",
        ),
        (
            SkipReason.CLOSED,
            {"opens": "24 November, 09:15"},
            "The market was closed until 24 November, 09:15 in India, and the signal ran out"
            " before.",
        ),
        (
            SkipReason.RATE_DAY_BLOCK,
            {"refusals": "2"},
            "Your broker refused too many requests 2 times today. Only exits are sent.",
        ),
        (
            SkipReason.OVERLOAD,
            {"waiting": "21000", "limit": "20000"},
            "With 21,000 orders waiting, more than 20,000, entries were left out, so that exits"
            " go.",
        ),
        (
            SkipReason.LOSS_UNKNOWN,
            {"limit": "2000", "whose": "ACCOUNT"},
            "Today's loss was not known, so your account's limit of ₹2,000.00 was not checked.",
        ),
    ],
)
def test_what_kept_an_order_here_is_told_in_figures(
    reason: SkipReason, figures: dict[str, str], told: str
) -> None:
    assert sentence(reason, figures) == told


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
