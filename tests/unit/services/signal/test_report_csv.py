"""A report in a spreadsheet: nothing runs, nothing is mangled, every page comes."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi import Request
from pydantic import BaseModel

from services.signal.report_csv import PAGE, asked_for_csv, cell, csv_answer, written
from tests.factories import NOON


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("x")']
)
def test_a_text_is_never_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (Decimal("-3.20"), "-3.20"),
        (Decimal("1e3"), "1000"),
        (-7, "-7"),
        (NOON, "2026-11-23T06:30:00.000000Z"),
        ("₹812.50 für dich", "₹812.50 für dich"),
        ({"limit": "5000", "=cmd": "1"}, "'=cmd=1; limit=5000"),
        ({}, ""),
    ],
)
def test_figures_and_instants_are_written_plainly(value: object, text: str) -> None:
    assert cell(value) == text


def test_a_text_with_commas_quotes_and_lines_stays_one_cell() -> None:
    words = 'He said "no", twice,\r\nand left'

    assert list(csv.reader(io.StringIO(written([[words, "b"]]).decode(), newline=""))) == [
        [words, "b"]
    ]


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True),
        ("Text/CSV;q=0.9, application/json;q=0.5", True),
        ("application/json, text/csv", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_csv_is_sent_to_who_prefers_it(accept: str, is_csv: bool) -> None:
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})

    assert asked_for_csv(request) is is_csv


class Line(BaseModel):
    number: int
    at: datetime = NOON


async def test_all_pages_come_under_one_header() -> None:
    asked: list[int | None] = []

    async def next_page(last: Line | None) -> Sequence[Line]:
        asked.append(last.number if last else None)
        start = last.number + 1 if last else 0
        return [Line(number=at) for at in range(start, min(start + PAGE, PAGE + 3))]

    answer = await csv_answer(Line, next_page, name="lines")

    chunks: list[Any] = [chunk async for chunk in answer.body_iterator]
    rows = list(csv.reader(io.StringIO(b"".join(chunks).decode(), newline="")))
    assert rows[0] == ["number", "at"]
    assert [int(row[0]) for row in rows[1:]] == list(range(PAGE + 3))
    assert asked == [None, PAGE - 1]
