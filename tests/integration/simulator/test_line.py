"""The line between an executor and its broker breaks: what proves not sent and what nothing."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from libs.brokers.errors import BrokerError, NotSent, OutcomeUnknown
from libs.brokers.fyers import wire
from libs.brokers.fyers.orders import FyersOrders
from libs.brokers.http import PyreqwestTransport, TransportLimits
from libs.brokers.protocol import BrokerSession
from libs.brokers.registry import manifest
from libs.trading.accounts import Environment
from tests.conformance.paper import PaperBroker
from tests.conformance.test_orders import resting
from tests.factories import an_intent
from tests.faults.chaos_proxy import ChaosProxy

DEADLINE_S = 1.5


@pytest.fixture
async def proxy(broker: PaperBroker) -> AsyncIterator[ChaosProxy]:
    url = broker.control.base_url
    assert url.port
    async with ChaosProxy((url.host, url.port)) as proxy:
        yield proxy


@asynccontextmanager
async def orders_through(proxy: ChaosProxy) -> AsyncIterator[FyersOrders]:
    """Give an adapter that is impatient and reaches the broker through the proxy only."""
    url = f"http://127.0.0.1:{proxy.port}"
    addresses = manifest("fyers").addresses(Environment.PAPER, url)
    limits = TransportLimits(idle_s=50, connect_s=1, total_s=DEADLINE_S)
    writes = PyreqwestTransport(addresses, wire.COMMON_HEADERS, limits)
    async with aclosing(FyersOrders(addresses, writes=writes)) as orders:
        yield orders


async def places(broker: PaperBroker) -> int:
    return sum(it["operation"] == "place" for it in await broker.journal("arrival"))


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize(
    ("kind", "attributes", "arrives"),
    [
        ("blackhole", {"stream": "upstream"}, False),
        ("blackhole", {"stream": "downstream"}, True),
        ("timeout", {"stream": "downstream", "timeout_ms": 300}, True),
        ("latency", {"stream": "downstream", "latency_ms": 60_000}, True),
        ("bandwidth", {"stream": "downstream", "rate_kib_s": 0.01}, True),
        ("limit_data", {"stream": "downstream", "bytes": 40}, True),
        ("limit_data", {"stream": "upstream", "bytes": 60}, False),
    ],
)
async def test_line_that_breaks_under_an_order_proves_nothing(
    broker: PaperBroker,
    session: BrokerSession,
    proxy: ChaosProxy,
    *,
    kind: str,
    attributes: dict[str, Any],
    arrives: bool,
    is_kept: bool,
) -> None:
    intent = an_intent(terms=await resting(broker))
    async with orders_through(proxy) as orders:
        if is_kept:
            await orders.warm([session])
        await proxy.add(kind, **attributes)

        with pytest.raises(OutcomeUnknown):
            await orders.place_order(session, intent)

    assert len(await broker.created_orders()) == arrives
    assert await places(broker) <= 1


async def test_refused_connection_is_proof_that_nothing_was_sent(
    broker: PaperBroker, session: BrokerSession, proxy: ChaosProxy
) -> None:
    intent = an_intent(terms=await resting(broker))
    async with orders_through(proxy) as orders:
        await proxy.add("down")
        with pytest.raises(NotSent):
            await orders.place_order(session, intent)
        await proxy.remove("down")

        report = await orders.place_order(session, intent)

    assert report.broker_order_id
    assert await places(broker) == 1


async def test_kept_line_that_was_cut_meanwhile_never_makes_two_orders(
    broker: PaperBroker, session: BrokerSession, proxy: ChaosProxy
) -> None:
    async with orders_through(proxy) as orders:
        for number in range(20):
            await orders.warm([session])
            proxy.cut(reset=number % 2 == 0)
            intent = an_intent(client_order_id=f"cut{number}", terms=await resting(broker))
            try:
                await orders.place_order(session, intent)
            except BrokerError as error:
                outcome: BrokerError | None = error
            else:
                outcome = None
            created = [it for it in await broker.created_orders() if it["tag"] == f"cut{number}"]
            assert len(created) <= 1
            # Proof of not sent must hold, and so must an answer.
            assert not (isinstance(outcome, NotSent) and created)
            assert outcome is not None or created
