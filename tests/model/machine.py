"""Everything that may happen, in any order: each rule is one verb of the world, then some time.

Rules take plain values only, so that what hypothesis prints can be pasted into a script.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.model.broker import Mood
from tests.model.database_line import Trouble
from tests.model.masters import ACCOUNTS, MASTERS, SHARDS, Change, Delivery
from tests.model.world import FeedMode, Kind, World

_REPLICAS = st.integers(0, 1)
_ACCOUNTS = st.integers(0, len(ACCOUNTS) - 1)
_MASTERS = st.integers(0, len(MASTERS) - 1)
_INSTRUMENTS = st.integers(0, 1)
_QUANTITIES = st.sampled_from((10, 1, 7, 100))
# Off the opening price: at or above zero a buy fills at once, below it rests.
_TICKS = st.sampled_from((0, -4, 3, -10))
_DELIVERIES: st.SearchStrategy[Delivery] = st.sampled_from(
    ("at once", "at once", "at once", "late", "twice", "to one shard late", "much too late")
)
_MOODS: st.SearchStrategy[Mood] = st.sampled_from(
    (
        "acts, then fails",
        "fails before acting",
        "acts, then resets",
        "acts, then babbles",
        "acts late, never answers",
        "answers too late",
        "answers slowly",
        "cannot be reached",
        "connects slowly",
        "refuses the session",
        "refuses the rate",
        "rejects",
    )
)
_BOOK_MOODS: st.SearchStrategy[Mood] = st.sampled_from(
    ("fails before acting", "answers slowly", "refuses the rate", "refuses the session")
)
# Parts of a message's way; a batch, a sweep; a timeout, a lease, an evidence window.
_INSTANTS = st.sampled_from((0.0005, 0.001, 0.002, 0.004, 0.006))
_MOMENTS = st.sampled_from((0.012, 0.03, 0.1, 0.3, 0.6, 1.1))
_THEN = st.sampled_from((0.004, 0.0, 0.05, 0.5, 2.1))
_WHILES = st.sampled_from((2.1, 3.2, 4.5, 9.0, 14.0))

_CHANGES: st.SearchStrategy[Change] = st.sampled_from(("pause", "resume", "resume", "end"))

steps_done = [0]


class CopyTrading(RuleBasedStateMachine):
    """Two masters, four followers, two replicas of one executor, one broker."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for account in range(len(ACCOUNTS)):
            self.world.masters.follow(account, 0, 10, "at once")
        self.world.masters.follow(1, 1, 25, "at once")
        self.world.masters.follow(2, 1, 3, "at once")
        self.world.wait(0.5)

    @rule(
        master=_MASTERS,
        instrument=_INSTRUMENTS,
        quantity=_QUANTITIES,
        ticks=_TICKS,
        delivery=_DELIVERIES,
        then=_THEN,
    )
    def place(
        self,
        master: int,
        instrument: int,
        quantity: int,
        ticks: int,
        delivery: Delivery,
        then: float,
    ) -> None:
        self.world.masters.place(master, instrument, quantity, ticks, delivery)
        self.world.wait(then)

    @rule(
        master=_MASTERS,
        instrument=_INSTRUMENTS,
        ticks=_TICKS,
        mood=_MOODS,
        times=st.integers(1, 3),
        then=_THEN,
    )
    def place_into(
        self, master: int, instrument: int, ticks: int, mood: Mood, times: int, then: float
    ) -> None:
        """Place while the broker is in a mood at every account."""
        for account in range(len(ACCOUNTS)):
            self.world.mood(account, "PLACE", mood, times)
        self.world.masters.place(master, instrument, 10, ticks, "at once")
        self.world.wait(then)

    @rule(
        master=_MASTERS,
        which=st.integers(0, 2),
        quantity=_QUANTITIES,
        ticks=_TICKS,
        delivery=_DELIVERIES,
        then=_THEN,
    )
    def modify(
        self, master: int, which: int, quantity: int, ticks: int, delivery: Delivery, then: float
    ) -> None:
        self.world.masters.modify(master, which, quantity, ticks, delivery)
        self.world.wait(then)

    @rule(master=_MASTERS, which=st.integers(0, 2), delivery=_DELIVERIES, then=_THEN)
    def cancel(self, master: int, which: int, delivery: Delivery, then: float) -> None:
        self.world.masters.cancel(master, which, delivery)
        self.world.wait(then)

    @rule(master=_MASTERS, instrument=_INSTRUMENTS, delivery=_DELIVERIES, then=_THEN)
    def exit(self, master: int, instrument: int, delivery: Delivery, then: float) -> None:
        self.world.masters.exit(master, instrument, delivery)
        self.world.wait(then)

    @rule(
        account=_ACCOUNTS,
        master=_MASTERS,
        tenths=st.sampled_from((10, 3, 1, 25)),
        delivery=_DELIVERIES,
    )
    def follow(self, account: int, master: int, tenths: int, delivery: Delivery) -> None:
        self.world.masters.follow(account, master, tenths, delivery)

    @rule(
        account=_ACCOUNTS,
        master=_MASTERS,
        change=_CHANGES,
        delivery=_DELIVERIES,
    )
    def change_follow(self, account: int, master: int, change: Change, delivery: Delivery) -> None:
        self.world.masters.change_follow(account, master, change, delivery)

    @rule(
        account=_ACCOUNTS,
        kind=st.sampled_from(("PLACE", "PLACE", "MODIFY", "CANCEL")),
        mood=_MOODS,
        times=st.integers(1, 3),
    )
    def mood(self, account: int, kind: Kind, mood: Mood, times: int) -> None:
        self.world.mood(account, kind, mood, times)

    @rule(account=_ACCOUNTS, mood=_BOOK_MOODS, times=st.integers(1, 4))
    def book_mood(self, account: int, mood: Mood, times: int) -> None:
        self.world.mood(account, "BOOK", mood, times)

    @rule(seconds=st.sampled_from((0.0, 1.0, 6.0, 20.0)))
    def lag(self, seconds: float) -> None:
        self.world.lag(seconds)

    @rule(mode=st.sampled_from(("prompt", "down", "slow", "twice", "shuffled")))
    def feed(self, mode: FeedMode) -> None:
        self.world.feed(mode)

    @rule(instrument=_INSTRUMENTS, ticks=st.sampled_from((0, -4, -12, 5)))
    def price(self, instrument: int, ticks: int) -> None:
        self.world.price(instrument, ticks)

    @rule(account=_ACCOUNTS, percent=st.sampled_from((50, 10, 0)))
    def fill_partly(self, account: int, percent: int) -> None:
        self.world.fill_partly(account, percent)

    @rule(account=_ACCOUNTS)
    def expire_session(self, account: int) -> None:
        self.world.expire_session(account)

    @rule(account=_ACCOUNTS, connected=st.sampled_from((True, True, False)))
    def connect(self, account: int, connected: bool) -> None:
        self.world.masters.connect(account, connected=connected)

    @rule(
        scope_subject=st.sampled_from(
            (("PLATFORM", ""), ("MASTER", "master-0"), ("ACCOUNT", "account-1"))
        ),
        is_on=st.sampled_from((False, True)),
    )
    def kill_switch(self, scope_subject: tuple[str, str], is_on: bool) -> None:
        self.world.masters.switch(*scope_subject, is_on=is_on)

    @rule(replica=_REPLICAS)
    def crash(self, replica: int) -> None:
        self.world.crash(replica)

    @rule(replica=_REPLICAS)
    def restart(self, replica: int) -> None:
        self.world.restart(replica)

    @rule(replica=_REPLICAS)
    def pause(self, replica: int) -> None:
        self.world.pause(replica)

    @rule(replica=_REPLICAS)
    def resume(self, replica: int) -> None:
        self.world.resume(replica)

    @rule(shard=st.integers(0, SHARDS - 1), replica=_REPLICAS)
    def hand_over(self, shard: int, replica: int) -> None:
        self.world.hand_over(shard, replica)

    @rule(
        replica=_REPLICAS,
        trouble=st.sampled_from(("none", "none", "refuses", "loses answers")),
        latency_ms=st.sampled_from((1, 20, 900)),
    )
    def database(self, replica: int, trouble: Trouble, latency_ms: int) -> None:
        self.world.database(replica, trouble, latency_ms)

    @rule(seconds=_INSTANTS)
    def wait_an_instant(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(seconds=_MOMENTS)
    def wait_a_moment(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(seconds=_WHILES)
    def wait_a_while(self, seconds: float) -> None:
        self.world.wait(seconds)

    @precondition(lambda self: self.world.has_doubts())
    @rule()
    def wait_for_minutes(self) -> None:
        self.world.wait(320.0)

    @invariant()
    def everything_holds(self) -> None:
        steps_done[0] += 1
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.heal_and_judge()
        finally:
            self.world.close()
