"""Records of the bus reach the sockets; a bus that cannot be read is announced."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from libs.contracts import codec, topics
from libs.runtime.identity import Principal, Role
from libs.trading.accounts import Account
from services.streaming.relay import Relay
from services.streaming.sockets import ClientSocket, Hub
from tests.factories import NOON, an_account, an_order_changed


@dataclass
class KafkaRecord:
    topic: str
    value: bytes | None
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: Any = ()


class ReaderOf:
    """Hands out these batches, then gives up."""

    ready = True

    def __init__(self, *batches: list[KafkaRecord]) -> None:
        self.given = batches
        self.stopped = False

    async def start(self) -> None:
        return None

    async def batches(self) -> AsyncIterator[list[KafkaRecord]]:
        for batch in self.given:
            yield batch

    async def stop(self) -> None:
        self.stopped = True


@dataclass
class Bus:
    answering: bool = True

    async def answers(self) -> bool:
        return self.answering


@dataclass
class Learned:
    accounts: list[Account] = field(default_factory=list)

    def __call__(self, accounts: Iterable[Account]) -> None:
        self.accounts += accounts


def a_relay(reader: ReaderOf, bus: Bus, learned: Learned | None = None) -> tuple[Relay, Hub]:
    hub = Hub()
    relay = Relay(
        open_reader=lambda: reader, bus_answers=bus.answers, hub=hub, learn=learned or Learned()
    )
    return relay, hub


def a_listener(hub: Hub) -> ClientSocket:
    principal = Principal("user-1", frozenset({Role.FOLLOWER}), "user-1@x", "cookie")
    socket = ClientSocket(principal, "token")
    hub.admit(socket, NOON)
    return socket


def types(socket: ClientSocket) -> list[str]:
    return [orjson.loads(socket.line.get_nowait())["type"] for _ in range(socket.line.qsize())]


async def test_events_are_relayed_and_an_unreadable_record_stops_nothing() -> None:
    changed, account = an_order_changed(), an_account()
    reader = ReaderOf(
        [
            KafkaRecord(topics.ORDER_EVENTS, b"\xff\xff"),
            KafkaRecord(topics.ORDER_EVENTS, codec.encode(changed)),
        ],
        [KafkaRecord(topics.SESSION_EVENTS, codec.encode(account))],
    )
    learned = Learned()
    relay, hub = a_relay(reader, Bus(), learned)
    socket = a_listener(hub)

    await relay.read()

    assert types(socket) == ["hello", "order", "session"]
    assert learned.accounts == [account]
    assert reader.stopped


async def test_a_burst_does_not_make_a_quick_reader_look_slow() -> None:
    event = codec.encode(an_order_changed())
    relay, hub = a_relay(ReaderOf([KafkaRecord(topics.ORDER_EVENTS, event)] * 2_000), Bus())
    socket = a_listener(hub)
    read = 0

    async def read_all() -> None:
        nonlocal read
        while True:
            await socket.line.get()
            read += 1

    reading = asyncio.create_task(read_all())
    await relay.read()
    reading.cancel()

    assert not socket.ending.done()
    assert read > 1_900


async def test_one_missed_look_is_no_news_two_are() -> None:
    bus = Bus()
    relay, hub = a_relay(ReaderOf(), bus)
    relay._reader = ReaderOf()  # noqa: SLF001  # As if it were reading.
    socket = a_listener(hub)

    for answering in (True, False, True, False, False, False, True):
        bus.answering = answering
        await relay.watch()

    assert types(socket) == ["hello", "stale", "resync"]


async def test_without_a_reader_the_clients_are_told() -> None:
    relay, hub = a_relay(ReaderOf(), Bus())
    socket = a_listener(hub)

    await relay.watch()
    await relay.watch()

    assert types(socket) == ["hello", "stale"]
