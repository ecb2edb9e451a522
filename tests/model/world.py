"""One market, one bus, one database and two executor replicas, and everything that happens to them.

Every verb takes plain values, so that the steps of a failure can be pasted into a test.
"""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from libs.paper.fills import FillScript, FillStep
from libs.paper.instruments import BUILT_IN
from libs.trading.events import BrokerUpdate, UpdateSource
from libs.trading.orders import OrderReport
from libs.trading.shards import shard_of
from libs.trading.states import SENDABLE, WORKING, OrderState
from services.executor.shards import TROUBLE
from tests.model.broker import INSTRUMENTS, Arrival, BrokerOfManyMoods, Mood
from tests.model.bus import BusInMemory
from tests.model.database_line import Trouble
from tests.model.judge import Judge
from tests.model.masters import ACCOUNTS, ENTRY_TTL_S, SHARDS, MastersWhoEmit
from tests.model.replicas import Household, Replica
from tests.model.statements import Timings
from tests.model.tables import Tables
from tests.model.views import BROKER
from tests.model.virtual_time import VirtualTime, make_current

FeedMode = Literal["prompt", "slow", "twice", "shuffled", "down"]
Kind = Literal["PLACE", "MODIFY", "CANCEL", "BOOK"]
_REBALANCE_AFTER_S = 1.0
_FEED_S = 0.01
# Troubles end by themselves, or most of a run would be spent in the dark.
_SUPERVISED_AFTER_S = 3.0
_FROZEN_MAX_S = 12.0
_TROUBLE_MAX_S = 5.0
_HEALED_WITHIN_S = 120


@dataclass(slots=True)
class World:
    timings: Timings = field(default_factory=Timings)
    clock: VirtualTime = field(default_factory=VirtualTime)
    replicas: list[Replica | None] = field(default_factory=lambda: [None, None])
    feed_mode: FeedMode = "prompt"
    said: int = 0
    # To which replica the group gives each shard, as long as it lives.
    wanted: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 1})
    healthy_since: dict[int, datetime] = field(default_factory=dict)
    _complaints_seen: int = 0

    tables: Tables = field(init=False)
    bus: BusInMemory = field(init=False)
    broker: BrokerOfManyMoods = field(init=False)
    masters: MastersWhoEmit = field(init=False)
    judge: Judge = field(init=False)
    household: Household = field(init=False)
    _lives: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        make_current(self.clock)
        self.tables = Tables(self.clock.wall)
        self.bus = BusInMemory(range(SHARDS), self.clock.wall)
        self.broker = BrokerOfManyMoods(self.clock, self._arrived, self._feed)
        for account_id in ACCOUNTS:
            self.broker.open_account(account_id)
        self.judge = Judge(self.tables, self.broker, self.bus, self.timings)
        self.tables.watch = self.judge.moved
        self.masters = MastersWhoEmit(self.clock, self.tables, self.bus)
        self.household = Household(
            self.clock, self.tables, self.broker, self.bus, self.timings, itertools.count(100_001)
        )
        for replica in range(2):
            self._start(replica)
        self._rebalance()
        self.wait(2.0)

    # What happens to the replicas.

    def crash(self, replica: int) -> None:
        """Nothing of it runs again; its memory is gone, what is on the wire is not."""
        known = self.replicas[replica]
        if known is not None:
            known.process.kill()
            self.replicas[replica] = None
            self.clock.after(_REBALANCE_AFTER_S, self._rebalance)
            self.clock.after(_SUPERVISED_AFTER_S, lambda: self.restart(replica))

    def restart(self, replica: int) -> None:
        if self.replicas[replica] is None:
            self._start(replica)
            self._rebalance()

    def pause(self, replica: int) -> None:
        """Freeze it, as a debugger, a garbage collector or a virtual machine does."""
        known = self.replicas[replica]
        if known is not None and not known.process.paused:
            known.process.paused = True
            self.clock.after(_REBALANCE_AFTER_S, self._expel)
            self.clock.after(_FROZEN_MAX_S, lambda: self._resume(known))

    def resume(self, replica: int) -> None:
        known = self.replicas[replica]
        if known is not None:
            self._resume(known)

    def hand_over(self, shard: int, replica: int) -> None:
        self.wanted[shard] = replica
        self._rebalance()

    def database(self, replica: int, trouble: Trouble, latency_ms: int) -> None:
        known = self.replicas[replica]
        if known is not None:
            known.line.trouble, known.line.latency_s = trouble, latency_ms / 1000
            self.clock.after(_TROUBLE_MAX_S, known.line.mend)

    # What happens at the broker.

    def mood(self, account: int, kind: Kind, mood: Mood, times: int) -> None:
        """Set how the next requests of a kind fare at one account."""
        self.broker.moods[ACCOUNTS[account], kind] = [mood] * times

    def lag(self, seconds: float) -> None:
        """Show new orders in the book only so much later."""
        self.broker.visibility_lag_s = seconds

    def feed(self, mode: FeedMode) -> None:
        was_down, self.feed_mode = self.feed_mode == "down", mode
        if was_down and mode != "down":
            self.read_books()

    def price(self, instrument: int, ticks: int) -> None:
        """Move the last price, so many ticks off the opening."""
        listed = BUILT_IN[INSTRUMENTS[instrument]]
        price = listed.opening_price + ticks * listed.tick_size
        self.broker.exchange.set_price(listed.name, price, self.clock.wall())

    def fill_partly(self, account: int, percent: int) -> None:
        """Let the account's next marketable order fill to a part only."""
        script = FillScript(steps=[FillStep(percent=percent)], client_id=ACCOUNTS[account])
        self.broker.exchange.fill_scripts.append(script)

    def expire_session(self, account: int) -> None:
        known = self.tables.accounts[ACCOUNTS[account]][0]
        self.broker.expired[known.account_id] = known.version

    # Time.

    def wait(self, seconds: float) -> None:
        self.clock.run_for(seconds)
        self._note_health()

    def has_doubts(self) -> bool:
        return any(order.state is OrderState.UNKNOWN for order in self.tables.orders.values())

    def check(self) -> None:
        """Judge the world as it stands; raise with everything that is wrong."""
        self.judge.after_step(self.healthy_since)
        self._judge_complaints()
        self._raise_what_was_found()

    def heal_and_judge(self) -> None:
        """End every trouble, wait until everything came to rest, and compare the books."""
        self._heal()
        for _ in range(_HEALED_WITHIN_S):
            self.wait(1.0)
            if self._rests():
                break
        self.broker.show_everything()
        self.read_books()
        self.wait(2.0)
        self.check()
        self.judge.at_the_end()
        self._raise_what_was_found()

    def close(self) -> None:
        for process in self.clock.processes:
            process.kill()

    def read_books(self) -> None:
        """Tell the whole book of every account, as streaming does after a reconnect."""
        for account_id in ACCOUNTS:
            for report in self.broker.book(account_id):
                self._say(account_id, report, UpdateSource.BOOK, _FEED_S)

    def _heal(self) -> None:
        self.broker.moods.clear()
        self.broker.visibility_lag_s = 0.0
        self.tables.kill_switches.clear()
        self.feed("prompt")
        for number in range(2):
            self.restart(number)
            self.resume(number)
            self.database(number, "none", 1)
        for instrument in range(len(INSTRUMENTS)):
            self.price(instrument, 0)
        # Twice: a refusal of the last session but one may still be on its way.
        for _ in range(2):
            for number in range(len(ACCOUNTS)):
                self.masters.connect(number, connected=True)
            self.wait(ENTRY_TTL_S / 2 + 2.0)

    def _rests(self) -> bool:
        restless = SENDABLE | {OrderState.SENDING, OrderState.UNKNOWN}
        if any(order.state in restless for order in self.tables.orders.values()):
            return False
        return not any(
            command.state in {"DUE", "SENDING"}
            and self.tables.orders[command.order_id].state in WORKING
            for command in self.tables.commands.values()
        )

    def _resume(self, known: Replica) -> None:
        if known.process.paused and not known.process.dead:
            known.process.paused = False
            self.clock.after(0.05, self._rebalance)

    def _start(self, number: int) -> None:
        replica = self.household.replica(f"replica-{number}", next(self._lives))
        self.replicas[number] = replica
        replica.start()

    def _expel(self) -> None:
        if any(known is not None and known.process.paused for known in self.replicas):
            self._rebalance()

    def _rebalance(self) -> None:
        """Deal the shards anew among those who answer; who does not, keeps believing in its own."""
        members = [
            number
            for number, known in enumerate(self.replicas)
            if known is not None and not known.process.paused
        ]
        self.bus.generation += 1
        if not members:
            return
        shares: dict[int, set[int]] = {number: set() for number in members}
        for shard, number in self.wanted.items():
            shares[number if number in shares else members[0]].add(shard)
        for number, shards in shares.items():
            member = self.replicas[number]
            if member is not None:
                member.spawn(member.rejoin(self.bus.generation, shards))

    def _note_health(self) -> None:
        for shard in range(SHARDS):
            lease = self.tables.leases.get(shard)
            owners = [
                known
                for known in self.replicas
                if known is not None
                and not known.process.paused
                and known.line.trouble == "none"
                and known.line.latency_s < 0.1
                and lease is not None
                and known.shards.leases.owner == lease.owner
                and known.shards.settled
            ]
            if owners:
                self.healthy_since.setdefault(shard, self.clock.wall())
            else:
                self.healthy_since.pop(shard, None)

    def _judge_complaints(self) -> None:
        complaints = [c for process in self.clock.processes for c in process.complaints]
        for complaint in complaints[self._complaints_seen :]:
            error = complaint.get("exception")
            if complaint["message"] == "a loop died" or not isinstance(error, TROUBLE):
                self.judge.found.append(f"a task failed: {complaint['message']}: {error!r}")
        self._complaints_seen = len(complaints)

    def _raise_what_was_found(self) -> None:
        if self.judge.found:
            raise AssertionError("\n".join(self.judge.found[:5]))

    # What the broker tells.

    def _arrived(self, arrival: Arrival) -> None:
        self.judge.arrived(arrival)

    def _feed(self, account_id: str, report: OrderReport) -> None:
        self.said += 1
        match self.feed_mode:
            case "down":
                return
            case "slow":
                self._say(account_id, report, UpdateSource.FEED, 2.5)
            case "twice":
                self._say(account_id, report, UpdateSource.FEED, _FEED_S)
                self._say(account_id, report, UpdateSource.FEED, 0.4)
            case "shuffled":
                self._say(account_id, report, UpdateSource.FEED, 0.5 - self.said % 5 * 0.1)
            case _:
                self._say(account_id, report, UpdateSource.FEED, _FEED_S)

    def _say(
        self, account_id: str, report: OrderReport, source: UpdateSource, delay_s: float
    ) -> None:
        def arrive() -> None:
            update = BrokerUpdate(
                account_id=account_id,
                broker=BROKER,
                source=source,
                received_at=self.clock.wall(),
                report=report,
            )
            self.bus.append(shard_of(account_id, SHARDS), update)

        self.clock.after(delay_s, arrive)
