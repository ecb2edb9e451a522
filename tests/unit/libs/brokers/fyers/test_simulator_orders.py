import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.unit.libs.brokers.fyers.paper_fyers import (
    CLIENT,
    LIMIT_BUY,
    MARKET_BUY,
    Clock,
    a_paper_fyers,
)


async def test_placed_order_is_answered_and_stands_in_the_book(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        reply = await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)
        book = (await fyers.ask("GET", "orders", header=header)).json()

    assert reply.status_code == 200
    assert reply.json() == {
        "s": "ok",
        "code": 1101,
        "message": "Order submitted successfully. Your Order Ref. No.26112300000001",
        "id": "26112300000001",
    }
    row = book["orderBook"][0]
    assert uuid.UUID(row.pop("id_fyers"))
    assert row == {
        "clientId": CLIENT,
        "id": "26112300000001",
        "exchOrdId": "1100000000000001",
        "qty": 10,
        "remainingQuantity": 10,
        "filledQty": 0,
        "discloseQty": 0,
        "disclosedQty": 0,
        "dqQtyRem": 0,
        "limitPrice": 800.0,
        "stopPrice": 0.0,
        "tradedPrice": 0.0,
        "type": 1,
        "fyToken": "10100000003045",
        "exchange": 10,
        "segment": 10,
        "symbol": "NSE:SBIN-EQ",
        "instrument": 0,
        "message": "",
        "offlineOrder": False,
        "orderDateTime": "23-Nov-2026 12:00:00",
        "orderValidity": "DAY",
        "pan": "",
        "productType": "INTRADAY",
        "side": 1,
        "status": 6,
        "source": "ITS",
        "ex_sym": "SBIN",
        "description": "STATE BANK OF INDIA",
        "ch": 0.0,
        "chp": 0.0,
        "lp": 812.5,
        "slNo": 1,
        "orderNumStatus": "26112300000001:6",
        "orderTag": "1:k3v9q0m2x7b1a4z",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NSE:NOSUCH-EQ"}, -300),
        ({"symbol": None}, -300),
        ({"qty": 0}, -50),
        ({"qty": 1.5}, -50),
        ({"qty": True}, -50),
        ({"qty": "10"}, -50),
        ({"type": 5}, -50),
        ({"type": True}, -50),
        ({"side": 0}, -50),
        ({"productType": "CO"}, -50),
        ({"productType": "MARGIN"}, -50),
        ({"validity": "GTC"}, -50),
        ({"limitPrice": 0}, -50),
        ({"limitPrice": -1}, -50),
        ({"limitPrice": "800"}, -50),
        ({"limitPrice": 800.03}, -50),
        ({"stopPrice": 790}, -50),
        ({"type": 2}, -50),
        ({"type": 3, "limitPrice": 0}, -50),
        ({"disclosedQty": -1}, -50),
        ({"offlineOrder": "no"}, -50),
        ({"orderTag": "has space"}, -50),
        ({"orderTag": "x" * 31}, -50),
        ({"orderTag": "Untagged"}, -50),
        ({"orderTag": CLIENT}, -50),
        ({"takeProfit": 5}, -50),
        ({"isSliceOrder": True}, -50),
        ({"symbol": "NSE:NIFTY26DECFUT", "productType": "MARGIN", "qty": 64}, -50),
    ],
)
async def test_invalid_order_is_refused_with_its_code_and_leaves_no_row(
    tmp_path: Path, changes: dict[str, Any], code: int
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        reply = await fyers.ask("POST", "orders/sync", LIMIT_BUY | changes, header)
        book = (await fyers.ask("GET", "orders", header=header)).json()

    assert reply.status_code == 400
    assert (reply.json()["s"], reply.json()["code"]) == ("error", code)
    assert "id" not in reply.json()
    assert book["orderBook"] == []


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{broken", b"\xff\xfe"])
async def test_body_that_is_no_object_is_refused(tmp_path: Path, body: bytes) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        headers = {"Authorization": await fyers.signed_in()}
        reply = await fyers.http.post("/api/v3/orders/sync", content=body, headers=headers)

    assert (reply.status_code, reply.json()["code"]) == (400, -50)


async def test_order_beyond_the_funds_is_rejected_and_has_a_row(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        reply = await fyers.ask("POST", "orders/sync", LIMIT_BUY | {"qty": 10_000}, header)
        row = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"][0]

    assert reply.status_code == 400
    assert reply.json()["code"] == -99
    assert "margin shortfall" in reply.json()["message"]
    assert (row["id"], row["status"]) == (reply.json()["id"], 5)
    assert "margin shortfall" in row["message"]


async def test_order_is_found_by_tag_and_by_ids(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        first = await fyers.place(header, orderTag="tag1")
        second = await fyers.place(header, orderTag="tag2")
        await fyers.place(header, orderTag="")

        async def ids(**query: str) -> list[str]:
            reply = await fyers.ask("GET", "orders", header=header, **query)
            return [row["id"] for row in reply.json()["orderBook"]]

        assert await ids(order_tag="1:tag1") == [first["id"]]
        assert await ids(order_tag="tag1") == []
        assert await ids(id=f"{first['id']},{second['id']}") == [first["id"], second["id"]]
        assert len(await ids(order_tag="2:Untagged")) == 1
        literal = await fyers.http.get(
            "/api/v3/orders?order_tag=1:tag2", headers={"Authorization": header}
        )
        assert [row["id"] for row in literal.json()["orderBook"]] == [second["id"]]


async def test_modification_sets_what_is_given_and_keeps_the_rest(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        order_id = (await fyers.place(header))["id"]
        body = {"id": order_id, "type": 1, "qty": 20}
        reply = await fyers.ask("PATCH", "orders/sync", body, header)
        row = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"][0]

    assert reply.json()["code"] == 1102
    assert (row["qty"], row["limitPrice"]) == (20, 800.0)


async def test_modification_may_change_the_type(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        order_id = (await fyers.place(header))["id"]
        await fyers.ask("PATCH", "orders/sync", {"id": order_id, "type": 2}, header)
        row = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"][0]

    assert (row["type"], row["status"], row["tradedPrice"]) == (2, 2, 812.5)


@pytest.mark.parametrize("by_path", [True, False])
async def test_cancelled_order_is_over(tmp_path: Path, by_path: bool) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        order_id = (await fyers.place(header))["id"]

        async def cancel() -> dict[str, Any]:
            path = f"orders/{order_id}/sync" if by_path else "orders/sync"
            body = None if by_path else {"id": order_id}
            reply = await fyers.ask("DELETE", path, body, header)
            answer: dict[str, Any] = reply.json()
            return answer

        assert (await cancel())["code"] == 1103
        assert (await cancel())["code"] == -161
        row = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"][0]
        assert row["status"] == 1


async def test_filled_order_cannot_be_changed(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        order_id = (await fyers.place(header, **MARKET_BUY))["id"]
        cancel = await fyers.ask("DELETE", "orders/sync", {"id": order_id}, header)
        modify = await fyers.ask("PATCH", "orders/sync", {"id": order_id, "type": 2}, header)

    assert cancel.json()["code"] == modify.json()["code"] == -162


@pytest.mark.parametrize("order_id", ["26112300000009", "25010100000001", "x", "²6112300000001"])
async def test_unknown_order_id_is_refused(tmp_path: Path, order_id: str) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
        reply = await fyers.ask("DELETE", "orders/sync", {"id": order_id}, header)

    assert (reply.status_code, reply.json()["code"]) == (400, -51)


async def test_order_of_another_client_is_unknown(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        order_id = (await fyers.place(await fyers.signed_in()))["id"]
        other = await fyers.signed_in("XB00002")
        reply = await fyers.ask("DELETE", "orders/sync", {"id": order_id}, other)
        book = (await fyers.ask("GET", "orders", header=other)).json()

    assert reply.json()["code"] == -51
    assert book["orderBook"] == []


async def test_stop_limit_goes_its_whole_way(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        wrong = await fyers.place(header, type=4, limitPrice=801, stopPrice=800)
        await fyers.place(header, type=4, limitPrice=821.5, stopPrice=820)
        await fyers.move("821.00")
        rows = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"]

    assert wrong["code"] == -99
    assert (rows[1]["status"], rows[1]["tradedPrice"]) == (2, 821.0)


async def test_books_show_a_filled_order_everywhere(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header, **MARKET_BUY)
        await fyers.move("820.00")

        async def get(path: str) -> dict[str, Any]:
            answer: dict[str, Any] = (await fyers.ask("GET", path, header=header)).json()
            return answer

        trade = (await get("tradebook"))["tradeBook"][0]
        positions, funds = await get("positions"), (await get("funds"))["fund_limit"]

    assert trade["tradeNumber"] == "26112300000001-1"
    assert (trade["tradedQty"], trade["tradePrice"], trade["tradeValue"]) == (10, 812.5, 8125.0)
    assert positions["netPositions"][0]["id"] == "NSE:SBIN-EQ-INTRADAY"
    assert positions["netPositions"][0]["unrealized_profit"] == 75.0
    assert positions["overall"]["pl_total"] == 75.0
    assert [row["id"] for row in funds] == list(range(1, 11))
    assert funds[1] == {
        "id": 2,
        "title": "Utilized Amount",
        "equityAmount": 1625.0,
        "commodityAmount": 0.0,
    }
    assert funds[9]["equityAmount"] == 998_375.0


async def test_delivery_is_a_holding_the_next_day(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await fyers.place(await fyers.signed_in(), **MARKET_BUY | {"productType": "CNC"})
        fyers.clock.go_on(days=1)
        fyers.simulator.desk.pass_time()
        header = await fyers.signed_in()
        holdings = (await fyers.ask("GET", "holdings", header=header)).json()
        orders = (await fyers.ask("GET", "orders", header=header)).json()

    assert holdings["holdings"][0]["symbol"] == "NSE:SBIN-EQ"
    assert holdings["overall"]["total_investment"] == 8125.0
    assert orders["orderBook"] == []


async def test_orders_outlive_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with a_paper_fyers(tmp_path, clock) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
        await fyers.place(header, **MARKET_BUY)
        before = (await fyers.ask("GET", "orders", header=header)).json()

    async with a_paper_fyers(tmp_path, clock) as fyers:
        assert (await fyers.ask("GET", "orders", header=header)).json() == before
        assert (await fyers.place(header))["id"] == "26112300000003"


async def test_contract_files_are_served(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        cash = await fyers.http.get("/sym_details/NSE_CM.csv")
        derivatives = await fyers.http.get("/sym_details/NSE_FO.csv")
        nothing = await fyers.http.get("/sym_details/../signing.key")

        master = await fyers.http.get("/sym_details/NSE_FO_sym_master.json")

    assert "10100000003045,STATE BANK OF INDIA" in cash.text
    assert master.json()["NSE:NIFTY26DECFUT"]["qtyFreeze"] == "1800"
    assert len(derivatives.text.splitlines()) == 3
    assert nothing.status_code == 404


async def test_every_arrival_and_created_order_is_in_the_journal(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
        await fyers.place(header, qty=0)
        await fyers.ask("GET", "orders", header=header)
        await fyers.ask("GET", "orders", header="nobody:x")
        entries = (await fyers.control("GET", "journal"))["entries"]

    arrivals = [it for it in entries if it["kind"] == "arrival" and it["operation"] != "login"]
    created = [it for it in entries if it["kind"] == "order"]
    assert [(it["operation"], it["status"], it["client_id"]) for it in arrivals] == [
        ("place", 200, CLIENT),
        ("place", 400, CLIENT),
        ("book", 200, CLIENT),
        ("book", 401, None),
    ]
    assert arrivals[0]["body"] == json.loads(json.dumps(LIMIT_BUY))
    assert arrivals[0]["answer"]["code"] == 1101
    assert arrivals[0]["order_id"] == created[0]["order_id"] == "26112300000001"
    assert (created[0]["tag"], created[0]["instrument"]) == ("k3v9q0m2x7b1a4z", "NSE:SBIN")
    assert len(created) == 1
