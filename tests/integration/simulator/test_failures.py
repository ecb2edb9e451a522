"""Failures as bytes on a real line: resets, silence, a byte a second, and callers that leave."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.brokers.fyers import wire
from libs.brokers.fyers.orders import FyersOrders
from libs.brokers.http import PyreqwestTransport, TransportLimits
from libs.brokers.protocol import BrokerSession
from tests.conformance.paper import PaperBroker
from tests.conformance.test_orders import resting
from tests.factories import an_intent

MIB = 1024 * 1024
BODY = b'{"symbol":"NSE:SBIN-EQ"}'
HEAD = (
    b"POST /api/v3/orders/sync HTTP/1.1\r\nhost: simulator\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n"
)
DEADLINE_S = 1.5


async def a_line(broker: PaperBroker) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = broker.control.base_url
    return await asyncio.open_connection(url.host, url.port)


async def arrivals(broker: PaperBroker) -> list[Any]:
    return [it for it in await broker.journal("arrival") if it["operation"] == "place"]


async def eventually_arrived(broker: PaperBroker) -> Any:
    for _ in range(100):
        if found := await arrivals(broker):
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError("nothing arrived within two seconds")


async def fail(broker: PaperBroker, failure: str, **more: Any) -> None:
    await broker.ask("PUT", "knobs", {"outcome": "FAIL_BEFORE_ACT", "failure": failure, **more})


def impatient(broker: PaperBroker) -> FyersOrders:
    limits = TransportLimits(idle_s=50, total_s=DEADLINE_S)
    writes = PyreqwestTransport(broker.addresses, wire.COMMON_HEADERS, limits)
    return FyersOrders(broker.addresses, writes=writes)


@pytest.mark.parametrize("outcome", ["ACT_THEN_FAIL", "FAIL_BEFORE_ACT"])
@pytest.mark.parametrize("failure", ["HANG", "SLOW_LORIS"])
async def test_answer_that_never_ends_is_unknown_at_the_deadline_and_sent_once(
    broker: PaperBroker, session: BrokerSession, failure: str, outcome: str
) -> None:
    await broker.ask("PUT", "knobs", {"outcome": outcome, "failure": failure})
    intent = an_intent(terms=await resting(broker))
    began_s = time.monotonic()

    async with aclosing(impatient(broker)) as orders:
        placing = asyncio.create_task(orders.place_order(session, intent))
        arrival = await eventually_arrived(broker)
        assert not placing.done()
        with pytest.raises(OutcomeUnknown):
            await placing

    assert time.monotonic() - began_s >= DEADLINE_S
    assert (arrival["failure"], arrival["answered"]) == (failure.lower(), False)
    assert len(await arrivals(broker)) == 1
    assert len(await broker.created_orders()) == (outcome == "ACT_THEN_FAIL")
    [knob] = (await broker.ask("GET", "knobs"))["knobs"]
    assert knob["bytes_sent"] <= DEADLINE_S + 1


async def test_reset_line_ends_in_a_reset_and_a_dropped_one_in_an_end(broker: PaperBroker) -> None:
    for failure, is_reset in (("RST", True), ("DROP", False)):
        await fail(broker, failure)
        reader, writer = await a_line(broker)
        writer.write(HEAD % len(BODY) + BODY)
        try:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            assert not is_reset
        except ConnectionResetError:
            assert is_reset
        finally:
            writer.close()


async def test_hang_holds_the_line_and_serves_others_meanwhile(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await fail(broker, "HANG", requests=1)
    reader, writer = await a_line(broker)
    writer.write(HEAD % len(BODY) + BODY)
    await eventually_arrived(broker)

    report = await broker.orders.place_order(session, an_intent(terms=await resting(broker)))

    assert report.broker_order_id
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    writer.close()


async def test_endless_answer_waits_for_its_reader_and_ends_when_he_leaves(
    broker: PaperBroker,
) -> None:
    async def sent() -> int:
        return int((await broker.ask("GET", "knobs"))["knobs"][0]["bytes_sent"])

    await fail(broker, "HUGE", huge_mib=1024)
    _, writer = await a_line(broker)
    writer.write(HEAD % len(BODY) + BODY)
    await eventually_arrived(broker)
    before, now = -1, 0
    while now != before:
        await asyncio.sleep(0.2)
        before, now = now, await sent()

    # Unread, it stops at what the socket buffers on both sides hold.
    assert 0 < now < 32 * MIB
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert await sent() <= now + MIB


async def test_request_cut_in_the_middle_is_written_down_and_does_nothing(
    broker: PaperBroker, session: BrokerSession
) -> None:
    _, writer = await a_line(broker)
    writer.write(HEAD % 1000 + BODY)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()

    arrival = await eventually_arrived(broker)

    assert (arrival["whole"], arrival["answered"]) == (False, False)
    assert await broker.created_orders() == []
