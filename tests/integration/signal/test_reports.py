"""Copy reports as masters and followers get them, every figure reckoned by hand."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from uuid_utils import uuid7

from libs.trading.events import OrderChanged
from libs.trading.orders import OrderType, Side
from libs.trading.states import OrderState as S
from tests.factories import some_terms
from tests.integration.signal.running import Person, RunningService
from tests.integration.signal.told import (
    Executors,
    an_order_of,
    executors_on,
    later,
    published_signal,
    reported,
)
from tests.servers import Database, Servers

AddAccount = Callable[..., str]
T0 = datetime.now(UTC).replace(microsecond=0)


def ms(milliseconds: int) -> datetime:
    return T0 + timedelta(milliseconds=milliseconds)


def a_life(planned: OrderChanged, *steps: tuple[S, int, dict[str, Any]]) -> list[OrderChanged]:
    """Tell an order's life: each state, its moment after T0, and what else is new."""
    life = [planned]
    for state, at, changes in steps:
        life.append(later(life[-1], len(life) + 1, state=state, at=ms(at), **changes))
    return life


def lives_of(signal_id: str, **changes: Any) -> dict[str, list[OrderChanged]]:
    """Seven orders of one limit buy at 812.50."""

    def planned(at: int, **more: Any) -> OrderChanged:
        times = {"accepted_at": T0, **changes, **more}
        return an_order_of(signal_id, ms(at), **times)

    def sent(at: int) -> tuple[S, int, dict[str, Any]]:
        return S.SENDING, at, {"sent_at": ms(at)}

    def filled(quantity: int, price: str) -> dict[str, Any]:
        return {"filled_quantity": quantity, "average_price": Decimal(price)}

    return {
        "dear": a_life(
            planned(5), sent(10), (S.OPEN, 30, {}), (S.FILLED, 130, filled(10, "812.90"))
        ),
        "same": a_life(
            planned(6), sent(16), (S.ACKED, 56, {}), (S.FILLED, 96, filled(20, "812.50"))
        ),
        "cheap": a_life(
            planned(7), sent(27), (S.OPEN, 87, {}), (S.CANCELLED, 200, filled(5, "811.6875"))
        ),
        "refused": a_life(planned(8), sent(40), (S.REJECTED, 60, {"message": "RMS: 5000 short"})),
        "small": [
            planned(
                5,
                state=S.SKIPPED,
                reason="TOO_SMALL",
                message="Less than a lot of 9.",
                figures={"wanted": "4", "lot": "9"},
            )
        ],
        "paused": [planned(5, state=S.SKIPPED, reason="PAUSED", message="You paused.")],
        "held": a_life(planned(5), (S.HELD, 9, {"reason": "SESSION", "message": "Re-connect."})),
    }


async def tell_all(
    executors: Executors, database: Database, lives: dict[str, list[OrderChanged]]
) -> None:
    for life in lives.values():
        await executors.tell(*life)
    for life in lives.values():
        await reported(database, life[-1].order_id, version=life[-1].version)


def stamp(database: Database, signal_id: str) -> None:
    """Put the signal's own stamps where they can be reckoned with."""
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute(
            "update signal.report_signals set published_at = %s, broker_event_at = %s"
            " where signal_id = %s",
            [ms(2), ms(-50), signal_id],
        )


async def get(person: Person, path: str, **headers: str) -> Any:
    answer = await person.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def told(service: RunningService, servers: Servers, database: Database) -> Any:
    master, strategy_id = await service.master()
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]
    lives = lives_of(signal_id)
    async with executors_on(servers, database) as executors:
        await tell_all(executors, database, lives)
    stamp(database, signal_id)
    return master, signal_id, lives


async def test_a_signal_s_totals_latencies_and_slippage_are_right(told: Any) -> None:
    master, signal_id, _ = told

    report = await get(master, f"/reports/signals/{signal_id}")

    assert report["signal"]["signal_id"] == signal_id
    assert report["totals"] == {
        "followers": 7,
        "planned": 7,
        "sent": 4,
        "acknowledged": 3,
        "copied_quantity": 35,
        "filled": 2,
        "rejected": 1,
        "cancelled": 1,
        "lapsed": 0,
        "not_placed": 0,
        "attention": 0,
        "working": 0,
        "waiting": 1,
        "in_doubt": 0,
        "skipped": 2,
        "skipped_by_reason": {"PAUSED": 1, "TOO_SMALL": 1},
    }
    latencies = {item.pop("stage"): item for item in report["latencies"]}
    # 5, 10, 20 and 32 ms: between the second and third, then 0.7 and 0.97 of the last step.
    assert latencies["planned_to_sent"] == figures(4, 15, 28.4, 31.64)
    assert latencies["sent_to_acknowledged"] == figures(3, 40, 56, 59.6)
    assert latencies["acknowledged_to_filled"] == figures(2, 70, 94, 99.4)
    assert latencies["master_to_accepted"] == figures(7, 50, 50, 50)
    assert latencies["accepted_to_published"] == figures(7, 2, 2, 2)
    # 3, 3, 3, 3, 4, 5 and 6 ms.
    assert latencies["published_to_planned"] == figures(7, 3, 5.4, 5.94)
    assert latencies["accepted_to_filled"] == figures(2, 113, 126.6, 129.66)
    # -10, 0 and 0.40 / 812.50 = 4.923 bp; the mean by 5, 20 and 10 shares.
    assert report["slippage"] == {
        "orders": 3,
        "mean_bp": "-0.02",
        "p50_bp": "0.00",
        "p90_bp": "3.94",
        "p99_bp": "4.82",
        "worst_bp": "4.92",
    }


def figures(orders: int, p50: float, p90: float, p99: float) -> dict[str, float]:
    return {"orders": orders, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}


async def test_a_master_sees_orders_page_by_page_and_nothing_of_whose_they_are(told: Any) -> None:
    master, signal_id, lives = told

    first = await get(master, f"/reports/signals/{signal_id}?limit=4")
    second = await get(master, f"/reports/signals/{signal_id}?limit=4&after={first['cursor']}")

    rows = {row["order_id"]: row for row in first["orders"] + second["orders"]}
    assert second["cursor"] is None
    assert len(first["orders"]) == 4
    assert rows.keys() == {life[0].order_id for life in lives.values()}
    dear, refused = lives["dear"][-1], lives["refused"][-1]
    assert rows[dear.order_id]["account"] == f"…{dear.account_id[-6:]}"
    assert rows[dear.order_id]["average_price"] == "812.90"
    assert rows[dear.order_id]["slippage_bp"] == "4.92"
    assert rows[refused.order_id]["sentence"] == "The broker refused the order."
    everything = str(first) + str(second)
    for life in lives.values():
        assert life[-1].account_id not in everything
        assert life[-1].user_id not in everything
        assert life[-1].follow_id not in everything
    assert "RMS" not in everything


async def test_recent_signals_are_listed_with_their_totals(told: Any) -> None:
    master, signal_id, _ = told
    strategy_id = (await get(master, "/strategies?limit=1"))["strategies"][0]["strategy_id"]
    for _ in range(2):
        await master.emit(strategy_id)

    first = await get(master, "/reports/signals?limit=2")
    second = await get(master, f"/reports/signals?limit=2&before={first['cursor']}")

    assert [item["signal"]["seq"] for item in first["signals"]] == [3, 2]
    assert all(item["totals"]["planned"] == 0 for item in first["signals"])
    [item] = second["signals"]
    assert item["signal"]["signal_id"] == signal_id
    assert (item["totals"]["filled"], item["totals"]["skipped"]) == (2, 2)
    assert item["totals"]["skipped_by_reason"] == {"PAUSED": 1, "TOO_SMALL": 1}
    assert second["cursor"] is None


async def test_a_sell_is_worse_when_it_brings_less_and_a_market_order_is_not_judged(
    service: RunningService, servers: Servers, database: Database
) -> None:
    master, strategy_id = await service.master()
    sell = (await master.emit(strategy_id, side="SELL")).json()["signal_id"]
    terms = {"order_type": "MARKET", "quantity": 10}
    market = (await master.emit(strategy_id, terms=terms)).json()["signal_id"]
    fill = {"filled_quantity": 10, "average_price": Decimal("811.6875")}
    sold = an_order_of(sell, T0, side=Side.SELL, state=S.FILLED, **fill)
    bought = an_order_of(
        market,
        T0,
        state=S.FILLED,
        terms=some_terms(order_type=OrderType.MARKET, limit_price=None),
        **fill,
    )
    async with executors_on(servers, database) as executors:
        await tell_all(executors, database, {"sold": [sold], "bought": [bought]})

    assert (await get(master, f"/reports/signals/{sell}"))["slippage"]["p50_bp"] == "10.00"
    slippage = (await get(master, f"/reports/signals/{market}"))["slippage"]
    assert (slippage["orders"], slippage["mean_bp"]) == (0, None)


async def test_an_order_is_judged_by_the_price_its_master_asked_for_last(
    service: RunningService, servers: Servers, database: Database
) -> None:
    master, strategy_id = await service.master()
    place = (await master.emit(strategy_id)).json()
    modify = await master.emit(
        strategy_id,
        action="MODIFY",
        parent_signal_id=place["signal_id"],
        terms={"order_type": "LIMIT", "quantity": 10, "limit_price": "813.3125"},
        **dict.fromkeys(("instrument", "side", "product")),
    )
    assert modify.status_code == 202, modify.text
    await published_signal(database, modify.json()["signal_id"])
    accepted_at = datetime.fromisoformat(place["accepted_at"])
    changed_at = datetime.fromisoformat(modify.json()["accepted_at"])
    fill = {"filled_quantity": 10, "average_price": Decimal("813.3125"), "state": S.FILLED}
    before = an_order_of(place["signal_id"], accepted_at, **fill)
    after = an_order_of(place["signal_id"], changed_at + timedelta(seconds=1), **fill)
    async with executors_on(servers, database) as executors:
        await tell_all(executors, database, {"before": [before], "after": [after]})

    report = await get(master, f"/reports/signals/{place['signal_id']}")

    rows = {row["order_id"]: row["slippage_bp"] for row in report["orders"]}
    assert rows == {before.order_id: "10.00", after.order_id: "0.00"}


async def test_a_follower_sees_what_was_copied_and_why_not_in_figures(
    service: RunningService, servers: Servers, database: Database, add_account: AddAccount
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    follow = (await follower.begin_follow(strategy_id, account_id)).json()
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]
    own = {"follow_id": follow["follow_id"], "account_id": account_id}
    lives = lives_of(signal_id, **own)
    old = an_order_of(signal_id, T0 - timedelta(days=40), **own)
    async with executors_on(servers, database) as executors:
        await tell_all(executors, database, {**lives, "old": [old]})
        await tell_all(executors, database, lives_of(signal_id))

    report = await get(follower, f"/reports/follows/{follow['follow_id']}")
    longer = await get(follower, f"/reports/follows/{follow['follow_id']}?days=60&limit=3")

    assert (report["totals"]["planned"], report["totals"]["skipped"]) == (7, 2)
    assert (longer["totals"]["planned"], longer["totals"]["followers"]) == (8, 1)
    rows = {row["order_id"]: row for row in report["orders"]}
    assert rows.keys() == {life[0].order_id for life in lives.values()}
    small = rows[lives["small"][0].order_id]
    assert small["sentence"] == "Less than a lot of 9."
    refused = rows[lives["refused"][0].order_id]
    assert (small["figures"], refused["figures"]) == ({"wanted": "4", "lot": "9"}, {})
    assert refused["sentence"] == "The broker refused the order: RMS: 5000 short"
    dear = rows[lives["dear"][0].order_id]
    assert (dear["master_price"], dear["seq"]) == ("812.5", 1)
    assert (dear["sent_at"], dear["filled_at"]) == (as_json(ms(10)), as_json(ms(130)))
    assert [row["order_id"] for row in longer["orders"]] == sorted(
        [old.order_id, *rows], reverse=True
    )[:3]
    page = f"/reports/follows/{follow['follow_id']}?days=60&before={longer['cursor']}"
    assert len((await get(follower, page))["orders"]) == 5


def as_json(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_a_report_as_csv_holds_every_order_and_no_formula(
    service: RunningService, servers: Servers, database: Database, add_account: AddAccount
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    follow_id = (await follower.begin_follow(strategy_id, account_id)).json()["follow_id"]
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]
    lives = lives_of(signal_id, follow_id=follow_id, account_id=account_id)
    evil = an_order_of(
        signal_id, T0, follow_id=follow_id, account_id=account_id, state=S.REJECTED,
        message='=HYPERLINK("http://evil","₹"), sorry',
    )  # fmt: skip
    async with executors_on(servers, database) as executors:
        await tell_all(executors, database, {**lives, "evil": [evil]})

    of_follow = await follower.http.get(f"/reports/follows/{follow_id}.csv")
    of_signal = await master.http.get(
        f"/reports/signals/{signal_id}", headers={"Accept": "text/csv"}
    )

    assert of_follow.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert "attachment" in of_follow.headers["content-disposition"]
    rows = {row["order_id"]: row for row in lines(of_follow)}
    assert len(rows) == 8
    assert rows[evil.order_id]["message"] == '\'=HYPERLINK("http://evil","₹"), sorry'
    assert rows[lives["dear"][0].order_id]["average_price"] == "812.90"
    assert rows[lives["dear"][0].order_id]["sent_at"] == (
        ms(10).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )
    assert rows[lives["cheap"][0].order_id]["slippage_bp"] == "-10.00"
    assert rows[lives["small"][0].order_id]["figures"] == "lot=9; wanted=4"
    masters = lines(of_signal)
    assert len(masters) == 8
    assert (
        masters[0].keys().isdisjoint({"account_id", "user_id", "follow_id", "message", "figures"})
    )


def lines(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


async def test_a_report_is_shown_to_nobody_else(
    service: RunningService, database: Database, add_account: AddAccount
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    follow_id = (await follower.begin_follow(strategy_id, account_id)).json()["follow_id"]
    signal_id = (await master.emit(strategy_id)).json()["signal_id"]
    other_master, _ = await service.master()
    other_follower = await service.person("follower")

    for suffix in ("", ".csv"):
        of_signal, of_follow = (
            f"/reports/signals/{signal_id}{suffix}",
            f"/reports/follows/{follow_id}{suffix}",
        )
        assert (await other_master.http.get(of_signal)).json()["code"] == "SIGNAL_UNKNOWN"
        assert (await other_follower.http.get(of_follow)).json()["code"] == "FOLLOW_UNKNOWN"
        assert (await follower.http.get(of_signal)).status_code == 403
        assert (await master.http.get(of_follow)).status_code == 403
        assert (await service.client().get(of_follow)).status_code == 401
    assert (await master.http.get(f"/reports/signals/{uuid7()}")).status_code == 404
