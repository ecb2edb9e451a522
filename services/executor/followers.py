"""Follows, accounts and their limits on the shards of this replica, in memory for every signal.

Filled when a shard is taken, kept fresh by events and by a poll of versions. Newer versions win,
so records may arrive repeated or out of order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar, cast

from libs.trading.accounts import Account
from libs.trading.follows import Follow, Sizing
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.shards import shard_of
from libs.trading.signals import Signal
from services.executor.account_limits import AccountLimits

Rules = TypeVar("Rules", Sizing, Limits)


class ShardsLost(Exception):
    """The shards of what is being planned went away meanwhile: whoever has them plans it."""


@dataclass(slots=True)
class Followers:
    """`planned` is the last planned seq per (shard, master).

    `limits` are those of whole accounts; who is not in it has none.
    """

    broker: str
    partitions: int
    planned: dict[tuple[int, str], int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)
    _limits_versions: dict[str, int] = field(default_factory=dict)
    _by_strategy: defaultdict[tuple[int, str], dict[str, Follow]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _loaded: set[int] = field(default_factory=set)

    def take(
        self,
        shards: Iterable[int],
        follows: Iterable[Follow],
        accounts: Iterable[Account],
        planned: dict[tuple[int, str], int],
        limits: Iterable[AccountLimits] = (),
    ) -> None:
        """Add what the database knows of newly owned shards."""
        self._loaded.update(shards)
        self.planned.update(planned)
        for account in accounts:
            self.learn_account(account)
        for its_limits in limits:
            self.learn_limits(its_limits)
        for follow in follows:
            self.learn_follow(follow)

    def drop(self, shards: Iterable[int]) -> set[str]:
        """Forget lost shards; return the accounts that went with them."""
        gone = set(shards)
        self._loaded -= gone
        for key in [key for key in self._by_strategy if key[0] in gone]:
            del self._by_strategy[key]
        for planned in [key for key in self.planned if key[0] in gone]:
            del self.planned[planned]
        lost = {id_ for id_ in self.accounts if self._shard(id_) in gone}
        for account_id in lost:
            del self.accounts[account_id]
        # An account may be limited before it was ever heard of here.
        for account_id in [of for of in self._limits_versions if self._shard(of) in gone]:
            self.limits.pop(account_id, None)
            del self._limits_versions[account_id]
        return lost

    def holds(self, shards: Iterable[int]) -> bool:
        return self._loaded.issuperset(shards)

    def learn_follow(self, follow: Follow) -> bool:
        """Keep a follow of ours; True when it was not known in this version."""
        shard = self._shard(follow.account_id)
        if follow.broker != self.broker or shard not in self._loaded:
            return False
        known = self._by_strategy[shard, follow.strategy_id]
        old = known.get(follow.follow_id)
        if old is not None and old.version >= follow.version:
            return False
        known[follow.follow_id] = replace(
            follow, sizing=_shared(follow.sizing), limits=_shared(follow.limits)
        )
        return True

    def known(self, follow: Follow) -> Follow | None:
        """Return a follow as it is known here, None when it is not ours."""
        shard = self._shard(follow.account_id)
        return self._by_strategy.get((shard, follow.strategy_id), {}).get(follow.follow_id)

    def learn_account(self, account: Account) -> bool:
        """Keep an account of ours; True when it was not known in this version."""
        shard = self._shard(account.account_id)
        if account.broker != self.broker or shard not in self._loaded:
            return False
        old = self.accounts.get(account.account_id)
        if old is not None and old.version >= account.version:
            return False
        self.accounts[account.account_id] = account
        return True

    def learn_limits(self, stored: AccountLimits) -> bool:
        """Keep the limits of an account of ours; True when they were not known in this version."""
        account_id = stored.account_id
        if stored.broker != self.broker or self._shard(account_id) not in self._loaded:
            return False
        if self._limits_versions.get(account_id, 0) >= stored.version:
            return False
        self._limits_versions[account_id] = stored.version
        if stored.limits == NO_LIMITS:
            self.limits.pop(account_id, None)
        else:
            self.limits[account_id] = _shared(stored.limits)
        return True

    def following(self, signal: Signal, shard: int) -> list[Follow]:
        """List who gets this signal; whoever comes first changes from signal to signal."""
        known = self._by_strategy.get((shard, signal.strategy_id), {})
        covered = [follow for follow in known.values() if follow.covers(signal.seq)]
        start = signal.seq % len(covered) if covered else 0
        return covered[start:] + covered[:start]

    def all(self) -> Iterator[Follow]:
        """Go through every follow known here; not across an await."""
        for follows in self._by_strategy.values():
            yield from follows.values()

    def following_in(self, signal: Signal, shards: Iterable[int]) -> list[Follow]:
        return [follow for shard in shards for follow in self.following(signal, shard)]

    def planned_until(self, shard: int, signal: Signal) -> int:
        """Tell the seq up to which a shard has planned this signal's master.

        Of a master never planned here, the oldest follow is the baseline, and without one the
        signal itself: nobody here can have missed anything.
        """
        known = self.planned.get((shard, signal.master_id))
        if known is not None:
            return known
        return min(
            (
                follow.from_seq
                for (its_shard, _), follows in self._by_strategy.items()
                for follow in follows.values()
                if its_shard == shard and follow.master_id == signal.master_id
            ),
            default=signal.seq - 1,
        )

    def note_planned(self, shard: int, master_id: str, seq: int) -> None:
        key = (shard, master_id)
        self.planned[key] = max(seq, self.planned.get(key, 0))

    def _shard(self, account_id: str) -> int:
        return shard_of(account_id, self.partitions)


@lru_cache(maxsize=16_384)
def _same(rules: object) -> object:
    return rules


def _shared(rules: Rules) -> Rules:
    """Give the one object of equal rules: who plans a signal tells them apart by identity."""
    return cast("Rules", _same(rules))
