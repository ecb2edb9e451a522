"""The rules of a follow on their way: from the API through the table to the bus and executors."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from libs.contracts import topics
from libs.contracts.limits_json import limits_json
from libs.runtime import postgres
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.limits import NO_LIMITS
from services.executor.repository import Repository
from tests.factories import every_limit
from tests.integration.signal.running import RunningService, listening
from tests.servers import Database, Servers

AddAccount = Callable[..., str]
SIZINGS = {
    SizingMode.MULTIPLIER: "0.5",
    SizingMode.FIXED_QUANTITY: "25",
    SizingMode.FIXED_VALUE: "25000.5",
    SizingMode.FUNDS_SHARE: "2.5",
    SizingMode.EQUITY_PROPORTIONAL: "1.25",
}


async def test_rules_arrive_at_executors_as_they_were_given(
    service: RunningService, servers: Servers, add_account: AddAccount, database: Database
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")
    account_id = add_account(follower.user_id)

    async with listening(servers, master.user_id, topics.FOLLOW_EVENTS) as listener:
        begun = await follower.http.post(
            "/follows",
            json={
                "strategy_id": strategy_id,
                "account_id": account_id,
                "sizing": {"mode": "FUNDS_SHARE", "value": "2.5", "when_small": "ONE_LOT"},
                "limits": limits_json(every_limit()),
            },
        )
        path = f"/follows/{begun.json()['follow_id']}"
        kept = (await follower.http.patch(path, json={"paused": True})).json()
        freed = (await follower.http.patch(path, json={"limits": {}})).json()
        await listener.wait_for(3)

    assert begun.status_code == 201, begun.text
    assert begun.json()["limits"] == limits_json(every_limit()) == kept["limits"]
    assert begun.json()["copies_earlier_positions"] is False
    assert freed["limits"]["order_value_max"] is None
    heard = listener.follows()
    assert [state.limits for state in heard] == [every_limit(), every_limit(), NO_LIMITS]
    assert {state.sizing for state in heard} == {
        Sizing(mode=SizingMode.FUNDS_SHARE, value=Decimal("2.5"), when_small=WhenSmall.ONE_LOT)
    }
    pool = await postgres.open_pool(database.dsn("executor"), application_name="test")
    try:
        read = await Repository(pool, heard[-1].broker, 4).follows()
    finally:
        await pool.close()
    assert read == [heard[-1]]


@pytest.mark.parametrize("mode", SizingMode)
async def test_every_sizing_mode_can_be_followed_with(
    service: RunningService, add_account: AddAccount, mode: SizingMode
) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")

    answer = await follower.begin_follow(
        strategy_id,
        add_account(follower.user_id),
        {"mode": mode.value, "value": SIZINGS[mode]},
    )

    assert answer.status_code == 201, answer.text
    assert answer.json()["sizing"] == {
        "mode": mode.value, "value": SIZINGS[mode], "when_small": "SKIP",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limits": {"order_value_max": "0"}}, "limits.order_value_max"),
        ({"limits": {"trading_from_ist": "noon"}}, "limits.trading_from_ist"),
        ({"limits": {"segments_denied": ["X"]}}, "limits.segments_denied.0"),
        ({"limits": None}, ""),
        ({"sizing": {"mode": "FUNDS_SHARE", "value": "101"}}, "sizing.value"),
        (
            {"sizing": {"mode": "MULTIPLIER", "value": "1", "when_small": "ROUND"}},
            "sizing.when_small",
        ),
    ],
)
async def test_a_change_that_is_wrong_names_its_field_and_changes_nothing(
    service: RunningService, add_account: AddAccount, changes: dict[str, Any], field: str
) -> None:
    _, strategy_id = await service.master()
    follower = await service.person("follower")
    begun = await follower.begin_follow(strategy_id, add_account(follower.user_id))
    path = f"/follows/{begun.json()['follow_id']}"

    answer = await follower.http.patch(path, json=changes)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert (await follower.http.get(path)).json() == begun.json()
