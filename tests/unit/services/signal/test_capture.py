"""The order of events when a broker speaks of a master's own order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import asyncpg
import pytest

from libs.brokers.registry import manifest
from libs.contracts import codec, topics
from libs.runtime.problems import Problem
from libs.trading.events import BrokerUpdate
from libs.trading.orders import OrderStatus, Side
from libs.trading.signals import Signal, SignalAction
from libs.trading.tags import mint_client_order_id
from services.signal.capture import RECORDS_MAX, CaptureFlow, CaptureReader
from services.signal.capture_decision import Capture, CapturedOrder
from services.signal.refusals import backlog_full, invalid
from services.signal.replay import SignalRequest
from tests.factories import a_signal
from tests.unit.services.signal.test_capture_decision import CAPTURE, MARKET, word

KEY = bytes.fromhex("5c" * 32)


class MemoryBook:
    def __init__(self, capture: Capture = CAPTURE) -> None:
        self.capture = capture
        self.kept: dict[str, CapturedOrder] = {}
        self.net = 0
        self.fails_once: Exception | None = None

    async def captures_on(self) -> Mapping[str, Capture]:
        return {self.capture.account_id: self.capture}

    async def order(self, capture: Capture, broker_order_id: str) -> CapturedOrder | None:
        return self.kept.get(broker_order_id)

    async def net_quantity(self, capture: Capture, instrument: str, product: str) -> int:
        return self.net

    async def keep(self, capture: Capture, order: CapturedOrder) -> None:
        error, self.fails_once = self.fails_once, None
        if error:
            raise error
        self.kept[order.broker_order_id] = order


class SignalsByKey:
    def __init__(self) -> None:
        self.accepted: dict[str, SignalRequest] = {}
        self.problem: Problem | None = None

    async def accept(self, request: SignalRequest) -> Signal:
        if self.problem:
            raise self.problem
        earlier = self.accepted.setdefault(request.idempotency_key, request)
        assert earlier.request_hash == request.request_hash
        number = list(self.accepted).index(request.idempotency_key)
        action = request.proposal.action
        return replace(a_signal(), signal_id=f"signal {number}", action=action)

    @property
    def actions(self) -> list[SignalAction]:
        return [request.proposal.action for request in self.accepted.values()]


class Room:
    def __init__(self, capture: Capture = CAPTURE) -> None:
        self.book = MemoryBook(capture)
        self.signals = SignalsByKey()
        self.flow = CaptureFlow(book=self.book, signals=self.signals, tag_key=KEY)
        self.reader = CaptureReader(self.flow)

    async def hear(self, *updates: BrokerUpdate) -> None:
        for update in updates:
            await self.flow.take(self.book.capture, update)


@dataclass(slots=True)
class Raw:
    value: bytes | None
    key: bytes | None = b"account-1"
    topic: str = topics.BROKER_UPDATES
    partition: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def raw(update: BrokerUpdate) -> Raw:
    return Raw(codec.encode(update), update.account_id.encode())


async def test_the_life_of_an_order_becomes_signals() -> None:
    room = Room()
    cheaper = replace(MARKET, quantity=7)

    await room.hear(
        word(OrderStatus.ACKED),
        word(),
        word(),
        word(terms=cheaper, after_s=3),
        word(OrderStatus.CANCELLED, after_s=4, terms=cheaper),
        word(OrderStatus.CANCELLED, after_s=4, terms=cheaper),
    )

    assert room.signals.actions == [SignalAction.PLACE, SignalAction.MODIFY, SignalAction.CANCEL]
    requests = list(room.signals.accepted.values())
    assert {request.proposal.parent_signal_id for request in requests[1:]} == {"signal 0"}
    assert {request.master_id for request in requests} == {"master-1"}


async def test_our_own_orders_never_echo() -> None:
    room = Room()

    await room.hear(word(client_order_id=mint_client_order_id(KEY)))
    await room.hear(word(client_order_id=mint_client_order_id(b"another key"), side=Side.SELL))

    assert [r.proposal.side for r in room.signals.accepted.values()] == [Side.SELL]


@pytest.mark.parametrize(("follows_too", "signals"), [(True, 0), (False, 1)])
async def test_where_tags_do_not_come_back_nothing_is_captured_beside_a_follow(
    follows_too: bool, signals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold = replace(manifest(CAPTURE.broker), tags_echoed=False)
    monkeypatch.setattr("services.signal.capture.manifest", lambda _: untold)
    room = Room(replace(CAPTURE, follows_too=follows_too))

    await room.hear(word())

    assert len(room.signals.accepted) == signals


async def test_a_crash_between_signal_and_note_makes_no_second_signal() -> None:
    room = Room()
    room.book.fails_once = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await room.hear(word())

    # By then the order has gone on.
    await room.hear(word(OrderStatus.PARTIAL, filled_quantity=4, after_s=2))

    assert room.signals.actions == [SignalAction.PLACE]
    assert room.book.kept["order-1"].signal_id == "signal 0"


async def test_what_the_signals_refuse_is_noted_and_not_tried_again() -> None:
    room = Room()
    room.signals.problem = invalid("instrument", "is not for you")
    await room.hear(word())
    room.signals.problem = None

    await room.hear(word(OrderStatus.PARTIAL, filled_quantity=4, after_s=2))

    kept = room.book.kept["order-1"]
    assert room.signals.accepted == {}
    assert (kept.signal_id, kept.action) == (None, None)
    assert "is not for you" in kept.problem


async def test_a_batch_waits_out_a_full_outbox_and_is_then_taken_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.signal.capture._BACKOFF_FIRST_S", 0.001)
    room = Room()
    room.signals.problem = backlog_full(SignalAction.PLACE)
    waited = 0

    async def captures_on() -> Mapping[str, Capture]:
        nonlocal waited
        waited += 1
        if waited == 3:
            room.signals.problem = None
        return {"account-1": CAPTURE}

    monkeypatch.setattr(room.book, "captures_on", captures_on)

    assert await room.reader.take([raw(word()), raw(word(terms=MARKET, after_s=3))])
    assert room.signals.actions == [SignalAction.PLACE, SignalAction.MODIFY]


async def test_a_closing_process_leaves_its_batch_to_the_next() -> None:
    room = Room()
    room.reader.close()

    assert not await room.reader.take([raw(word())])
    assert room.signals.accepted == {}


async def test_others_updates_and_what_cannot_be_read_stop_nobody() -> None:
    room = Room()
    records = [
        Raw(b"\xff\xff"),
        Raw(None),
        Raw(b"", None),
        raw(replace(word(), account_id="account-2")),
        raw(word()),
    ]

    assert await room.reader.take(records)
    assert len(room.signals.accepted) == 1


async def test_an_order_that_cannot_be_stored_stops_nobody_behind_it() -> None:
    room = Room()
    room.book.fails_once = asyncpg.DataError("invalid byte sequence")
    other = word()
    other = replace(other, report=replace(other.report, broker_order_id="order-2"))

    assert await room.reader.take([raw(word()), raw(other)])
    assert list(room.book.kept) == ["order-2"]


async def test_a_reader_rests_longer_while_nobody_captures_and_never_while_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room()
    rested: list[float] = []

    async def pause(_: CaptureReader, seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr(CaptureReader, "_pause", pause)
    await room.reader.rest(1)
    await room.reader.take([raw(word())])
    await room.reader.rest(1)
    await room.reader.rest(RECORDS_MAX)

    idle, at_work = rested
    assert idle > at_work
