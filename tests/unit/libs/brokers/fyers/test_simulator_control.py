import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.paper.server.failures import LineCut
from tests.unit.libs.brokers.fyers.paper_fyers import (
    CLIENT,
    LIMIT_BUY,
    MARKET_BUY,
    OrderSocket,
    PaperFyers,
    a_paper_fyers,
)


async def tags_in_book(fyers: PaperFyers, header: str) -> list[str]:
    rows = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"]
    return [row["orderTag"] for row in rows]


async def test_lost_reply_leaves_the_order_and_a_line_in_the_journal(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.control("PUT", "knobs", {"outcome": "act_then_fail", "requests": 1})

        with pytest.raises(LineCut):
            await fyers.place(header, orderTag="lost")

        assert await tags_in_book(fyers, header) == ["1:lost"]
        entries = (await fyers.control("GET", "journal"))["entries"]
        arrival = next(it for it in entries if it.get("operation") == "place")
        assert (arrival["answered"], arrival["knob"]) == (False, "act_then_fail")
        assert arrival["order_id"] == "26112300000001"
        assert (await fyers.place(header, orderTag="next"))["s"] == "ok"


async def test_failure_before_acting_leaves_no_order(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        knob = {"outcome": "fail_before_act", "failure": "http_500", "client_id": CLIENT}
        await fyers.control("PUT", "knobs", knob)

        reply = await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)

        assert reply.status_code == 500
        assert await tags_in_book(fyers, header) == []


async def test_latency_delays_the_answer_but_not_the_act(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = OrderSocket(fyers.simulator, header)
        await socket.subscribe("orders")
        await fyers.control("PUT", "knobs", {"latency_ms": 60_000})

        waiting = asyncio.create_task(fyers.place(header))
        await socket.heard()

        assert await tags_in_book(fyers, header) == ["1:k3v9q0m2x7b1a4z"]
        assert not waiting.done()
        await socket.hang_up()
        waiting.cancel()


async def test_lagging_order_is_in_neither_book_nor_feed_until_its_time(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = OrderSocket(fyers.simulator, header)
        await socket.subscribe("orders", "trades")
        await fyers.control("PUT", "knobs", {"visibility_lag_s": 90, "requests": 1})

        await fyers.place(header, **MARKET_BUY)
        await fyers.place(header, orderTag="seen")

        assert await tags_in_book(fyers, header) == ["1:seen"]
        assert (await fyers.ask("GET", "tradebook", header=header)).json()["tradeBook"] == []
        assert (await socket.heard())["orders"]["ordertag"] == "1:seen"
        fyers.clock.go_on(seconds=90)
        assert len(await tags_in_book(fyers, header)) == 2
        await socket.hang_up()


async def test_fill_script_fills_in_parts(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.control("POST", "fills", {"steps": [{"percent": 30}]})
        await fyers.place(header, **MARKET_BUY)
        row = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"][0]

    assert (row["status"], row["filledQty"], row["remainingQuantity"]) == (6, 3, 7)


async def test_account_is_opened_with_its_funds_and_pin(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        body = {"client_id": "MS00001", "funds": "5000000.50", "pin": "7777"}
        await fyers.control("POST", "accounts", body)
        book = await fyers.control("GET", "accounts/MS00001/book")

    assert book["funds"]["available"] == "5000000.50"


async def test_book_speaks_our_words(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await fyers.place(await fyers.signed_in(), **MARKET_BUY)
        book = await fyers.control("GET", f"accounts/{CLIENT}/book")

    order = book["orders"][0]
    assert order["order_id"] == "26112300000001"
    assert (order["instrument"], order["side"], order["status"]) == ("NSE:SBIN", "BUY", "FILLED")
    assert (order["filled_quantity"], order["average_price"]) == (10, "812.50")
    assert book["positions"][0]["net"] == 10
    assert book["trades"][0]["price"] == "812.50"


async def test_prices_are_read_and_moved(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await fyers.move("820.00")
        price = await fyers.control("GET", "price?instrument=NSE:SBIN")
        prices = await fyers.control("GET", "prices")

    assert price == {"instrument": "NSE:SBIN", "price": "820.00"}
    assert prices["prices"]["NSE:SBIN"] == "820.00"


async def test_walk_is_off_until_it_is_asked_for(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        before = (await fyers.control("GET", "state"))["walking"]
        await fyers.control("POST", "walk", {"on": True})
        after = (await fyers.control("GET", "state"))["walking"]

    assert (before, after) == (False, True)


async def test_reset_starts_over_and_tells_the_cursor(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
        cursor = (await fyers.control("POST", "reset"))["last"]
        refused = await fyers.ask("GET", "orders", header=header)
        entries = (await fyers.control("GET", f"journal?after={cursor}"))["entries"]

    assert refused.status_code == 401
    assert [it["operation"] for it in entries] == ["book"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "price", {"instrument": "NSE:NOSUCH", "price": 1}, 422),
        ("PUT", "price", {"instrument": "NSE:SBIN", "price": "812.51"}, 422),
        ("GET", "price?instrument=NSE:NOSUCH", None, 404),
        ("GET", "accounts/XB99999/book", None, 404),
        ("POST", "accounts", {"client_id": "nobody"}, 422),
        ("POST", "accounts", {"client_id": CLIENT, "pin": "12"}, 422),
        ("PUT", "knobs", {"latency": 5}, 422),
        ("PUT", "limits", {"no_such": 1}, 422),
        ("POST", "fills", {"steps": []}, 422),
    ],
)
async def test_wrong_control_call_says_so(
    tmp_path: Path, method: str, path: str, body: Any, status: int
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await fyers.http.request(method, f"/_control/{path}", json=body)

    assert reply.status_code == status
    assert reply.json()["detail"]


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 403),
        ("10.0.0.7", {"X-Control-Token": "the-token"}, 200),
        ("10.0.0.7", {"X-Control-Token": "another"}, 403),
        ("127.0.0.1", {"X-Control-Token": "another"}, 403),
        ("127.0.0.1", {"Origin": "https://evil.example"}, 403),
    ],
)
async def test_control_is_for_this_machine_or_the_token(
    tmp_path: Path, address: str, headers: dict[str, str], status: int
) -> None:
    async with a_paper_fyers(tmp_path, control_token="the-token") as fyers:
        transport = httpx.ASGITransport(fyers.simulator, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
            reply = await http.get("/_control/state", headers=headers)

    assert reply.status_code == status


async def test_without_a_token_no_header_opens_the_control_routes(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        transport = httpx.ASGITransport(fyers.simulator, client=("10.0.0.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
            reply = await http.get("/_control/state", headers={"X-Control-Token": "None"})

    assert reply.status_code == 403


async def test_body_no_broker_would_read_is_refused(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await fyers.http.post("/api/v3/orders/sync", content=b" " * 70_000)

    assert reply.status_code == 413
