"""Operators decide about orders whose evidence is not clear, over HTTP, on a real ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.brokers.errors import OutcomeUnknown
from libs.runtime.identity import Role
from libs.trading.orders import OrderReport, OrderStatus
from tests.factories import some_terms
from tests.integration.executor.conftest import BUSY, a_world, running
from tests.integration.executor.people import AuthByKey, as_, calling
from tests.integration.executor.world import World
from tests.servers import Database

REASON = "asked the broker by telephone"


@dataclass(frozen=True, slots=True)
class Room:
    """A running world and the people who call its routes."""

    world: World
    auth: AuthByKey
    app: FastAPI

    async def ask(
        self, method: str, path: str, body: Any = None, role: Role = Role.OPERATOR
    ) -> httpx.Response:
        async with as_(role, self.auth, self.app) as client:
            return await client.request(method, path, json=body)

    async def waiting(self) -> dict[str, Any]:
        [item] = (await self.ask("GET", "/attention")).json()["orders"]
        assert isinstance(item, dict)
        return item

    async def decide(self, decision: str, **changes: Any) -> httpx.Response:
        """Decide about the one order that waits, in the version seen now."""
        item = await self.waiting()
        body = {"decision": decision, "reason": REASON, "version": item["version"], **changes}
        return await self.ask("POST", f"/attention/{item['order']['order_id']}/decisions", body)


@asynccontextmanager
async def a_room(database: Database, **settings: Any) -> AsyncIterator[Room]:
    """Give a room where one order, worth 8,125 rupees, moved a position without a trade."""
    async with a_world(database, BUSY, **settings) as world:
        follower = await world.a_follower()
        world.broker.fails[follower.account_id] = OutcomeUnknown("the line broke")
        world.broker.acts_then_fails = False
        async with running(world.replica), calling(world.owner) as (auth, app):
            app.state.replica = world.replica
            await world.emit_and_hear(terms=some_terms())
            await world.until("UNKNOWN")
            world.broker.carried["NSE:SBIN"] = 10
            await world.until("NEEDS_ATTENTION/UNEXPLAINED_FILL")
            world.broker.fails.clear()
            yield Room(world, auth, app)


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    async with a_room(database) as room:
        yield room


async def test_an_operator_sees_both_records_and_what_is_at_stake(room: Room) -> None:
    item = await room.waiting()

    assert item["order"]["state"] == "NEEDS_ATTENTION"
    assert (item["value"], item["second_person"]) == ("8125.00", False)
    assert [said["source"] for said in item["said"]] == ["REPLY"]
    assert item["candidates"] == []


async def test_not_placed_frees_the_instrument_and_is_watched(room: Room) -> None:
    answer = await room.decide("MARK_NOT_PLACED")

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["confirmed_by"]) == ("DONE", None)
    assert await room.world.states() == ["NOT_PLACED"]
    assert await room.world.owner.fetchval(
        "SELECT count(*) FROM executor.watched_orders WHERE ended_at IS NULL"
    )
    [order] = await room.world.orders()
    assert REASON in order["message"]


async def test_reissue_sends_another_order_once_under_a_new_tag(room: Room) -> None:
    answer = (await room.decide("REISSUE")).json()
    await room.world.until("NOT_PLACED", "ACKED")

    old, new = sorted(await room.world.orders(), key=lambda row: int(row["issue"]))
    assert (new["order_id"], new["caused_by"]) == (answer["new_order_id"], old["order_id"])
    assert (old["issue"], new["issue"]) == (0, 1)
    assert old["client_order_id"] != new["client_order_id"]
    assert new["request_hash"] == old["request_hash"]
    tags = [intent.client_order_id for intent in room.world.broker.arrivals]
    assert tags == [old["client_order_id"], new["client_order_id"]]


async def test_reissue_obeys_the_stops_like_any_entry(room: Room) -> None:
    await room.world.owner.execute(
        """INSERT INTO executor.kill_switches (scope, reason, changed_by)
        VALUES ('PLATFORM', 'drill', gen_random_uuid())"""
    )
    await room.decide("REISSUE")
    await room.world.until("NOT_PLACED", "SKIPPED/KILL")

    assert len(room.world.broker.arrivals) == 1


async def test_link_takes_what_the_broker_shows(room: Room) -> None:
    [order] = await room.world.orders()
    room.world.broker.book["own"] = OrderReport(
        status=OrderStatus.FILLED,
        broker_order_id="B42",
        instrument="NSE:SBIN",
        filled_quantity=10,
        average_price=some_terms().limit_price,
    )
    rereading = room.world.replica.reconciliation.rereading
    assert await rereading.read_book(order["account_id"])
    assert [c["broker_order_id"] for c in (await room.waiting())["candidates"]] == ["B42"]

    refused = await room.decide("LINK", broker_order_id="B41")
    assert (refused.status_code, refused.json()["field"]) == (422, "broker_order_id")
    assert (await room.decide("LINK", broker_order_id="B42")).status_code == 200

    [order] = await room.world.orders()
    assert (order["state"], order["broker_order_id"]) == ("FILLED", "B42")
    assert order["filled_quantity"] == 10


async def test_abandon_ends_the_order_and_leaves_it_in_peace(room: Room) -> None:
    assert (await room.decide("ABANDON")).status_code == 200

    assert await room.world.states() == ["LAPSED/ABANDONED"]
    assert (await room.ask("GET", "/attention")).json() == {"orders": []}


async def test_a_decision_about_an_older_version_is_refused(room: Room) -> None:
    refused = await room.decide("ABANDON", version=1)

    assert (refused.status_code, refused.json()["code"]) == (409, "ORDER_CHANGED")
    assert await room.world.states() == ["NEEDS_ATTENTION/UNEXPLAINED_FILL"]


@pytest.mark.parametrize("body", [{"reason": "because"}, {"decision": "RESEND"}, {"version": "x"}])
async def test_a_decision_without_a_real_reason_is_no_decision(room: Room, body: Any) -> None:
    refused = await room.decide(**{"decision": "ABANDON", **body})

    assert refused.status_code == 422
    assert refused.json()["field"] in body


async def test_only_operators_decide(room: Room) -> None:
    item = await room.waiting()
    path = f"/attention/{item['order']['order_id']}/decisions"
    body = {"decision": "ABANDON", "reason": REASON, "version": item["version"]}

    for role in (Role.FOLLOWER, Role.MASTER, Role.VIEWER_OPERATOR):
        assert (await room.ask("POST", path, body, role)).status_code == 403
    assert (await room.ask("GET", "/attention", role=Role.VIEWER_OPERATOR)).status_code == 200
    assert (await room.ask("GET", "/attention", role=Role.FOLLOWER)).status_code == 403


async def test_above_the_limit_one_person_is_not_enough(database: Database) -> None:
    async with a_room(database, second_person_above_rupees=8_124) as room:
        answer = await room.decide("REISSUE")
        assert (answer.status_code, answer.json()["state"]) == (202, "PROPOSED")
        assert await room.world.states() == ["NEEDS_ATTENTION/UNEXPLAINED_FILL"]

        confirm = f"/attention/decisions/{answer.json()['decision_id']}/confirm"
        alone = await room.ask("POST", confirm)
        assert (alone.status_code, alone.json()["code"]) == (409, "SECOND_PERSON_NEEDED")
        assert len(await room.world.orders()) == 1

        both = await room.ask("POST", confirm, role=Role.ADMIN)
        assert both.status_code == 200
        await room.world.until("NOT_PLACED", "ACKED")
        again = await room.ask("POST", confirm, role=Role.ADMIN)
        assert (again.status_code, again.json()["code"]) == (409, "DECISION_CLOSED")

    assert both.json()["decided_by"] == room.auth.user_ids[Role.OPERATOR]
    assert both.json()["confirmed_by"] == room.auth.user_ids[Role.ADMIN]


async def test_a_newer_decision_replaces_the_one_that_waits(database: Database) -> None:
    async with a_room(database, second_person_above_rupees=0) as room:
        first = (await room.decide("REISSUE")).json()["decision_id"]
        second = (await room.decide("ABANDON")).json()["decision_id"]

        stale = await room.ask("POST", f"/attention/decisions/{first}/confirm", role=Role.ADMIN)
        assert stale.json()["code"] == "DECISION_CLOSED"
        done = await room.ask("POST", f"/attention/decisions/{second}/confirm", role=Role.ADMIN)
        assert done.status_code == 200
        assert await room.world.states() == ["LAPSED/ABANDONED"]
