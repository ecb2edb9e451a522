"""Evidence for live orders: recorded and withdrawn by operators, asked where orders are sent."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import asyncpg
import httpx
import pytest
from uuid_utils import uuid7

from libs.contracts import topics
from libs.trading.accounts import Regime
from libs.trading.lawful import missing_for_entry
from services.auth.evidence import as_live
from tests.integration.auth.hearing import hearing
from tests.integration.auth.running import Person, World
from tests.servers import Servers

ADDRESS = "49.36.10.7"
PAPERS = {"reference": "letter 12 in the office"}
SELF = {"regime": "SELF", "address": ADDRESS, **PAPERS}
FAMILY = {**SELF, "regime": "FAMILY", "relation": "SPOUSE"}
EMPANELLED = {"regime": "EMPANELLED", "host": "rack 4", "provider_id": "AP-12", **PAPERS}
EGRESS = {"profile": "mumbai-1", "address": ADDRESS, **PAPERS}
ALGO_ID = {"algo_id": "770001", "algo_name": "Mirror", **PAPERS}
NEVER = [("-infinity",)]
STRATEGY = "0193a000-0000-7000-8000-00000000000a"


@pytest.fixture
async def operator(world: World) -> Person:
    return await world.person("operator")


async def an_account(world: World, *, live: bool = True, consent: bool = True) -> str:
    follower = await world.person("follower")
    account_id: str = (await follower.connect(f"XB5{uuid7().int % 10**4:04}")).json()["data"][
        "account_id"
    ]
    if live:
        world.change(
            "update auth.broker_accounts set environment = 'LIVE' where account_id = %s", account_id
        )
    if consent:
        world.change(
            "insert into auth.consents (consent_id, account_id, user_id, version, text_name,"
            " text_hash, address) values (%s, %s, %s, 1, 'live', 'abc', '127.0.0.1')",
            str(uuid7()),
            account_id,
            follower.user_id,
        )
    return account_id


async def put(
    person: Person, account_id: str, what: str, body: dict[str, Any], *, status: int = 200
) -> dict[str, Any]:
    answer = await person.http.put(f"/auth/accounts/{account_id}/evidence/{what}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def shown(person: Person, account_id: str) -> dict[str, Any]:
    answer = await person.http.get(f"/auth/accounts/{account_id}/evidence")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def withdraw(person: Person, account_id: str, evidence_id: str) -> httpx.Response:
    return await person.http.delete(
        f"/auth/accounts/{account_id}/evidence/{evidence_id}", params={"reason": "the broker asked"}
    )


def stops(world: World, account_id: str) -> list[tuple[Any, ...]]:
    return world.rows(
        "select reason, algo_id from auth.stops where account_id = %s order by 2", account_id
    )


def lawful_until(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select lawful_until::text from auth.broker_accounts")


async def test_a_live_account_may_trade_once_everything_is_on_record(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world)
    lacking = [item["reason"] for item in (await shown(operator, account_id))["lacking"]]
    assert lacking == ["NO_REGIME", "NO_EGRESS", "NO_ALGO_ID"]

    for what, body, left in (
        ("regime", SELF, [("NO_EGRESS", None)]),
        ("egress", EGRESS, [("NO_ALGO_ID", None)]),
        ("algo-id", ALGO_ID, []),
    ):
        assert stops(world, account_id) != left
        await put(operator, account_id, what, body)
        assert stops(world, account_id) == left

    assert lawful_until(world) == [("infinity",)]
    now = await shown(operator, account_id)
    assert (now["stopped"], now["lacking"]) == (None, [])
    assert world.rows(
        "select regime, egress, algo_id from auth.accounts_now where account_id = %s", account_id
    ) == [("SELF", "mumbai-1", "770001")]


async def test_the_view_and_the_rule_say_the_same_of_every_account(world: World) -> None:
    account_id = await an_account(world, consent=False)
    operator = await world.person("operator")
    rows = {
        "REGIME": ("SELF", "USER_APPROVED", None),
        "EGRESS": ("mumbai-1", None),
        "ALGO_ID": ("770001", None),
    }
    papers = world.app.state.evidence.papers
    for consent, environment in product((True, False), ("LIVE", "PAPER")):
        world.change("delete from auth.consents")
        world.change("update auth.broker_accounts set environment = %s", environment)
        if consent:
            world.change(
                "insert into auth.consents (consent_id, account_id, user_id, version, text_name,"
                " text_hash, address) select %s, account_id, user_id, 1, 'live', 'abc', '::1'"
                " from auth.broker_accounts",
                str(uuid7()),
            )
        for values in product(*rows.values()):
            world.change("delete from auth.evidence")
            for kind, value in zip(rows, values, strict=True):
                if value is not None:
                    add(world, account_id, kind, value, operator.user_id)
            account = await papers.account(account_id)
            expected = missing_for_entry(account)
            found = [reason for reason, _ in stops(world, account_id)]
            assert found == ([expected.value] if expected else []), (environment, consent, values)
            if environment == "LIVE":
                assert as_live(account, await papers.standing(account_id)) == account
            else:
                assert (account.regime, account.egress, account.algo_id) == (
                    *(Regime.PAPER, None, None),
                )


def add(world: World, account_id: str, kind: str, value: str, user_id: str) -> None:
    world.change(
        "insert into auth.evidence (evidence_id, account_id, kind, value, reference, recorded_by)"
        " values (%s, %s, %s, %s, 'letter', %s)",
        *(str(uuid7()), account_id, kind, value, user_id),
    )


async def test_evidence_that_has_run_out_stops_at_once_and_is_closed_by_the_sweep(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world)
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await put(operator, account_id, "regime", {**SELF, "valid_until": soon})
    await put(operator, account_id, "egress", EGRESS)
    assert lawful_until(world) == NEVER
    await put(operator, account_id, "algo-id", ALGO_ID)
    assert stops(world, account_id) == []
    assert lawful_until(world) == world.rows("select max(valid_until)::text from auth.evidence")

    world.change(
        "update auth.evidence set recorded_at = recorded_at - interval '2 days',"
        " valid_until = valid_until - interval '2 days' where kind = 'REGIME'"
    )

    assert stops(world, account_id) == [("NO_REGIME", None)]
    version = (await world.app.state.evidence.papers.account(account_id)).version
    assert await world.app.state.evidence.close_run_out() == 1
    assert await world.app.state.evidence.close_run_out() == 0
    now = await shown(operator, account_id)
    [regime] = [item for item in now["evidence"] if item["kind"] == "REGIME"]
    assert (regime["closed_as"], regime["closed_by"]) == ("RAN_OUT", None)
    assert (await world.app.state.evidence.papers.account(account_id)).version == version + 1
    assert ("evidence_ran_out",) in world.rows("select action from auth.audit")


async def test_evidence_withdrawn_while_other_evidence_comes_is_not_overlooked(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world)
    for what, body in (("regime", SELF), ("egress", EGRESS), ("algo-id", ALGO_ID)):
        await put(operator, account_id, what, body)
    first = await asyncpg.connect(world.database.owner_dsn)
    second = await asyncpg.connect(world.database.owner_dsn)
    withdrawing = first.transaction()
    await withdrawing.start()
    await first.execute(
        "update auth.evidence set closed_at = clock_timestamp(), closed_as = 'WITHDRAWN',"
        " closed_by = recorded_by where kind = 'REGIME'"
    )

    # It sees the regime standing when it begins, and waits for the account.
    coming = asyncio.create_task(
        second.execute(
            "insert into auth.evidence (evidence_id, account_id, kind, strategy_id, value,"
            " reference, recorded_by) values ($1, $2, 'ALGO_ID', $1, '78', 'letter', $3)",
            str(uuid7()),
            account_id,
            operator.user_id,
        )
    )
    while not world.rows("select from pg_stat_activity where wait_event_type = 'Lock'"):  # noqa: ASYNC110  # The database decides.
        await asyncio.sleep(0.01)
    await withdrawing.commit()
    await coming
    await first.close()
    await second.close()

    assert (lawful_until(world), stops(world, account_id)) == (NEVER, [("NO_REGIME", None)])


async def test_a_change_tells_every_service_and_leaves_history_and_audit(
    world: World, operator: Person, servers: Servers
) -> None:
    async with hearing(servers, topics.SESSION_EVENTS) as heard:
        account_id = await an_account(world)
        await put(operator, account_id, "regime", SELF)
        await put(operator, account_id, "egress", EGRESS)
        first = await put(operator, account_id, "algo-id", ALGO_ID)
        same = await put(operator, account_id, "algo-id", ALGO_ID)
        second = await put(operator, account_id, "algo-id", {**ALGO_ID, "algo_id": "770002"})
        own = await put(operator, account_id, f"algo-id/{STRATEGY}", {**ALGO_ID, "algo_id": "78"})
        gone = await withdraw(operator, account_id, second["evidence_id"])
        records = [r for r in await heard.wait_for(7) if r[1] == account_id.encode()]

    assert same == first
    assert gone.json()["closed_as"] == "WITHDRAWN"
    states = [record[2] for record in records]
    assert [state.version for state in states] == [1, 2, 3, 4, 5, 6, 7]
    assert [state.algo_id for state in states][3:] == ["770001", "770002", "770002", None]
    assert states[-1].strategy_algo_ids == {STRATEGY: "78"}
    assert (states[-1].regime, states[-1].egress) == (Regime.SELF, "mumbai-1")
    listed = (await shown(operator, account_id))["evidence"]
    assert [(item["value"], item["closed_as"]) for item in listed] == [
        ("78", None),
        ("770002", "WITHDRAWN"),
        ("770001", "REPLACED"),
        ("mumbai-1", None),
        ("SELF", None),
    ]
    assert listed[1]["closed_reason"] == "the broker asked"
    assert listed[0]["evidence_id"] == own["evidence_id"]
    assert {item["recorded_by"] for item in listed} == {operator.user_id}
    audit = world.rows(
        "select action, details->>'value', actor_id::text from auth.audit"
        " where subject = %s and action like 'evidence%%' order by id",
        f"account:{account_id}",
    )
    assert [row[:2] for row in audit][-2:] == [
        ("evidence_recorded", "78"),
        ("evidence_withdrawn", "770002"),
    ]
    assert {row[2] for row in audit} == {operator.user_id}
    # Orders that carry an id which stands no more are stopped, those of the strategy's id are not.
    assert stops(world, account_id) == [("NO_ALGO_ID", "770001"), ("NO_ALGO_ID", "770002")]


async def test_the_session_names_the_way_out_that_is_on_record(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world, live=False)
    await put(operator, account_id, "regime", SELF)
    recorded = await put(operator, account_id, "egress", EGRESS)
    repository = world.app.state.sessions
    [paper] = await repository.sessions([account_id])
    world.change("update auth.broker_accounts set environment = 'LIVE'")
    [live] = await repository.sessions([account_id])
    await withdraw(operator, account_id, recorded["evidence_id"])
    [without] = await repository.sessions([account_id])

    assert (paper.egress, live.egress, without.egress) == (None, "mumbai-1", None)


async def test_evidence_of_a_paper_account_waits_for_the_day_it_goes_live(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world, live=False, consent=False)
    await put(operator, account_id, "regime", EMPANELLED)

    now = await shown(operator, account_id)

    assert (now["environment"], now["stopped"]) == ("PAPER", None)
    lacking = [item["reason"] for item in now["lacking"]]
    assert lacking == ["NO_CONSENT", "NO_EGRESS", "NO_ALGO_ID"]


async def test_own_and_family_orders_leave_from_the_one_address_that_is_registered(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world)
    other = {**EGRESS, "address": "49.36.10.8"}
    await put(operator, account_id, "regime", FAMILY)

    refused = await put(operator, account_id, "egress", other, status=409)
    assert (refused["code"], refused["field"]) == ("ADDRESS_DIFFERS", "address")
    assert ADDRESS in refused["message"]
    await put(operator, account_id, "egress", EGRESS)
    again = await put(operator, account_id, "regime", {**SELF, "address": "49.36.10.9"}, status=409)
    assert "withdraw the egress first" in again["message"]
    # On a provider's host it is the provider's address.
    await put(operator, account_id, "regime", EMPANELLED)
    await put(operator, account_id, "egress", other)


async def test_an_own_address_is_one_persons_and_relatives_share_theirs(
    world: World, operator: Person
) -> None:
    first, second = await an_account(world), await an_account(world)
    await put(operator, first, "regime", SELF)

    refused = await put(operator, second, "regime", SELF, status=409)

    assert (refused["code"], refused["field"]) == ("ADDRESS_TAKEN", "address")
    await put(operator, second, "regime", FAMILY)
    await put(operator, first, "regime", FAMILY)


@pytest.mark.parametrize(
    ("what", "body", "field", "fix"),
    [
        ("regime", {"regime": "PAPER", **PAPERS}, "", "SELF"),
        ("regime", {"regime": "USER_APPROVED", **PAPERS}, "regime", "record SELF, FAMILY or"),
        ("regime", {**SELF, "address": "10.0.0.1"}, "address", "public address"),
        ("regime", {**SELF, "address": "home"}, "address", "as 49.36.10.7"),
        ("regime", {**FAMILY, "relation": "FRIEND"}, "relation", "SPOUSE"),
        ("regime", {**SELF, "reference": " "}, "reference", "at least 1"),
        ("regime", {**SELF, "valid_until": "2020-01-01T00:00:00Z"}, "valid_until", "lie ahead"),
        ("regime", {**SELF, "valid_until": "2027-01-01T00:00:00"}, "valid_until", "timezone"),
        ("egress", {"profile": "mumbai-1", **PAPERS}, "address", "is missing"),
        ("algo-id", {**ALGO_ID, "algo_id": "7 7"}, "algo_id", "match"),
    ],
)
async def test_what_is_no_evidence_is_refused_with_the_field_and_the_fix(
    world: World, operator: Person, what: str, body: dict[str, Any], field: str, fix: str
) -> None:
    account_id = await an_account(world)

    refused = await put(operator, account_id, what, body, status=422)

    assert field in refused["field"]
    assert fix in refused["message"]
    assert (await shown(operator, account_id))["evidence"] == []


async def test_only_operators_record_and_nobody_records_for_an_unknown_account(
    world: World, operator: Person
) -> None:
    account_id = await an_account(world)
    viewer = await world.person("viewer_operator")
    follower = await world.person("follower")

    await put(viewer, account_id, "regime", SELF, status=403)
    await put(follower, account_id, "regime", SELF, status=403)
    assert (await shown(viewer, account_id))["evidence"] == []
    unknown = await put(operator, str(uuid7()), "regime", SELF, status=404)
    assert unknown["field"] == "account_id"
    nothing = await withdraw(operator, account_id, str(uuid7()))
    assert (nothing.status_code, nothing.json()["field"]) == (404, "evidence_id")
