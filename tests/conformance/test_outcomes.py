"""What is proof and what is not: lost answers, limits, dead sessions, a late clock."""

import asyncio
import time

import pytest

from libs.brokers.errors import NotSent, OutcomeUnknown, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession
from libs.trading.orders import OrderStatus
from tests.conformance.paper import PaperBroker
from tests.conformance.test_orders import TAG, placed, resting
from tests.factories import an_intent


@pytest.mark.parametrize("failure", ["drop", "http_500"])
async def test_order_whose_answer_was_lost_is_unknown_and_found_by_its_tag(
    broker: PaperBroker, session: BrokerSession, failure: str
) -> None:
    await broker.ask("PUT", "knobs", {"outcome": "act_then_fail", "failure": failure})

    with pytest.raises(OutcomeUnknown):
        await broker.orders.place_order(session, an_intent(terms=await resting(broker)))

    assert (await broker.seen(session, TAG)).status is OrderStatus.OPEN
    assert len(await broker.created_orders()) == 1


@pytest.mark.parametrize("failure", ["drop", "http_500"])
async def test_order_that_failed_before_it_was_taken_is_just_as_unknown(
    broker: PaperBroker, session: BrokerSession, failure: str
) -> None:
    await broker.ask("PUT", "knobs", {"outcome": "fail_before_act", "failure": failure})

    with pytest.raises(OutcomeUnknown):
        await broker.orders.place_order(session, an_intent(terms=await resting(broker)))

    assert await broker.orders.find_order(session, TAG) is None
    assert await broker.created_orders() == []


@pytest.mark.parametrize("failure", ["drop", "http_500"])
async def test_lost_answer_to_a_cancel_is_unknown_and_the_book_tells(
    broker: PaperBroker, session: BrokerSession, failure: str
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    await broker.ask(
        "PUT",
        "knobs",
        {"outcome": "act_then_fail", "failure": failure, "operations": ["cancel"]},
    )

    with pytest.raises(OutcomeUnknown):
        await broker.orders.cancel_order(session, first.broker_order_id, intent)

    await broker.eventually(session, TAG, OrderStatus.CANCELLED)


async def test_order_that_appears_late_is_absent_first(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "knobs", {"visibility_lag_s": 1.5})
    await placed(broker, session, an_intent(terms=await resting(broker)))

    assert await broker.orders.find_order(session, TAG) is None
    assert await broker.orders.order_book(session) == []
    await asyncio.sleep(1.5)
    assert (await broker.seen(session, TAG)).status is OrderStatus.OPEN


async def test_unreadable_book_is_an_error_and_never_empty(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask(
        "PUT",
        "knobs",
        {"outcome": "fail_before_act", "failure": "http_500", "operations": ["book"]},
    )

    with pytest.raises(OutcomeUnknown):
        await broker.orders.order_book(session)
    with pytest.raises(OutcomeUnknown):
        await broker.orders.find_order(session, TAG)


async def test_too_many_orders_are_refused_unread_with_the_time_to_wait(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "limits", {"enabled": True, "orders_per_second": 1})
    intents = [
        an_intent(client_order_id=f"k3v9q0m2x7b1a0{n}", terms=await resting(broker))
        for n in range(5)
    ]

    outcomes = await asyncio.gather(
        *(broker.orders.place_order(session, intent) for intent in intents), return_exceptions=True
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    assert refused
    assert len(await broker.created_orders()) == len(intents) - len(refused)
    for refusal in refused:
        assert 0 < refusal.retry_after_s <= 1.5
        assert not refusal.day_blocked
    await asyncio.sleep(max(refusal.retry_after_s for refusal in refused))
    await placed(broker, session, intents[-1])


async def test_account_blocked_for_the_day_is_told(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "limits", {"enabled": True, "requests_per_day": 0})

    with pytest.raises(RateLimited) as raised:
        await broker.orders.place_order(session, an_intent(terms=await resting(broker)))

    # In the last minutes of an Indian day the block is as short as any wait.
    assert raised.value.day_blocked or raised.value.retry_after_s <= 600


async def test_order_of_a_dead_session_is_refused_unread(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    await broker.ask("POST", "sessions/expire", {"client_id": session.client_id})

    for request in (
        broker.orders.place_order(session, an_intent(client_order_id="k3v9q0m2x7b1a02")),
        broker.orders.modify_order(session, first.broker_order_id, intent),
        broker.orders.cancel_order(session, first.broker_order_id, intent),
    ):
        with pytest.raises(SessionExpired):
            await request
    assert len(await broker.created_orders()) == 1


async def test_order_past_its_instant_never_leaves(
    broker: PaperBroker, session: BrokerSession
) -> None:
    intent = an_intent(terms=await resting(broker))
    late = time.monotonic() - 0.01

    for request in (
        broker.orders.place_order(session, intent, not_after=late),
        broker.orders.modify_order(session, "26010100000404", intent, not_after=late),
        broker.orders.cancel_order(session, "26010100000404", intent, not_after=late),
    ):
        with pytest.raises(NotSent):
            await request
    operations = {entry["operation"] for entry in await broker.journal("arrival")}
    assert not operations & {"place", "modify", "cancel"}


async def test_warming_asks_nothing_of_any_account(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "limits", {"enabled": True, "requests_per_day": 1})

    await broker.orders.warm([session] * 20)

    await placed(broker, session, an_intent(terms=await resting(broker)))


async def test_slow_answers_of_one_account_hold_nobody_up(
    broker: PaperBroker, session: BrokerSession
) -> None:
    other = await broker.a_session("XB00002")
    await broker.ask("PUT", "knobs", {"client_id": session.client_id, "latency_ms": 5000})
    intent = an_intent(terms=await resting(broker))
    slow = [asyncio.create_task(broker.orders.place_order(session, intent)) for _ in range(3)]
    await asyncio.sleep(0.1)

    await placed(broker, other, intent)

    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
