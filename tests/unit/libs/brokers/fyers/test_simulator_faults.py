"""What the control routes do beyond single answers: several knobs, the feed, the owner's orders."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

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
    await socket.subscribe(*(kinds or ("orders",)))
    return socket


async def entries(fyers: PaperFyers, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await fyers.control("GET", f"journal?kind={kind}"))["entries"]
    return found


def statuses(messages: list[Any]) -> list[tuple[str, int]]:
    return [(it["orders"]["id"][-1], it["orders"]["org_ord_status"]) for it in messages]


async def test_several_knobs_stand_for_one_client_until_they_are_removed(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        for failure, after in (("html", 0), ("unknown_code", 1)):
            knob = {
                "client_id": CLIENT,
                "outcome": "FAIL_BEFORE_ACT",
                "failure": failure.upper(),
                "after": after,
                "requests": 1,
            }
            reply = await fyers.http.post("/_control/knobs", json=knob)
            assert reply.status_code == 201

        first = await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)
        second = await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)

        assert "Request Rejected" in first.text
        assert second.json()["code"] == -7777
        standing = (await fyers.control("GET", "knobs"))["knobs"]
        assert [(it["id"], it["seen"], it["served"]) for it in standing] == [
            ("knob-1", 2, 1),
            ("knob-2", 2, 1),
        ]
        arrivals = [it for it in await entries(fyers, "arrival") if it["operation"] == "place"]
        assert [(it["knob_id"], it["failure"], it["answered"]) for it in arrivals] == [
            ("knob-1", "html", False),
            ("knob-2", "unknown_code", False),
        ]
        assert (await fyers.control("DELETE", "knobs?id=knob-1"))["removed"] == 1
        assert (await fyers.control("DELETE", "knobs"))["removed"] == 1


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ({"latency": 5}, ("latency", "no such field")),
        ({"outcome": "sometimes"}, ("outcome", "act_then_fail")),
        ({"outcome": "act_then_fail", "failure": "fire"}, ("failure", "slow_loris")),
        ({"failure": "hang"}, ("failure hang needs an outcome",)),
        ({"outcome": "act_then_fail", "huge_mib": 9}, ("huge_mib needs failure: huge",)),
        ({"outcome": "act_then_fail", "redirect_to": "http://x"}, ("redirect_to needs",)),
        ({"visibility_lag_s": 601}, ("visibility_lag_s", "600")),
        ({"probability": 0, "latency_ms": 5}, ("probability", "greater than 0")),
        ({"operations": [], "latency_ms": 5}, ("operations", "1")),
    ],
)
async def test_wrong_knob_is_refused_with_the_field_and_the_fix(
    tmp_path: Path, knob: dict[str, Any], words: tuple[str, ...]
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        replies = [
            await fyers.http.put("/_control/knobs", json=knob),
            await fyers.http.post("/_control/knobs", json=knob),
        ]

    for reply in replies:
        assert reply.status_code == 422
        assert all(word in reply.json()["detail"] for word in words), reply.text


async def test_knob_that_does_nothing_is_not_added(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        reply = await fyers.http.post("/_control/knobs", json={"client_id": CLIENT})

    assert reply.status_code == 422


async def test_dropped_feed_stays_shut_while_the_session_lives(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header)
        body = {"client_id": CLIENT, "for_s": 60}

        assert (await fyers.control("POST", "feed/drop", body))["closed"] == 1

        closing = await socket.frame()
        assert (closing["type"], closing["code"]) == ("websocket.close", 1012)
        refused = OrderSocket(fyers.simulator, header)
        assert (await refused.frame())["status"] == 503
        assert (await fyers.place(header))["s"] == "ok"
        fyers.clock.go_on(seconds=60)
        await (await a_socket(fyers, header)).hang_up()
        events = [it["event"] for it in await entries(fyers, "feed")]
        assert events == ["connected", "dropped", "refused", "connected"]


async def test_handshake_without_a_session_is_written_down(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.control("POST", "sessions/expire", {"client_id": CLIENT})

        assert (await OrderSocket(fyers.simulator, header).frame())["type"] == "websocket.close"

        [entry] = await entries(fyers, "feed")
        assert entry["event"] == "denied"


async def test_outage_of_one_client_leaves_the_others_and_ends_early_when_told(
    tmp_path: Path,
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header, other = await fyers.signed_in(), await fyers.signed_in("XB00002")
        spared = await a_socket(fyers, other)
        await fyers.control("POST", "feed/drop", {"client_id": CLIENT, "for_s": 600})

        await fyers.place(other)
        assert "orders" in await spared.heard()
        await fyers.control("POST", "feed/drop", {"client_id": CLIENT})

        await (await a_socket(fyers, header)).hang_up()
        await spared.hang_up()


@pytest.mark.parametrize(("order", "times"), [("same", 2), ("reversed", 1)])
async def test_days_order_messages_come_again(tmp_path: Path, order: str, times: int) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header)
        resting = (await fyers.place(header))["id"]
        await fyers.place(header, **MARKET_BUY)
        await fyers.ask("DELETE", "orders/sync", {"id": resting}, header)
        heard = [await socket.heard() for _ in range(6)]
        body = {"client_id": CLIENT, "order": order, "times": times}

        answer = await fyers.control("POST", "feed/replay", body)

        again = [await socket.heard() for _ in range(6 * times)]
        assert answer["sent"] == 6 * times
        assert statuses(heard) == [("1", 4), ("1", 6), ("2", 4), ("2", 6), ("2", 2), ("1", 1)]
        assert again == (heard[::-1] if order == "reversed" else heard) * times
        assert socket.is_silent()
        await socket.hang_up()


async def test_replay_survives_a_restart_and_keeps_what_is_hidden(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
    async with a_paper_fyers(tmp_path) as fyers:
        socket = await a_socket(fyers, header)
        await fyers.control("PUT", "knobs", {"visibility_lag_s": 600, "requests": 1})
        await fyers.place(header)

        answer = await fyers.control("POST", "feed/replay", {"client_id": CLIENT})

        assert answer["sent"] == 2
        assert statuses([await socket.heard(), await socket.heard()]) == [("1", 4), ("1", 6)]
        assert socket.is_silent()
        await socket.hang_up()


async def test_replay_longer_than_the_queue_reaches_a_reader_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.brokers.fyers.simulator.order_socket._QUEUE_MAX", 5)
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.place(header)
        socket = await a_socket(fyers, header)

        answer = await fyers.control("POST", "feed/replay", {"client_id": CLIENT, "times": 100})

        assert answer["sent"] == 200
        assert len([await socket.heard() for _ in range(200)]) == 200
        await socket.hang_up()


async def test_lagging_order_keeps_feed_silent_and_comes_in_its_order(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders", "trades", "positions")
        await fyers.control("PUT", "knobs", {"visibility_lag_s": 0.2, "requests": 1})

        await fyers.place(header, **MARKET_BUY)

        assert socket.is_silent()
        await asyncio.sleep(0.25)
        kinds = [next(iter(await socket.heard())) for _ in range(5)]
        assert kinds == ["orders", "orders", "trades", "orders", "positions"]
        await socket.hang_up()


async def test_feed_and_books_lose_the_tag_under_the_knob(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header, "orders", "trades")
        await fyers.control("PUT", "knobs", {"client_id": CLIENT, "echo_tags": False})

        await fyers.place(header, **MARKET_BUY)

        heard = [await socket.heard() for _ in range(4)]
        tags = {(it.get("orders") or it["trades"])["ordertag"] for it in heard}
        tag = LIMIT_BUY["orderTag"]
        assert tags == {"2:Untagged"}
        for path, key in (("orders", "orderBook"), ("tradebook", "tradeBook")):
            rows = (await fyers.ask("GET", path, header=header)).json()[key]
            assert [row["orderTag"] for row in rows] == ["2:Untagged"]
            named = await fyers.ask("GET", path, header=header, order_tag=f"1:{tag}")
            assert named.json()[key] == []
        [order] = await entries(fyers, "order")
        assert order["tag"] == tag
        await socket.hang_up()


async def test_owners_own_order_is_told_like_any_other(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        socket = await a_socket(fyers, header)
        body = {
            "client_id": CLIENT,
            "instrument": "NSE:SBIN",
            "side": "SELL",
            "quantity": 5,
            "order_type": "LIMIT",
            "limit_price": "850.00",
        }

        made = await fyers.control("POST", "foreign-order", body)

        message = (await socket.heard())["orders"]
        assert (message["id"], message["ord_source"]) == (made["order_id"], "M")
        assert message["ordertag"] == "2:Untagged"
        assert (made["status"], made["by_owner"]) == ("OPEN", True)
        await socket.hang_up()
    async with a_paper_fyers(tmp_path) as fyers:
        rows = (await fyers.ask("GET", "orders", header=header)).json()["orderBook"]
        assert [(row["id"], row["source"]) for row in rows] == [(made["order_id"], "M")]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"client_id": "XB99999"}, 404, "XB99999"),
        ({"instrument": "NSE:NOSUCH"}, 422, "not listed"),
        ({"limit_price": "850.00"}, 422, "limit_price"),
        ({"quantity": 0}, 422, "quantity"),
    ],
)
async def test_owners_order_that_cannot_be_says_so(
    tmp_path: Path, change: dict[str, Any], status: int, word: str
) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await fyers.signed_in()
        body = {"client_id": CLIENT, "instrument": "NSE:SBIN", "quantity": 5} | change
        reply = await fyers.http.post("/_control/foreign-order", json=body)

    assert reply.status_code == status
    assert word in reply.json()["detail"]


async def test_day_block_answers_429_until_midnight_in_india(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        limits = {"requests_per_minute": 0, "minute_breaches_per_day": 0}
        await fyers.control("PUT", "limits", limits)

        await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)  # The breach.
        blocked = await fyers.ask("POST", "orders/sync", LIMIT_BUY, header)

        assert blocked.status_code == 429
        assert blocked.json()["code"] == -429
        assert blocked.headers["retry-after"] == str(12 * 3600)
        assert await entries(fyers, "order") == []
        assert (await fyers.ask("GET", "orders", header=header)).status_code == 429


@pytest.mark.parametrize("body", [b" ", b"\n\n", b"\t "])
async def test_blank_body_leaves_a_journal_that_can_be_read(tmp_path: Path, body: bytes) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        await fyers.http.post("/api/v3/orders/sync", content=body)
    async with a_paper_fyers(tmp_path) as fyers:
        [arrival] = [it for it in await entries(fyers, "arrival") if it["method"] == "POST"]

    assert arrival["body"] is None
