import asyncio
from typing import cast

import pytest
from aiokafka.errors import KafkaConnectionError

from libs.runtime.bus import BusUnavailable, KafkaBus, Publisher
from libs.runtime.outbox import OutboxMessage


class BusThatMayBeAway:
    """Confirms at once, or never; counts what was handed to its buffer."""

    def __init__(self) -> None:
        self.away = False
        self.buffered: list[bytes] = []
        self.pings = 0

    async def hand_over(self, message: OutboxMessage, partition: int) -> asyncio.Future[None]:
        self.buffered.append(message.payload)
        confirmed = asyncio.get_running_loop().create_future()
        if not self.away:
            confirmed.set_result(None)
        return confirmed

    async def ping(self, timeout: float) -> bool:  # noqa: ASYNC109  # FastStream's name.
        self.pings += 1
        return not self.away


class BusThatFails(BusThatMayBeAway):
    async def hand_over(self, message: OutboxMessage, partition: int) -> asyncio.Future[None]:
        raise KafkaConnectionError("connection lost")


def publisher(bus: BusThatMayBeAway) -> Publisher:
    return Publisher(cast(KafkaBus, bus), timeout_s=0.05)


async def publish(to: Publisher) -> None:
    await to.publish("signals.v1", key="k", partition=0, payload=b"x")


async def test_while_the_bus_is_away_a_repeated_message_is_buffered_once() -> None:
    bus = BusThatMayBeAway()
    bus.away = True
    to = publisher(bus)

    for _ in range(5):
        with pytest.raises(BusUnavailable):
            await publish(to)
    bus.away = False
    await publish(to)
    await publish(to)

    assert len(bus.buffered) == 3  # The one that timed out, and the two confirmed.
    assert bus.pings == 5  # Asked only while in doubt.


async def test_a_confirmation_that_never_comes_is_waited_for_within_the_bound() -> None:
    bus = BusThatMayBeAway()
    bus.away = True

    with pytest.raises(BusUnavailable, match=r"not confirmed within 0\.05 s"):
        async with asyncio.timeout(2):
            await publish(publisher(bus))


async def test_an_error_of_the_client_is_the_bus_being_unavailable() -> None:
    with pytest.raises(BusUnavailable, match="connection lost"):
        await publish(publisher(BusThatFails()))
