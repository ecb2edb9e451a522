"""docs/copy-rules.md says what the code does: its examples are run, its lists compared."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.local.demo.script import REACHED
from libs.contracts.limits_json import limits_of
from libs.contracts.rules_json import check_sizing
from libs.trading.calendar import instant_in_india
from libs.trading.entries import QUOTE_AGE_S_MAX, Entry, Standing, entry_of
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.instruments import Instrument
from libs.trading.limits import NO_LIMITS, Limits, Rule
from libs.trading.orders import OrderExtra, OrderType, Product, Side
from libs.trading.quotes import Quote
from libs.trading.reasons import SKIP_SENTENCES, Refusal, SkipReason, figures_of, sentence
from libs.trading.risk import decide
from libs.trading.sizing import SLICES_MAX
from services.signal.bodies import FollowBody
from tests.factories import NOON, a_signal, some_terms

PAGE = Path(__file__).parents[4] / "docs" / "copy-rules.md"
SAME = Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(1))


def tables() -> Iterator[tuple[list[str], list[list[str]]]]:
    """Read every table of the page: its head and its rows."""
    for block in re.findall(r"(?:^\|.*\|\n)+", PAGE.read_text(), re.MULTILINE):
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
        yield rows[0], rows[2:]


def rows_under(*head: str) -> list[list[str]]:
    return [row for titles, rows in tables() if titles[: len(head)] == list(head) for row in rows]


EXAMPLES = [*rows_under("sizing"), *rows_under("limits")]


def json_in(cell: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cell.strip("`"))
    return found


def entry_with(told: dict[str, Any]) -> Entry:
    at = instant_in_india(NOON.date(), time(12))
    market = told.get("order_type") == OrderType.MARKET
    terms = some_terms(quantity=12)
    if market:
        terms = some_terms(quantity=12, order_type=OrderType.MARKET, limit_price=None)
    return entry_of(
        a_signal(
            side=Side(told.get("side", "BUY")),
            terms=terms,
            master_price=money(told.get("master_price")),
            master_equity=money(told.get("master_equity")),
            extras=frozenset({OrderExtra.AFTER_MARKET} if told.get("after_market") else ()),
        ),
        Instrument(
            name=told.get("instrument", "NSE:SBIN"),
            lot_size=told.get("lot", 1),
            freeze_quantity=told.get("freeze"),
        ),
        at=at,
        quote=quote_of(told.get("last"), at),
    )


def quote_of(last: str | None, at: datetime) -> Quote | None:
    return Quote(instrument="NSE:SBIN", last=Decimal(last), at=at) if last else None


def standing_with(told: dict[str, Any]) -> Standing:
    held = told.get("held")
    return Standing(
        funds=money(told.get("funds")),
        equity=money(told.get("equity")),
        positions=None if held is None else {("NSE:SBIN", Product.INTRADAY): held},
        open_positions=told.get("open_positions"),
        orders_today=told.get("orders_today"),
        loss_today=money(told.get("loss_today")),
    )


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def decided(given: dict[str, Any], told: dict[str, Any]) -> tuple[int, ...] | Refusal:
    """Decide an example; it gives a sizing or limits."""
    entry, standing = entry_with(told), standing_with(told)
    if "mode" not in given:
        return decide(entry, SAME, limits_of(given), account=standing, follow=standing)
    sizing = Sizing(
        mode=SizingMode(given["mode"]),
        value=Decimal(given["value"]),
        when_small=WhenSmall(given.get("when_small", "SKIP")),
    )
    check_sizing(sizing)
    return decide(entry, sizing, NO_LIMITS, account=standing)


@pytest.mark.parametrize(("given", "told", "answer"), EXAMPLES)
def test_the_examples_are_true(given: str, told: str, answer: str) -> None:
    outcome = decided(json_in(given), json_in(told))

    if isinstance(outcome, Refusal):
        assert sentence(*outcome) == answer
    else:
        assert " + ".join(str(piece) for piece in outcome) == answer


def test_every_mode_has_its_row_and_an_example() -> None:
    described = [row[0].strip("`") for row in rows_under("mode")]
    shown = {json_in(row[0])["mode"] for row in rows_under("sizing")}

    assert described == [mode.value for mode in SizingMode]
    assert shown == set(SizingMode)


def test_every_rule_stands_in_its_place_with_its_fields_and_an_example() -> None:
    described = [(row[1], re.findall(r"`(\w+)`", row[2])) for row in rows_under("asked")]
    opted = [row[0].strip("`") for row in rows_under("field")]
    shown = {rule for row in rows_under("limits") for rule in limits_of(json_in(row[0])).rules}

    assert [rule for rule, _ in described] == [rule.value for rule in Rule]
    named = [name for _, names in described for name in names] + opted
    assert sorted(named) == sorted(field.name for field in fields(Limits) if field.init)
    assert shown == set(Rule)


def test_every_reason_of_sizes_and_limits_that_the_page_names_has_its_example() -> None:
    named = set()
    for head, rows in tables():
        if head[0] in {"mode", "asked", "field"}:
            named |= {word for row in rows for word in re.findall(r"\b[A-Z_]{4,}\b", row[-1])}
            named |= {word for row in rows for word in re.findall(r"\b[A-Z_]{4,}\b", row[-2])}
    outcomes = [decided(json_in(given), json_in(told)) for given, told, _ in EXAMPLES]
    reached = {outcome.reason for outcome in outcomes if isinstance(outcome, Refusal)}

    assert named & set(SkipReason) <= reached


def test_the_list_of_reasons_is_the_codes() -> None:
    assert [(row[0], row[1]) for row in rows_under("reason")] == [
        (reason.value, words) for reason, words in SKIP_SENTENCES.items()
    ]


def test_the_figures_named_beside_a_reason_are_those_of_its_sentence() -> None:
    assert {row[0]: set(re.findall(r"`(\w+)`", row[2])) for row in rows_under("reason")} == {
        reason.value: figures_of(reason) for reason in SkipReason
    }


def test_the_marked_reasons_are_those_that_the_demo_reaches() -> None:
    marked = {row[0] for row in rows_under("reason") if row[3] == "yes"}

    assert marked == {reason.value for reason in REACHED}


def test_the_request_is_taken() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)

    body = FollowBody.model_validate_json(block)

    assert body.limits.limits().rules
    check_sizing(body.sizing.sizing())


def test_the_bounds_the_page_names_are_the_codes() -> None:
    page = PAGE.read_text()

    assert f"at most {SLICES_MAX} (TOO_MANY_SLICES)" in page
    assert f"not older than {QUOTE_AGE_S_MAX:g} s" in page
