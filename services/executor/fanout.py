"""What each follower shall get for one signal: the decision, pure and explained.

`Fanout` turns a signal and the follows it reaches into planned orders; one that gets nothing is a
SKIPPED order with its reason, never silence. The rules themselves are libs/trading (sizing, risk)
and libs/brokers/fitting.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from libs.brokers.fitting import FittedOrder, WantedOrder, fit, needs_quote, too_many_changes
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import InstrumentBook
from libs.trading.accounts import Account, Environment, SessionState
from libs.trading.entries import NOTHING_KNOWN, Entry, Standing, entry_of
from libs.trading.follows import Follow
from libs.trading.lawful import missing_for_entry, missing_for_exit
from libs.trading.limits import NO_LIMITS, Limits, Rule
from libs.trading.orders import OrderExtra, OrderTerms, Product, Side, Validity
from libs.trading.reasons import Refusal, SkipReason
from libs.trading.risk import change_refused, decide
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction
from libs.trading.sizing import (
    MOVES_WITH_MASTER,
    SIZED_BY_MONEY,
    SIZED_IN_RUPEES,
    sized,
    slices_of,
)
from services.executor.exits import Opened, closed_by
from services.executor.rows import PlannedOrder, Shape
from services.executor.shapes import NO_QUOTES, Quotes, Shapes, unlisted

# What these count differs from account to account; all others have one answer per signal.
_COUNTS = frozenset({Rule.ORDERS_PER_DAY, Rule.LOSS_PER_DAY, Rule.OPEN_POSITIONS})


class Stood(Protocol):
    """How accounts stand: `services.executor.standings.Standings`."""

    def elsewhere(self, account_id: str, instrument: str) -> int | None: ...

    def of_account(self, account_id: str) -> Standing: ...

    def of_follow(self, follow: Follow) -> Standing: ...


class Placed(Protocol):
    """An order of a follow that its master changes; `changes` counts what was asked before."""

    @property
    def side(self) -> Side: ...

    @property
    def product(self) -> Product: ...

    @property
    def validity(self) -> Validity: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def quantity(self) -> int: ...

    @property
    def changes(self) -> int: ...

    @property
    def closes(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Fanout:
    """The rules of one broker and the minting of names; everything else comes in per call.

    `account_limits` are those of whole accounts as they stand now; who is not in it has none.
    """

    manifest: BrokerManifest
    instruments: InstrumentBook
    partitions: int
    standings: Stood
    mint_order_id: Callable[[], str]
    mint_tag: Callable[[], str]
    account_limits: Mapping[str, Limits] = field(default_factory=dict)

    def asks_price(self, signal: Signal, follows: Iterable[Follow]) -> bool:
        """Tell whether a quote is needed before these followers can be planned."""
        terms = signal.terms
        if terms is None or self.instruments.find(signal.instrument) is None:
            return False
        if needs_quote(self.manifest, terms):
            return True
        return signal.action is SignalAction.PLACE and any(
            _asks_price(follow, terms, self._limits_of(follow)) for follow in follows
        )

    def entries(
        self,
        signal: Signal,
        follows: Iterable[Follow],
        accounts: Mapping[str, Account],
        *,
        at: datetime,
        quotes: Quotes = NO_QUOTES,
    ) -> list[PlannedOrder]:
        """Plan a PLACE for every follow it reaches; one that the exchange would freeze is cut."""
        decisions = _Decisions(
            self._shapes(signal, quotes), self.standings, self.account_limits, at
        )
        return [
            order
            for follow in follows
            for order in self._orders(
                follow, decisions.shapes_for(follow, accounts.get(follow.account_id))
            )
        ]

    def exits(
        self,
        signal: Signal,
        follows: Iterable[Follow],
        accounts: Mapping[str, Account],
        opened: Mapping[str, Opened],
        *,
        quotes: Quotes = NO_QUOTES,
    ) -> list[PlannedOrder]:
        """Plan an EXIT for every follow whose strategy opened something here."""
        shapes = self._shapes(signal, quotes)
        return [
            order
            for follow in follows
            if (mine := opened.get(follow.account_id)) is not None
            for order in self._orders(
                follow, self._exit(shapes, accounts.get(follow.account_id), mine)
            )
        ]

    def changed(
        self,
        signal: Signal,
        follow: Follow,
        legs: Sequence[Placed],
        *,
        at: datetime,
        quotes: Quotes = NO_QUOTES,
    ) -> list[OrderTerms] | Refusal:
        """Size and fit a MODIFY of what a follow has of the parent: new terms for each of its legs.

        All legs, also those that are over: they are a part of the quantity. Sizes that do not
        follow the master's quantity stay, those of exits do, and so do those of legs that the new
        quantity would not be cut into.
        """
        instrument = self.instruments.find(signal.instrument)
        if instrument is None or signal.terms is None:
            return unlisted(self.manifest, signal)
        first = legs[0]
        wanted = WantedOrder(
            side=first.side,
            product=first.product,
            validity=first.validity,
            terms=signal.terms,
            closes=first.closes,
        )
        quote = quotes.get(first.environment)
        fitted = fit(self.manifest, instrument, wanted, quote)
        if isinstance(fitted, Refusal):
            return fitted
        refusal = too_many_changes(self.manifest, max(leg.changes for leg in legs))
        if refusal:
            return refusal
        cuts: Sequence[int] | Refusal = [leg.quantity for leg in legs]
        if not first.closes:
            asked = replace(signal, side=first.side, product=first.product)
            entry = entry_of(asked, instrument, at=at, quote=quote)
            cuts = self._recut(entry, follow, [leg.quantity for leg in legs])
        if isinstance(cuts, Refusal):
            return cuts
        return [replace(fitted.terms, quantity=cut) for cut in cuts]

    def _recut(
        self, entry: Entry, follow: Follow, present: Sequence[int]
    ) -> Sequence[int] | Refusal:
        account = self.standings.of_account(follow.account_id)
        quantity: int | Refusal = sum(present)
        if follow.sizing.mode in MOVES_WITH_MASTER:
            quantity = sized(entry, follow.sizing, account)
        if isinstance(quantity, Refusal):
            return quantity
        refusal = change_refused(
            entry,
            sum(present),
            quantity,
            follow.limits,
            account=account,
            account_limits=self._limits_of(follow),
        )
        if refusal:
            return refusal
        cuts = slices_of(entry.instrument, quantity)
        return cuts if len(cuts) == len(present) else present

    def _exit(self, shapes: Shapes, account: Account | None, mine: Opened) -> list[Shape]:
        side, signal, instrument = mine.closing_side, shapes.signal, shapes.instrument
        if instrument is None:
            return [shapes.refused(account, side, unlisted(self.manifest, signal))]
        elsewhere = self.standings.elsewhere(mine.account_id, signal.instrument)
        quantity = closed_by(signal, instrument, mine, elsewhere)
        if isinstance(quantity, Refusal):
            return [shapes.refused(account, side, quantity)]
        unfit = _account_unfit(account, signal)
        if account is None or unfit:
            refusal = Refusal(unfit or SkipReason.DISCONNECTED, {})
            return [shapes.refused(account, side, refusal, quantity)]
        fitted = shapes.fitted(account.environment, side)
        if isinstance(fitted, Refusal):
            return [shapes.refused(account, side, fitted, quantity)]
        # Where the exchange would freeze even a lot it is the broker who says so: never nothing.
        cuts = slices_of(instrument, quantity) or (quantity,)
        return [shapes.of(account, side, cut) for cut in cuts]

    def _limits_of(self, follow: Follow) -> Limits:
        return self.account_limits.get(follow.account_id, NO_LIMITS)

    def _shapes(self, signal: Signal, quotes: Quotes) -> Shapes:
        return Shapes(
            manifest=self.manifest,
            signal=signal,
            instrument=self.instruments.find(signal.instrument),
            quotes=quotes,
        )

    def _orders(self, follow: Follow, shapes: Iterable[Shape]) -> list[PlannedOrder]:
        shard = shard_of(follow.account_id, self.partitions)
        return [
            PlannedOrder(
                self.mint_order_id(),
                self.mint_tag(),
                follow.account_id,
                shard,
                follow.follow_id,
                follow.user_id,
                leg,
                shape,
            )
            for leg, shape in enumerate(shapes)
        ]


@dataclass(frozen=True, slots=True)
class _Decisions:
    """What followers get of one PLACE; who has the same rules gets the same answer."""

    shapes: Shapes
    standings: Stood
    account_limits: Mapping[str, Limits]
    at: datetime
    _entries: dict[Environment, Entry] = field(default_factory=dict)
    # By the identity of the rules, which `Followers` keeps once each: hashing them costs more.
    _alike: dict[tuple[Environment, int, int, int], tuple[int, ...] | Refusal] = field(
        default_factory=dict
    )

    def shapes_for(self, follow: Follow, account: Account | None) -> list[Shape]:
        side = self.shapes.signal.side or Side.BUY
        unfit = _account_unfit(account, self.shapes.signal)
        if account is None or unfit:
            refusal = Refusal(unfit or SkipReason.DISCONNECTED, {})
            return [self.shapes.refused(account, side, refusal)]
        if follow.paused:
            return [self.shapes.refused(account, side, Refusal(SkipReason.PAUSED, {}))]
        fitted = self.shapes.fitted(account.environment, side)
        if isinstance(fitted, Refusal):
            return [self.shapes.refused(account, side, fitted)]
        quantities = self._quantities(follow, account.environment)
        if isinstance(quantities, Refusal):
            return [self.shapes.refused(account, side, quantities)]
        if OrderExtra.AFTER_MARKET in self.shapes.signal.extras:
            facts = {"broker": self.shapes.manifest.title}
            refusal = Refusal(SkipReason.AFTER_MARKET_UNSUPPORTED, facts)
            return [self.shapes.refused(account, side, refusal)]
        return [self.shapes.of(account, side, quantity) for quantity in quantities]

    def _quantities(self, follow: Follow, environment: Environment) -> tuple[int, ...] | Refusal:
        limits, sizing = follow.limits, follow.sizing
        whole = self.account_limits.get(follow.account_id, NO_LIMITS)
        entry = self._entry(environment)
        may_be_short = entry.side is Side.SELL and not limits.short_allowed
        asks_account = may_be_short or sizing.mode in SIZED_BY_MONEY or _counts(whole)
        asks_follow = _counts(limits)
        if not (asks_account or asks_follow):
            key = (environment, id(sizing), id(limits), id(whole))
            known = self._alike.get(key)
            if known is None:
                known = self._alike[key] = decide(entry, sizing, limits, account_limits=whole)
            return known
        account_id, unknown = follow.account_id, NOTHING_KNOWN
        return decide(
            entry,
            sizing,
            limits,
            account=self.standings.of_account(account_id) if asks_account else unknown,
            follow=self.standings.of_follow(follow) if asks_follow else unknown,
            account_limits=whole,
        )

    def _entry(self, environment: Environment) -> Entry:
        known = self._entries.get(environment)
        if known is None:
            shapes = self.shapes
            if shapes.instrument is None:
                raise ValueError(f"signal {shapes.signal.signal_id}: its instrument is not listed")
            entry = entry_of(
                shapes.signal,
                shapes.instrument,
                at=self.at,
                quote=shapes.quotes.get(environment),
            )
            fitted = shapes.fitted(environment, entry.side)
            if isinstance(fitted, FittedOrder) and fitted.protected:
                # It may cost as much as its worst price: that is what limits are held against.
                entry = replace(entry, price=fitted.terms.limit_price)
            known = self._entries[environment] = entry
        return known


def _counts(limits: Limits) -> bool:
    return not _COUNTS.isdisjoint(limits.rules)


def _asks_price(follow: Follow, terms: OrderTerms, whole: Limits) -> bool:
    rules = follow.limits.rules + whole.rules
    if Rule.PRICE_DISTANCE in rules:
        return True
    if terms.limit_price is not None or terms.trigger_price is not None:
        return False
    return follow.sizing.mode in SIZED_IN_RUPEES or Rule.ORDER_VALUE in rules


def _account_unfit(account: Account | None, signal: Signal) -> SkipReason | None:
    if account is None or account.session_state is SessionState.DISCONNECTED:
        return SkipReason.DISCONNECTED
    if signal.action is SignalAction.EXIT:
        return missing_for_exit(account)
    return missing_for_entry(account, signal.strategy_id)
