from collections.abc import Sequence

from libs.trading.accounts import Account
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction
from services.executor.catching_up import missed_by, without_gaps
from services.executor.followers import Followers
from tests.factories import a_follow, a_signal

SHARD = shard_of("account-1", 4)


class MasterWhoEmitted:
    """Ten signals of one master, all alive."""

    def __init__(self, *unlike: Signal) -> None:
        by_seq = {signal.seq: signal for signal in unlike}
        self._signals = [by_seq.get(n, emitted(n)) for n in range(1, 11)]

    async def emitted(self, master_id: str, *, after: int, before: int) -> list[Signal]:
        return [signal for signal in self._signals if after < signal.seq < before]

    async def live_signals(self, master_ids: Sequence[str]) -> list[Signal]:
        return self._signals

    async def accounts(self, *, account_ids: Sequence[str]) -> list[Account]:
        return []


def emitted(seq: int, **changes: object) -> Signal:
    return a_signal(signal_id=f"s{seq}", seq=seq, **changes)


def planned_until(**shards: int) -> Followers:
    followers = Followers("fyers", 4)
    followers.planned = {(int(s[1:]), "master-1"): seq for s, seq in shards.items()}
    return followers


async def test_missing_signals_come_first_and_only_for_the_shards_that_miss_them() -> None:
    followers = planned_until(s0=3, s1=5)

    whole = await without_gaps([(emitted(7), [0, 1])], followers, MasterWhoEmitted())

    assert [(signal.seq, shards) for signal, shards in whole] == [
        (4, [0]), (5, [0]), (6, [0, 1]), (7, [0, 1]),
    ]  # fmt: skip


async def test_the_first_signal_ever_seen_is_the_baseline() -> None:
    whole = await without_gaps([(emitted(7), [0])], planned_until(), MasterWhoEmitted())

    assert [signal.seq for signal, _ in whole] == [7]


async def test_a_batch_in_order_has_no_gap() -> None:
    batch = [(emitted(4), [0]), (emitted(5), [0])]

    assert await without_gaps(batch, planned_until(s0=3), MasterWhoEmitted()) == batch


async def test_a_late_follow_gets_the_entries_it_covers_and_nothing_else() -> None:
    followers = planned_until(**{f"s{SHARD}": 6})
    master = MasterWhoEmitted(
        emitted(4, action=SignalAction.EXIT), emitted(5, strategy_id="another")
    )

    missed = await missed_by([a_follow(from_seq=2)], followers, master)

    assert [signal.seq for signal, _ in missed] == [3, 6]


async def test_a_follow_that_starts_now_missed_nothing() -> None:
    followers = planned_until(**{f"s{SHARD}": 6})

    assert await missed_by([a_follow(from_seq=6)], followers, MasterWhoEmitted()) == []
