"""The order of events when a signal is accepted or a follow changes."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from libs.contracts import codec, topics
from libs.runtime.outbox import Fresh, OutboxMessage
from libs.runtime.problems import Problem
from libs.trading.accounts import Account
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.orders import Product, Side
from libs.trading.shards import shard_of
from libs.trading.signals import CopyMode, Signal, SignalAction
from services.signal.flow import SignalFlow
from services.signal.proposal import Proposal
from services.signal.records import Earlier, Standing, StoredFollow, Strategy
from services.signal.replay import SignalRequest
from tests.factories import NOON, an_account, some_terms

DOUBLE = Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(2))


class MemoryLedger:
    """One master with one strategy and one counter; a block that fails leaves no trace."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.at = NOON
        self.signals: dict[str, Earlier] = {}
        self.follows: dict[str, StoredFollow] = {}
        self.messages: list[OutboxMessage] = []
        self.is_open = False

    @asynccontextmanager
    async def locked(self, master_id: str) -> AsyncIterator["MemoryLedger | None"]:
        kept = (self.last_seq, dict(self.signals), dict(self.follows), list(self.messages))
        self.is_open = True
        try:
            yield self if master_id == "master-1" else None
        except BaseException:
            self.last_seq, self.signals, self.follows, self.messages = kept
            raise
        finally:
            self.is_open = False

    async def strategy(self, strategy_id: str) -> Strategy | None:
        known = Strategy(
            strategy_id="strategy-1",
            master_id="master-1",
            name="Momentum",
            description="",
            equity=Decimal(1_000_000),
            copy_mode=CopyMode.ORDERS,
            created_at=NOON,
            changed_at=NOON,
        )
        return known if strategy_id == "strategy-1" else None

    async def account_of(self, user_id: str, account_id: str) -> Account | None:
        return an_account(account_id=account_id, user_id=user_id)

    async def follow_of(self, user_id: str, follow_id: str) -> StoredFollow | None:
        found = self.follows.get(follow_id)
        return found if found and found.follow.user_id == user_id else None

    async def standing(
        self,
        master_id: str,
        *,
        strategy_id: str,
        idempotency_key: str,
        parent_signal_id: str | None,
    ) -> Standing:
        return Standing(
            owns_strategy=(master_id, strategy_id) == ("master-1", "strategy-1"),
            equity=Decimal(1_000_000),
            copy_mode=CopyMode.ORDERS,
            earlier=self.signals.get(idempotency_key),
            parent=next(
                (e.signal for e in self.signals.values() if e.signal.signal_id == parent_signal_id),
                None,
            ),
        )

    async def write_signal(
        self, signal: Signal, *, idempotency_key: str, request_hash: bytes, message: OutboxMessage
    ) -> list[Fresh]:
        if idempotency_key in self.signals:
            return []
        self.last_seq = signal.seq
        self.signals[idempotency_key] = Earlier(signal=signal, request_hash=request_hash)
        return self._enqueued(message)

    async def running_follow_id(self, strategy_id: str, account_id: str) -> str | None:
        return next(
            (
                f.follow.follow_id
                for f in self.follows.values()
                if f.follow.account_id == account_id and f.follow.until_seq is None
            ),
            None,
        )

    async def follow(self, follow_id: str) -> StoredFollow:
        return self.follows[follow_id]

    async def write_new_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]:
        return await self.write_follow(follow, message)

    async def write_follow(
        self, follow: Follow, message: OutboxMessage
    ) -> tuple[StoredFollow, list[Fresh]]:
        stored = StoredFollow(follow=follow, created_at=NOON, changed_at=NOON)
        self.follows[follow.follow_id] = stored
        return stored, self._enqueued(message)

    def _enqueued(self, message: OutboxMessage) -> list[Fresh]:
        self.messages.append(message)
        return [(len(self.messages), message)]


class PublicationAfterCommit:
    """Refuses to hear of rows that others cannot see yet."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.started: list[int] = []
        self._ledger = ledger

    @contextmanager
    def line(self, key: str) -> Iterator[Callable[[Sequence[Fresh]], None]]:
        queued: list[int] = []
        yield lambda fresh: queued.extend(row for row, _ in fresh)
        assert not self._ledger.is_open
        self.started += queued


class BacklogThatRefuses:
    def __init__(self, *actions: SignalAction) -> None:
        self.actions = actions
        self.rows = 0

    def refuses(self, action: SignalAction) -> bool:
        return action in self.actions

    def grew(self, rows: int) -> None:
        self.rows += rows


class Room:
    """A flow with everything it needs, in memory."""

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        self.ledger = ledger or MemoryLedger()
        self.publication = PublicationAfterCommit(self.ledger)
        self.backlog = BacklogThatRefuses()
        self.flow = SignalFlow(
            ledger=self.ledger,
            backlog=self.backlog,
            publication=self.publication,
            partitions=4,
        )

    async def emit(self, proposal: Proposal, key: str, body: bytes = b"body") -> Signal:
        return await self.flow.accept(
            SignalRequest(
                master_id="master-1", proposal=proposal, idempotency_key=key, request_hash=body
            )
        )

    async def begin_follow(self, account_id: str = "account-1") -> StoredFollow:
        return await self.flow.follow(
            "user-1", strategy_id="strategy-1", account_id=account_id, sizing=DOUBLE
        )


PLACE = Proposal(
    strategy_id="strategy-1",
    action=SignalAction.PLACE,
    instrument="NSE:SBIN",
    side=Side.BUY,
    product=Product.INTRADAY,
    terms=some_terms(),
)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_signal_is_kept_as_it_is_published_and_goes_to_every_partition(
    room: Room,
) -> None:
    signal = await room.emit(PLACE, "k1")

    (message,) = room.ledger.messages
    assert (message.topic, message.key, message.partitions) == (
        topics.SIGNALS,
        "master-1",
        (0, 1, 2, 3),
    )
    assert codec.decode(topics.SIGNALS, message.payload) == signal
    assert room.publication.started == [1]
    assert room.backlog.rows == 1


async def test_the_same_request_gets_the_same_signal_and_nothing_is_sent_again(
    room: Room,
) -> None:
    first = await room.emit(PLACE, "k1")
    again = await room.emit(PLACE, "k1")

    assert again == first
    assert room.ledger.last_seq == 1
    assert room.publication.started == [1]


class LedgerThatLooksTooEarly(MemoryLedger):
    """Reads the key just before another request with it commits."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def standing(
        self,
        master_id: str,
        *,
        strategy_id: str,
        idempotency_key: str,
        parent_signal_id: str | None,
    ) -> Standing:
        self.looks += 1
        seen = await super().standing(
            master_id,
            strategy_id=strategy_id,
            idempotency_key=idempotency_key,
            parent_signal_id=parent_signal_id,
        )
        return replace(seen, earlier=None) if self.looks == 2 else seen


@pytest.mark.parametrize("body", [b"body", b"other"])
async def test_of_two_at_once_with_one_key_the_first_decides(body: bytes) -> None:
    room = Room(ledger=LedgerThatLooksTooEarly())
    first = await room.emit(PLACE, "k1")

    try:
        second = (await room.emit(PLACE, "k1", body=body)).signal_id
    except Problem as problem:
        second = problem.code

    assert second == (first.signal_id if body == b"body" else "IDEMPOTENCY_KEY_REUSED")
    assert (room.ledger.last_seq, room.publication.started) == (1, [1])


async def test_a_key_never_serves_two_bodies(room: Room) -> None:
    await room.emit(PLACE, "k1")

    with pytest.raises(Problem) as caught:
        await room.emit(PLACE, "k1", body=b"other")

    assert (caught.value.status, caught.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert room.ledger.last_seq == 1


async def test_a_repeated_request_is_answered_even_when_the_backlog_is_full(room: Room) -> None:
    first = await room.emit(PLACE, "k1")
    room.backlog.actions = tuple(SignalAction)

    assert await room.emit(PLACE, "k1") == first


async def test_a_full_backlog_refuses_and_leaves_no_hole(room: Room) -> None:
    room.backlog.actions = (SignalAction.PLACE,)
    with pytest.raises(Problem) as caught:
        await room.emit(PLACE, "k1")
    room.backlog.actions = ()

    signal = await room.emit(PLACE, "k1")

    assert (caught.value.status, caught.value.code) == (503, "BACKLOG_FULL")
    assert signal.seq == 1


@pytest.mark.parametrize("stranger", ["strategy-2", "master-2"])
async def test_another_masters_strategy_is_no_strategy(room: Room, stranger: str) -> None:
    master_id = stranger if stranger.startswith("master") else "master-1"
    strategy_id = stranger if stranger.startswith("strategy") else "strategy-1"

    with pytest.raises(Problem) as caught:
        await room.flow.accept(
            SignalRequest(
                master_id=master_id,
                proposal=replace(PLACE, strategy_id=strategy_id),
                idempotency_key="k",
                request_hash=b"",
            )
        )

    assert (caught.value.status, caught.value.code) == (404, "STRATEGY_UNKNOWN")


async def test_a_cancel_names_its_place(room: Room) -> None:
    place = await room.emit(PLACE, "k1")
    cancel = Proposal(
        strategy_id="strategy-1",
        action=SignalAction.CANCEL,
        parent_signal_id=place.signal_id,
    )

    signal = await room.emit(cancel, "k2")

    assert (signal.seq, signal.instrument) == (2, "NSE:SBIN")
    assert signal.parent_signal_id == place.signal_id


async def test_a_follow_covers_exactly_what_is_emitted_while_it_runs(room: Room) -> None:
    await room.emit(PLACE, "k1")
    begun = await room.begin_follow()
    await room.emit(PLACE, "k2")
    await room.flow.end_follow("user-1", begun.follow.follow_id)
    await room.emit(PLACE, "k3")

    follow = room.ledger.follows[begun.follow.follow_id].follow
    assert [seq for seq in (1, 2, 3) if follow.covers(seq)] == [2]


async def test_every_state_of_a_follow_goes_to_the_shard_of_its_account(room: Room) -> None:
    begun = await room.begin_follow("account-7")
    await room.flow.change_follow("user-1", begun.follow.follow_id, sizing=None, paused=True)
    await room.flow.end_follow("user-1", begun.follow.follow_id)

    states = [codec.decode(m.topic, m.payload) for m in room.ledger.messages]
    assert [state.version for state in states if isinstance(state, Follow)] == [1, 2, 3]
    assert {(m.key, m.partitions) for m in room.ledger.messages} == {
        (begun.follow.follow_id, (shard_of("account-7", 4),))
    }
    assert room.publication.started == [1, 2, 3]


async def test_repeating_a_pause_or_an_end_says_nothing_new(room: Room) -> None:
    follow_id = (await room.begin_follow()).follow.follow_id
    for _ in range(2):
        await room.flow.change_follow("user-1", follow_id, sizing=None, paused=True)
    for _ in range(2):
        await room.flow.end_follow("user-1", follow_id)

    assert len(room.ledger.messages) == 3


async def test_one_account_follows_a_strategy_once(room: Room) -> None:
    running = await room.begin_follow()

    with pytest.raises(Problem) as caught:
        await room.begin_follow()

    assert caught.value.code == "ALREADY_FOLLOWING"
    assert caught.value.data == {"follow_id": running.follow.follow_id}


async def test_nobody_follows_themselves(room: Room) -> None:
    with pytest.raises(Problem) as caught:
        await room.flow.follow(
            "master-1", strategy_id="strategy-1", account_id="account-1", sizing=DOUBLE
        )

    assert caught.value.code == "OWN_STRATEGY"


async def test_another_followers_follow_is_no_follow(room: Room) -> None:
    begun = await room.begin_follow()

    with pytest.raises(Problem) as caught:
        await room.flow.end_follow("user-2", begun.follow.follow_id)

    assert (caught.value.status, caught.value.code) == (404, "FOLLOW_UNKNOWN")
