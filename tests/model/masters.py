"""Masters who emit, followers who come and go, and those who stop them; all as the tables say it.

The bus hears everything at least once, but late, twice or out of order, as told.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from libs.contracts.codec import Event
from libs.paper.instruments import BUILT_IN
from libs.trading.accounts import Account, SessionState
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.orders import OrderTerms, OrderType, Product, Side
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction, Stamps
from tests.factories import a_follow, an_account
from tests.model.broker import INSTRUMENTS
from tests.model.bus import BusInMemory
from tests.model.tables import Tables
from tests.model.views import BROKER
from tests.model.virtual_time import START, VirtualTime

Delivery = Literal["at once", "late", "much too late", "twice", "to one shard late"]
Change = Literal["pause", "resume", "end"]
MASTERS = ("master-0", "master-1")
ACCOUNTS = ("account-0", "account-1", "account-2", "account-3")
SHARDS = 2
ENTRY_TTL_S = 8.0
MODIFY_TTL_S = 16.0
_DAY_S = 20_000.0
_DELAYS: dict[Delivery, tuple[float, ...]] = {
    "at once": (0.002,),
    "late": (1.5,),
    "much too late": (ENTRY_TTL_S + 3,),
    "twice": (0.002, 0.7),
    "to one shard late": (0.002,),
}


@dataclass(slots=True)
class MastersWhoEmit:
    clock: VirtualTime
    tables: Tables
    bus: BusInMemory

    def __post_init__(self) -> None:
        self.tables.emitted = {master: [] for master in MASTERS}
        for account_id in ACCOUNTS:
            self._account_now(
                an_account(
                    account_id=account_id,
                    user_id=f"user-{account_id[-1]}",
                    broker_client_id=account_id,
                    session_expires_at=START + timedelta(days=1),
                )
            )

    def place(
        self, master: int, instrument: int, quantity: int, ticks: int, delivery: Delivery
    ) -> Signal:
        """Buy at so many ticks off the opening price: below it rests, at or above it fills."""
        return self._emit(
            master, SignalAction.PLACE, delivery, ENTRY_TTL_S, instrument, None, quantity, ticks
        )

    def modify(
        self, master: int, which: int, quantity: int, ticks: int, delivery: Delivery
    ) -> Signal | None:
        parent = self._placed(master, which)
        if parent is None:
            return None
        instrument = INSTRUMENTS.index(parent.instrument)
        return self._emit(
            master, SignalAction.MODIFY, delivery, MODIFY_TTL_S, instrument, parent, quantity, ticks
        )

    def cancel(self, master: int, which: int, delivery: Delivery) -> Signal | None:
        parent = self._placed(master, which)
        if parent is None:
            return None
        instrument = INSTRUMENTS.index(parent.instrument)
        return self._emit(master, SignalAction.CANCEL, delivery, _DAY_S, instrument, parent)

    def exit(self, master: int, instrument: int, delivery: Delivery) -> Signal:
        return self._emit(master, SignalAction.EXIT, delivery, _DAY_S, instrument, None, 1, 0)

    def follow(self, account: int, master: int, tenths: int, delivery: Delivery) -> None:
        """Begin to follow, unless it is so already; sized as tenths of the master's quantity."""
        follow_id = f"follow-{account}-{master}"
        if follow_id in self.tables.follows:
            return
        self._follow_now(
            a_follow(
                follow_id=follow_id,
                strategy_id=f"strategy-{master}",
                master_id=MASTERS[master],
                user_id=f"user-{account}",
                account_id=ACCOUNTS[account],
                broker=BROKER,
                sizing=Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(tenths) / 10),
                from_seq=len(self.tables.emitted[MASTERS[master]]),
            ),
            delivery,
        )

    def change_follow(
        self,
        account: int,
        master: int,
        change: Change,
        delivery: Delivery,
    ) -> None:
        known = self.tables.follows.get(f"follow-{account}-{master}")
        if known is None or known[0].until_seq is not None:
            return
        follow = replace(known[0], version=known[0].version + 1)
        if change == "end":
            follow = replace(follow, until_seq=len(self.tables.emitted[MASTERS[master]]))
        else:
            follow = replace(follow, paused=change == "pause")
        self._follow_now(follow, delivery)

    def connect(self, account: int, *, connected: bool) -> None:
        """Log in anew, which makes a newer session, or disconnect the account."""
        known, _ = self.tables.accounts[ACCOUNTS[account]]
        state = SessionState.CONNECTED if connected else SessionState.DISCONNECTED
        if connected:
            self.tables.stops.pop(known.account_id, None)
        else:
            self.tables.stops[known.account_id] = "DISCONNECTED"
        self._account_now(replace(known, version=known.version + 1, session_state=state))

    def switch(self, scope: str, subject: str, *, is_on: bool) -> None:
        change = self.tables.kill_switches.add if is_on else self.tables.kill_switches.discard
        change((scope, subject))

    def _placed(self, master: int, which: int) -> Signal | None:
        """Pick a PLACE of this master, counted from the newest."""
        placed = [s for s in self.tables.emitted[MASTERS[master]] if s.action is SignalAction.PLACE]
        return placed[-1 - which % len(placed)] if placed else None

    def _emit(
        self,
        master: int,
        action: SignalAction,
        delivery: Delivery,
        ttl_s: float,
        instrument: int,
        parent: Signal | None,
        quantity: int = 0,
        ticks: int = 0,
    ) -> Signal:
        emitted, now = self.tables.emitted[MASTERS[master]], self.clock.wall()
        listed = BUILT_IN[INSTRUMENTS[instrument]]
        terms = OrderTerms(
            order_type=OrderType.LIMIT,
            quantity=quantity,
            limit_price=listed.opening_price + ticks * listed.tick_size,
        )
        names_side = action in {SignalAction.PLACE, SignalAction.EXIT}
        side = Side.SELL if action is SignalAction.EXIT else Side.BUY
        signal = Signal(
            signal_id=f"s{master}-{len(emitted) + 1}",
            master_id=MASTERS[master],
            strategy_id=f"strategy-{master}",
            seq=len(emitted) + 1,
            action=action,
            instrument=listed.name,
            expires_at=now + timedelta(seconds=ttl_s),
            stamps=Stamps(accepted_at=now),
            parent_signal_id=parent.signal_id if parent else None,
            side=side if names_side else None,
            product=Product.INTRADAY if names_side else None,
            terms=None if action is SignalAction.CANCEL else terms,
        )
        emitted.append(signal)
        for shard in range(SHARDS):
            late = delivery == "to one shard late" and shard == signal.seq % SHARDS
            self._publish(shard, signal, "late" if late else delivery)
        return signal

    def _follow_now(self, follow: Follow, delivery: Delivery) -> None:
        self.tables.follows[follow.follow_id] = (follow, self.clock.wall())
        self._publish(shard_of(follow.account_id, SHARDS), follow, delivery)

    def _account_now(self, account: Account) -> None:
        self.tables.accounts[account.account_id] = (account, self.clock.wall())
        self._publish(shard_of(account.account_id, SHARDS), account, "at once")

    def _publish(self, shard: int, event: Event, delivery: Delivery) -> None:
        for delay_s in _DELAYS[delivery]:
            self.clock.after(delay_s, lambda: self.bus.append(shard, event))
