"""Every way in which a broker's server can misspeak: nothing of it is proof, nothing goes twice.

A server that never answers, or a byte a second, costs the whole deadline: those two are tried with
a short one in tests/integration/simulator.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.brokers.http import BODY_BYTES_MAX
from libs.brokers.protocol import BrokerSession
from libs.paper.server.knobs import Failure
from libs.trading.orders import OrderStatus
from tests.conformance.paper import PaperBroker
from tests.conformance.test_orders import TAG, placed, resting
from tests.factories import an_intent

QUICK = [it for it in Failure if it not in {Failure.HANG, Failure.SLOW_LORIS}]
MIB = 1024 * 1024


async def arrivals(broker: PaperBroker, operation: str) -> list[Mapping[str, Any]]:
    return [it for it in await broker.journal("arrival") if it["operation"] == operation]


@pytest.mark.parametrize("outcome", ["ACT_THEN_FAIL", "FAIL_BEFORE_ACT"])
@pytest.mark.parametrize(
    ("failure", "is_reused"),
    [*((it, True) for it in QUICK), (Failure.DROP, False), (Failure.RST, False)],
)
async def test_misspoken_answer_to_an_order_is_unknown_and_sent_once(
    broker: PaperBroker, session: BrokerSession, failure: Failure, outcome: str, is_reused: bool
) -> None:
    intent = an_intent(terms=await resting(broker))
    if is_reused:
        # A client may send again by itself when a kept line breaks under it.
        await broker.orders.warm([session])
    await broker.ask("PUT", "knobs", {"outcome": outcome, "failure": failure.name})

    with pytest.raises(OutcomeUnknown):
        await broker.orders.place_order(session, intent)

    [arrival] = await arrivals(broker, "place")
    created = await broker.created_orders()
    assert (arrival["failure"], arrival["answered"]) == (failure, False)
    assert len(created) == (outcome == "ACT_THEN_FAIL")
    assert [arrival["order_id"]] == ([it["order_id"] for it in created] or [None])
    await broker.ask("DELETE", "knobs")
    found = await broker.orders.find_order(session, TAG)
    assert (found.status if found else None) is (OrderStatus.OPEN if created else None)


@pytest.mark.parametrize("failure", QUICK)
async def test_misspoken_answers_to_modify_and_cancel_are_unknown_and_sent_once(
    broker: PaperBroker, session: BrokerSession, failure: Failure
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    await broker.ask("PUT", "knobs", {"outcome": "fail_before_act", "failure": failure})

    with pytest.raises(OutcomeUnknown):
        await broker.orders.modify_order(session, first.broker_order_id, intent)
    with pytest.raises(OutcomeUnknown):
        await broker.orders.cancel_order(session, first.broker_order_id, intent)

    assert len(await arrivals(broker, "modify")) == len(await arrivals(broker, "cancel")) == 1


@pytest.mark.parametrize("failure", QUICK)
async def test_misspoken_book_is_an_error_and_never_empty(
    broker: PaperBroker, session: BrokerSession, failure: Failure
) -> None:
    await placed(broker, session, an_intent(terms=await resting(broker)))
    knob = {"outcome": "act_then_fail", "failure": failure, "operations": ["book"]}
    await broker.ask("PUT", "knobs", knob)

    with pytest.raises(OutcomeUnknown):
        await broker.orders.order_book(session)
    with pytest.raises(OutcomeUnknown):
        await broker.orders.find_order(session, TAG)


async def test_endless_answer_is_left_at_the_cap(
    broker: PaperBroker, session: BrokerSession
) -> None:
    knob = {"outcome": "act_then_fail", "failure": "huge", "huge_mib": 1024}
    await broker.ask("PUT", "knobs", knob)

    with pytest.raises(OutcomeUnknown, match=str(BODY_BYTES_MAX)):
        await broker.orders.place_order(session, an_intent(terms=await resting(broker)))

    # What the server got rid of beyond the cap lies in socket buffers, not with us.
    standing = (await broker.ask("GET", "knobs"))["knobs"][0]
    assert BODY_BYTES_MAX <= standing["bytes_sent"] < 64 * MIB


async def test_redirect_is_not_followed(broker: PaperBroker, session: BrokerSession) -> None:
    callers = []

    async def elsewhere(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = f"http://127.0.0.1:{port}"
        knob = {"outcome": "fail_before_act", "failure": "redirect", "redirect_to": target}
        await broker.ask("PUT", "knobs", knob)

        with pytest.raises(OutcomeUnknown, match="307"):
            await broker.orders.place_order(session, an_intent(terms=await resting(broker)))
        await asyncio.sleep(0.05)

    assert callers == []


async def test_order_without_its_tag_in_the_book_is_not_found_by_it(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "knobs", {"client_id": session.client_id, "echo_tags": False})
    await placed(broker, session, an_intent(terms=await resting(broker)))

    assert await broker.orders.find_order(session, TAG) is None
    [report] = await broker.orders.order_book(session)
    assert report.client_order_id is None
    await broker.ask("DELETE", "knobs")
    assert (await broker.seen(session, TAG)).status is OrderStatus.OPEN


async def test_order_the_owner_placed_himself_is_in_the_book_without_a_tag(
    broker: PaperBroker, session: BrokerSession
) -> None:
    wanted = {"client_id": session.client_id, "instrument": "NSE:SBIN", "quantity": 3}
    made = await broker.ask("POST", "foreign-order", wanted)

    [report] = await broker.orders.order_book(session)

    assert (report.broker_order_id, report.client_order_id) == (made["order_id"], None)
    assert report.status is OrderStatus.FILLED
    [entry] = await broker.created_orders()
    assert entry["by_owner"]
    assert await arrivals(broker, "place") == []
