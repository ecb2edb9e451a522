import asyncio
import json
from pathlib import Path

from tests.unit.libs.brokers.fyers.paper_fyers import (
    CLIENT,
    LIMIT_BUY,
    MARKET_BUY,
    OrderSocket,
    PaperFyers,
    a_paper_fyers,
)


async def a_socket(fyers: PaperFyers, header: str, *kinds: str) -> OrderSocket:
    socket = OrderSocket(fyers.simulator, header)
    await socket.subscribe(*kinds)
    return socket


async def test_order_goes_from_new_ack_over_pending_to_filled(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders", "trades", "positions")
        await fyers.place(header, **MARKET_BUY)

        new, pending, trade, filled, position = [await socket.heard() for _ in range(5)]
        await socket.hang_up()

    assert (new["orders"]["ord_status"], new["orders"]["org_ord_status"]) == (20, 4)
    assert pending["orders"]["org_ord_status"] == 6
    assert (filled["orders"]["ord_status"], filled["orders"]["org_ord_status"]) == (90, 2)
    assert filled["orders"]["price_traded"] == 812.5
    assert trade == {
        "trades": {
            "client_id": CLIENT,
            "exchange": 10,
            "fill_time": "23-11-2026 12:00:00",
            "fy_token": "10100000003045",
            "id": "26112300000001",
            "id_exchange": "1100000000000001",
            "id_fill": "26112300000001-1",
            "ord_type": 2,
            "ordertag": "1:k3v9q0m2x7b1a4z",
            "price_traded": 812.5,
            "product_type": "INTRADAY",
            "qty_traded": 10,
            "segment": 10,
            "symbol": "NSE:SBIN-EQ",
            "traded_val": 8125.0,
            "tran_side": 1,
        },
        "s": "ok",
    }
    assert position["positions"]["net_qty"] == 10


async def test_fields_that_are_zero_or_empty_are_absent(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders")
        await fyers.place(header)
        order = (await socket.heard())["orders"]
        await socket.hang_up()

    assert not {"qty_filled", "price_stop", "price_traded", "id_exchange"} & set(order)
    assert order["instrument"] == 0
    assert order["offline_flag"] is False
    assert order["time_oms"] == "23-Nov-2026 12:00:00"
    assert order["time_epoch_oms"] == 1795415400


async def test_rejection_cancel_and_expiry_are_told(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders")

        async def status() -> int:
            return int((await socket.heard())["orders"]["org_ord_status"])

        await fyers.place(header, qty=10_000)
        assert await status() == 5
        order_id = (await fyers.place(header))["id"]
        await fyers.ask("DELETE", "orders/sync", {"id": order_id}, header)
        assert [await status() for _ in range(3)] == [4, 6, 1]
        await fyers.place(header)
        fyers.simulator.desk.exchange.close_day(fyers.clock())
        await fyers.simulator.desk.journal.durable()
        assert [await status() for _ in range(3)] == [4, 6, 7]
        await socket.hang_up()


async def test_ping_is_answered_with_text(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = OrderSocket(fyers.simulator, await fyers.signed_in())
        await socket.frame()

        socket.say("ping")

        assert await socket.heard() == "pong"
        await socket.hang_up()


async def test_only_subscribed_kinds_come_and_nested_lists_are_understood(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders", "trades", "positions")
        gone = {"T": "SUB_ORD", "SLIST": ["orders", ["positions", "login"]], "SUB_T": -1}
        socket.say(json.dumps(gone))
        assert (await socket.heard())["code"] == 1605

        await fyers.place(header, **MARKET_BUY)

        assert "trades" in await socket.heard()
        assert socket.is_silent()
        await socket.hang_up()


async def test_nonsense_is_ignored(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = OrderSocket(fyers.simulator, await fyers.signed_in())
        await socket.frame()

        for text in (
            "{",
            "[" * 900 + "]" * 900,
            "[]",
            "null",
            '{"T":"SUB_ORD","SUB_T":[]}',
            '{"T":"X"}',
        ):
            socket.say(text)
        socket.say("ping")

        assert await socket.heard() == "pong"
        await socket.hang_up()


async def test_client_hears_of_its_own_orders_only(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = await a_socket(fyers, await fyers.signed_in(), "orders")

        await fyers.place(await fyers.signed_in("XB00002"))

        assert socket.is_silent()
        await socket.hang_up()


async def test_bad_token_is_refused_before_the_handshake(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = OrderSocket(fyers.simulator, "nobody:nothing")

        # A close instead of an accept is what the server turns into HTTP 403.
        assert (await socket.frame())["type"] == "websocket.close"


async def test_other_paths_are_not_found(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = OrderSocket(fyers.simulator, await fyers.signed_in(), path="/trade/v4")

        assert (await socket.frame())["status"] == 404


async def test_ended_session_ends_its_socket(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        socket = await a_socket(fyers, await fyers.signed_in(), "orders")

        await fyers.control("POST", "sessions/expire", {"client_id": CLIENT})

        assert (await socket.frame())["type"] == "websocket.close"


async def test_message_leaves_only_after_its_line_is_on_disk(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders")
        placing = asyncio.create_task(fyers.ask("POST", "orders/sync", LIMIT_BUY, header))

        await socket.heard()

        assert '"kind":"order"' in (tmp_path / "journal.jsonl").read_text()
        await placing
        await socket.hang_up()
