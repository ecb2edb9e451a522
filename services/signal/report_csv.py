"""A report as CSV: streamed page by page, instants in ISO 8601, safe to open in a spreadsheet."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

MEDIA_TYPE = "text/csv"
PAGE = 200
# So few lines are written at once that nobody else has to wait for them.
_BITE = 50
# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001

Row = TypeVar("Row", bound=BaseModel)
# Reads the page after the last row of the one before; None asks for the first.
NextPage = Callable[[Row | None], Awaitable[Sequence[Row]]]


def asked_for_csv(request: Request) -> bool:
    """Whether the caller prefers CSV to JSON. Of several kinds the first one named counts."""
    for part in request.headers.get("accept", "").split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in {MEDIA_TYPE, "application/json", "*/*"}:
            return kind == MEDIA_TYPE
    return False


async def csv_answer(
    row_type: type[Row], next_page: NextPage[Row], *, name: str
) -> StreamingResponse:
    """Stream all pages. The first is read before anything is said, so that errors stay answers."""
    first = await next_page(None)
    return StreamingResponse(
        _chunks(list(row_type.model_fields), first, next_page),
        media_type=f"{MEDIA_TYPE}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


async def _chunks(
    columns: list[str], first: Sequence[Row], next_page: NextPage[Row]
) -> AsyncIterator[bytes]:
    yield written([columns])
    page = first
    while page:
        for at in range(0, len(page), _BITE):
            lines = page[at : at + _BITE]
            yield written([[getattr(row, name) for name in columns] for row in lines])
            await asyncio.sleep(0)
        page = await next_page(page[-1]) if len(page) == PAGE else ()


def written(rows: Iterable[Sequence[object]]) -> bytes:
    """Write rows as RFC 4180 has it, in UTF-8."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [cell(value) for value in row] for row in rows
    )
    return text.getvalue().encode()


def cell(value: object) -> str:
    """Write one value; only texts can hold a formula, figures are ours."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="microseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        value = "; ".join(f"{name}={figure}" for name, figure in sorted(value.items()))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)
