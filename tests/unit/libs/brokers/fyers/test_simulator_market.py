"""The simulator's data API as FYERS's own clients speak to it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.libs.brokers.fyers.paper_fyers import PaperFyers, a_paper_fyers


@pytest.fixture
async def paper(tmp_path: Path) -> AsyncIterator[PaperFyers]:
    async with a_paper_fyers(tmp_path) as paper:
        yield paper


async def data(
    paper: PaperFyers, path: str, header: str, body: Any = None, method: str = "GET"
) -> httpx.Response:
    return await paper.http.request(
        method, f"/data/{path}", json=body, headers={"Authorization": header}
    )


@pytest.mark.parametrize(
    "query", ["symbols=NSE:SBIN-EQ,NSE:M%26M-EQ", "symbols=NSE%3ASBIN-EQ%2CNSE%3AM%26M-EQ"]
)
async def test_both_encodings_mean_the_same_symbols(paper: PaperFyers, query: str) -> None:
    answer = (await data(paper, f"quotes?{query}", await paper.signed_in())).json()

    assert (answer["s"], answer["code"]) == ("ok", 200)
    assert [(item["n"], item["s"]) for item in answer["d"]] == [
        ("NSE:SBIN-EQ", "ok"),
        ("NSE:M&M-EQ", "ok"),
    ]
    assert answer["d"][0]["v"] == {
        "ch": 0.0,
        "chp": 0.0,
        "lp": 812.5,
        "spread": 0.1,
        "ask": 812.55,
        "bid": 812.45,
        "open_price": 812.5,
        "high_price": 812.5,
        "low_price": 812.5,
        "prev_close_price": 812.5,
        "atp": 812.5,
        "volume": 0,
        "short_name": "SBIN-EQ",
        "exchange": "NSE",
        "description": "STATE BANK OF INDIA",
        "original_name": "NSE:SBIN-EQ",
        "symbol": "NSE:SBIN-EQ",
        "fyToken": "10100000003045",
        "tt": str(int(paper.clock.at.timestamp())),
    }


async def test_posted_quotes_read_the_same(paper: PaperFyers) -> None:
    header = await paper.signed_in()

    posted = await data(paper, "quotes", header, {"symbols": ["NSE:SBIN-EQ"]}, "POST")

    assert posted.json() == (await data(paper, "quotes?symbols=NSE:SBIN-EQ", header)).json()


async def test_bad_symbol_is_an_item_of_its_own(paper: PaperFyers) -> None:
    answer = (
        await data(paper, "quotes?symbols=NSE:NO-EQ,NSE:TCS-EQ", await paper.signed_in())
    ).json()

    assert [(item["n"], item["s"]) for item in answer["d"]] == [
        ("NSE:NO-EQ", "error"),
        ("NSE:TCS-EQ", "ok"),
    ]


async def test_depth_shows_five_levels_and_the_price_band(paper: PaperFyers) -> None:
    header = await paper.signed_in()
    await paper.move("820.00")

    answer = (await data(paper, "depth?symbol=NSE%3ASBIN-EQ&ohlcv_flag=1", header)).json()

    book = answer["d"]["NSE:SBIN-EQ"]
    assert [level["price"] for level in book["bids"]] == [819.95, 819.9, 819.85, 819.8, 819.75]
    assert [level["price"] for level in book["ask"]] == [820.05, 820.1, 820.15, 820.2, 820.25]
    assert (book["ltp"], book["c"], book["ch"]) == (820.0, 812.5, 7.5)
    assert (book["lower_ckt"], book["upper_ckt"]) == (650.0, 975.0)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "quotes", None, -50),
        ("GET", f"quotes?symbols={','.join(['NSE:SBIN-EQ'] * 51)}", None, -50),
        ("POST", "quotes", {"symbols": "NSE:SBIN-EQ"}, -50),
        ("POST", "quotes", None, -50),
        ("GET", "depth", None, -300),
        ("GET", "depth?symbol=NSE:NO-EQ", None, -300),
        ("GET", "depth?symbol=NSE:SBIN-EQ&symbol=NSE:TCS-EQ", None, -300),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    paper: PaperFyers, method: str, path: str, body: Any, code: int
) -> None:
    reply = await data(paper, path, await paper.signed_in(), body, method)

    assert (reply.status_code, reply.json()["s"], reply.json()["code"]) == (400, "error", code)


async def test_strange_token_has_the_data_apis_own_code(paper: PaperFyers) -> None:
    reply = await data(paper, "quotes?symbols=NSE:SBIN-EQ", "nobody")

    assert (reply.status_code, reply.json()["code"]) == (401, -15)


async def test_ended_token_reads_as_everywhere(paper: PaperFyers) -> None:
    header = await paper.signed_in()
    paper.clock.go_on(days=2)

    reply = await data(paper, "depth?symbol=NSE:SBIN-EQ", header)

    assert (reply.status_code, reply.json()["code"]) == (401, -8)
