"""The order of events when a broker speaks of a master's own order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import pytest

from libs.brokers.registry import manifest
from libs.contracts import codec, topics
from libs.runtime.problems import Problem
from libs.trading.events import BrokerUpdate
from libs.trading.orders import OrderStatus, Side
from libs.trading.signals import CopyMode, Signal, SignalAction
from libs.trading.tags import mint_client_order_id
from services.signal.capture import RECORDS_MAX, CaptureFlow, CaptureReader
from services.signal.capture_decision import Capture, CapturedOrder, Held
from services.signal.refusals import backlog_full, invalid
from services.signal.replay import SignalRequest
from tests.factories import NOON, a_signal
from tests.unit.services.signal.test_capture_decision import CAPTURE, MARKET, word

KEY = bytes.fromhex("5c" * 32)
NOON_BEFORE = NOON - timedelta(days=1)


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

    async def held(self, capture: Capture, instrument: str, product: str) -> Held:
        return Held(net=self.net)

    async def keep(self, capture: Capture, order: CapturedOrder) -> None:
        error, self.fails_once = self.fails_once, None
        if error:
            raise error
        before = self.kept.get(order.broker_order_id)
        filled = order.filled_quantity - (before.filled_quantity if before else 0)
        self.net += filled * (order.side.sign if order.side else 0)
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
        asked = earlier.proposal
        return replace(
            a_signal(),
            signal_id=f"signal {number}",
            action=asked.action,
            terms=asked.terms,
            filled_before=asked.filled_before or 0,
            filled_after=asked.filled_after,
        )

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


async def test_an_order_that_turns_a_position_round_is_two_signals() -> None:
    room = Room()
    room.book.net = 4

    await room.hear(
        word(OrderStatus.FILLED, side=Side.SELL, terms=MARKET, filled_quantity=10),
        word(OrderStatus.FILLED, side=Side.SELL, terms=MARKET, filled_quantity=10),
    )

    assert room.signals.actions == [SignalAction.EXIT, SignalAction.PLACE]
    assert room.book.net == -6
    assert room.book.kept["order-1"].signal_id == "signal 1"


def parts(room: Room) -> list[tuple[str, int, int]]:
    found = []
    for request in room.signals.accepted.values():
        asked = request.proposal
        assert asked.terms is not None
        whole = asked.terms.quantity
        if asked.filled_after is None:
            found.append((asked.action.value, whole, asked.held_quantity or 0))
        else:
            found.append((asked.action.value, asked.filled_before or 0, asked.filled_after))
    return found


BY_FILLS = replace(CAPTURE, copy_mode=CopyMode.FILLS)


async def test_each_fill_is_a_signal_once_however_often_it_is_told() -> None:
    room = Room(BY_FILLS)

    await room.hear(
        word(),
        word(OrderStatus.PARTIAL, filled_quantity=3, after_s=2),
        word(OrderStatus.PARTIAL, filled_quantity=3, after_s=2),
        word(OrderStatus.FILLED, filled_quantity=10, after_s=3),
        word(OrderStatus.FILLED, filled_quantity=10, after_s=3),
        word(OrderStatus.PARTIAL, filled_quantity=3, after_s=2),
    )

    assert parts(room) == [("PLACE", 0, 3), ("PLACE", 3, 10)]
    assert room.book.kept["order-1"].status is OrderStatus.FILLED


async def test_a_fill_through_flat_closes_first_and_opens_then() -> None:
    room = Room(BY_FILLS)
    room.book.net = 4

    await room.hear(word(OrderStatus.FILLED, side=Side.SELL, filled_quantity=10))

    assert parts(room) == [("EXIT", 4, 0), ("PLACE", 4, 10)]
    assert room.book.net == -6


async def test_what_was_filled_during_a_crash_is_copied_and_nothing_twice() -> None:
    room = Room(BY_FILLS)
    room.book.fails_once = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await room.hear(word(OrderStatus.PARTIAL, filled_quantity=3))

    await room.hear(word(OrderStatus.FILLED, filled_quantity=10, after_s=3))

    assert parts(room) == [("PLACE", 0, 3), ("PLACE", 3, 10)]
    assert room.book.kept["order-1"].filled_quantity == 10


async def test_a_fill_of_an_order_from_before_the_capture_is_history() -> None:
    room = Room(BY_FILLS)

    await room.hear(word(OrderStatus.FILLED, filled_quantity=10, placed_at=NOON_BEFORE))

    assert not room.signals.accepted


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
