"""Why was I not copied, asked of the running service: before, within and after a follow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.trading.states import OrderState as S
from tests.integration.signal.running import Person, RunningService
from tests.integration.signal.told import an_order_of, executors_on, later, reported
from tests.servers import Database, Servers

AddAccount = Callable[..., str]
LIMIT = "9 shares of ₹100, ₹900 in all, is over your ₹500 limit per order."
NO_TERMS: dict[str, Any] = dict.fromkeys(("instrument", "side", "product", "terms"))


async def why(follower: Person, follow_id: str, signal_id: str) -> dict[str, Any]:
    answer = await follower.http.get(f"/reports/follows/{follow_id}/signals/{signal_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One follow from its beginning to its end, and the signals by what became of them."""

    follower: Person
    follow_id: str
    signals: dict[str, str]
    copied_order_id: str


@pytest.fixture
async def followed(
    service: RunningService, servers: Servers, database: Database, add_account: AddAccount
) -> Followed:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    signals: dict[str, str] = {}

    async def emit(name: str, **changes: Any) -> None:
        answer = await master.emit(strategy_id, **changes)
        assert answer.status_code == 202, answer.text
        signals[name] = answer.json()["signal_id"]

    await emit("before")
    follow_id = (await follower.begin_follow(strategy_id, account_id)).json()["follow_id"]
    for name in ("skipped", "refused", "copied", "young"):
        await emit(name)
    await emit("cancel", action="CANCEL", parent_signal_id=signals["copied"], **NO_TERMS)
    await follower.http.delete(f"/follows/{follow_id}")
    await emit("after")

    own = {"follow_id": follow_id, "account_id": account_id}
    now = datetime.now(UTC).replace(microsecond=0)
    fill = {"filled_quantity": 10, "average_price": Decimal("812.90"), "state": S.FILLED}
    skip = {"state": S.SKIPPED, "reason": "ORDER_VALUE", "message": LIMIT}
    copied = later(an_order_of(signals["copied"], now, **own), 2, at=now, **fill)
    orders = [
        an_order_of(signals["skipped"], now, **own, **skip),
        an_order_of(signals["refused"], now, **own, state=S.REJECTED, message="RMS: 5000 short"),
        copied,
        # Somebody else's, of the same signals.
        an_order_of(signals["young"], now, **fill),
        an_order_of(signals["skipped"], now, **fill),
    ]
    async with executors_on(servers, database) as executors:
        await executors.tell(*orders)
        for order in orders:
            await reported(database, order.order_id)
    return Followed(
        follower=follower, follow_id=follow_id, signals=signals, copied_order_id=copied.order_id
    )


async def test_every_signal_has_its_answer(followed: Followed) -> None:
    answers = {
        name: await why(followed.follower, followed.follow_id, signal_id)
        for name, signal_id in followed.signals.items()
    }

    assert {name: answer["outcome"] for name, answer in answers.items()} == {
        "before": "NOT_COVERED",
        "skipped": "SKIPPED",
        "refused": "REJECTED",
        "copied": "COPIED",
        "young": "ON_THE_WAY",
        "cancel": "EARLIER_ORDER",
        "after": "NOT_COVERED",
    }
    # What somebody did not follow is not shown to them.
    assert answers["before"]["signal"] is None
    assert answers["after"]["signal"] is None
    assert (answers["skipped"]["reason"], answers["skipped"]["sentence"]) == ("ORDER_VALUE", LIMIT)
    assert answers["refused"]["sentence"] == "The broker refused the order: RMS: 5000 short"
    assert answers["copied"]["sentence"] == "All 10 filled at ₹812.90."
    assert [order["order_id"] for order in answers["copied"]["orders"]] == [
        followed.copied_order_id
    ]
    assert answers["cancel"]["order_signal_id"] == followed.signals["copied"]
    assert answers["young"]["orders"] == []


async def test_all_that_a_follow_covers_is_listed_with_its_answers(followed: Followed) -> None:
    path = f"/reports/follows/{followed.follow_id}/signals?limit=3"

    first = (await followed.follower.http.get(path)).json()
    second = (await followed.follower.http.get(f"{path}&before={first['cursor']}")).json()

    names = {signal_id: name for name, signal_id in followed.signals.items()}
    told = [(names[item["signal_id"]], item["outcome"]) for item in first["signals"]]
    assert told == [("cancel", "EARLIER_ORDER"), ("young", "ON_THE_WAY"), ("copied", "COPIED")]
    told = [(names[item["signal_id"]], item["outcome"]) for item in second["signals"]]
    assert told == [("refused", "REJECTED"), ("skipped", "SKIPPED")]
    assert second["cursor"] is None


@pytest.mark.parametrize("opened", [False, True])
async def test_an_exit_without_an_order_is_explained_by_what_was_opened(
    service: RunningService,
    servers: Servers,
    database: Database,
    add_account: AddAccount,
    opened: bool,
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)
    follow_id = (await follower.begin_follow(strategy_id, account_id)).json()["follow_id"]
    place = (await master.emit(strategy_id)).json()["signal_id"]
    leave = (await master.emit(strategy_id, action="EXIT", side="SELL")).json()["signal_id"]
    order = an_order_of(
        place,
        datetime.now(UTC) - timedelta(hours=2),
        follow_id=follow_id,
        account_id=account_id,
        state=S.FILLED if opened else S.SKIPPED,
        filled_quantity=10 if opened else 0,
    )
    async with executors_on(servers, database) as executors:
        await executors.tell(order)
        await reported(database, order.order_id)

    # Reports may be a moment behind, so nothing is said for sure at once.
    assert (await why(follower, follow_id, leave))["outcome"] == "ON_THE_WAY"

    since = await service.app.state.reports.queries.opened(
        (await service.app.state.repository.follow_of(follower.user_id, follow_id)).follow,
        ["NSE:SBIN"],
    )
    assert set(since) == ({("NSE:SBIN", "INTRADAY")} if opened else set())


async def test_an_answer_is_for_the_follower_and_their_strategy_alone(
    service: RunningService, add_account: AddAccount
) -> None:
    master, strategy_id = await service.master()
    other_strategy = await master.open_strategy("Another")
    follower, stranger = [await service.person("follower") for _ in range(2)]
    account_id = add_account(follower.user_id)
    follow_id = (await follower.begin_follow(strategy_id, account_id)).json()["follow_id"]
    own = (await master.emit(strategy_id)).json()["signal_id"]
    other = (await master.emit(other_strategy)).json()["signal_id"]
    path = f"/reports/follows/{follow_id}/signals"

    assert (await follower.http.get(f"{path}/{other}")).json()["code"] == "SIGNAL_UNKNOWN"
    assert (await stranger.http.get(f"{path}/{own}")).json()["code"] == "FOLLOW_UNKNOWN"
    assert (await stranger.http.get(path)).json()["code"] == "FOLLOW_UNKNOWN"
    assert (await master.http.get(path)).status_code == 403
    listed = (await follower.http.get(path)).json()["signals"]
    assert [item["signal_id"] for item in listed] == [own]
