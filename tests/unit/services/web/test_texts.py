"""The browser's texts know every code of the closed lists, in both directions."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from libs.trading.reasons import (
    HOLD_SENTENCES,
    SKIP_SENTENCES,
    AttentionReason,
    HoldReason,
    SkipReason,
)
from libs.trading.states import OrderState

TEXTS = Path(__file__).parents[4] / "services/web/app/src/text"


def keys_of(file: str, constant: str) -> dict[str, str]:
    """Read the keys of one constant object, with what stands behind each."""
    source = (TEXTS / file).read_text()
    body = re.search(rf"export const {constant} = \{{(.*?)\n\}}", source, re.DOTALL)
    assert body, f"{constant} is not in {file}"
    return dict(re.findall(r"^  ([A-Z_]+): (.*?),?$", body.group(1), re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "constant", "codes"),
    [
        ("states.ts", "STATES", OrderState),
        ("reasons.ts", "SKIP_REASONS", SkipReason),
        ("reasons.ts", "HOLD_REASONS", HoldReason),
        ("reasons.ts", "ATTENTION_REASONS", AttentionReason),
    ],
)
def test_every_code_has_its_text(file: str, constant: str, codes: type[StrEnum]) -> None:
    assert set(keys_of(file, constant)) == {code.value for code in codes}


@pytest.mark.parametrize(
    ("constant", "sentences"),
    [("SKIP_REASONS", SKIP_SENTENCES), ("HOLD_REASONS", HOLD_SENTENCES)],
)
def test_the_browser_says_what_the_ledger_says(
    constant: str, sentences: dict[StrEnum, str]
) -> None:
    shown = keys_of("reasons.ts", constant)

    assert {code: words.strip('"') for code, words in shown.items()} == {
        reason.value: sentence for reason, sentence in sentences.items()
    }
