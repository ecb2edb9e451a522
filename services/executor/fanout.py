"""What each follower shall get for one signal: the decision, pure and explained.

`Fanout` turns a signal and the follows it reaches into planned orders; one that gets nothing is a
SKIPPED order with its reason, never silence.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import InstrumentBook
from libs.trading.accounts import Account, Environment, SessionState
from libs.trading.follows import Follow
from libs.trading.instruments import Instrument
from libs.trading.orders import OrderTerms, Product, Side, Validity
from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from libs.trading.shards import shard_of
from libs.trading.signals import Signal
from libs.trading.sizing import sized_quantity
from libs.trading.states import OrderState
from services.executor.rows import PlannedOrder, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What one strategy did in one instrument and product at one account, by our own ledger.

    `net_quantity` counts fills and is signed; `closing` is what exits still at work will close.
    """

    account_id: str
    net_quantity: int
    closing: int


@dataclass(frozen=True, slots=True)
class Fanout:
    """The rules of one broker and the minting of names; everything else comes in per call."""

    manifest: BrokerManifest
    instruments: InstrumentBook
    partitions: int
    mint_order_id: Callable[[], str]
    mint_tag: Callable[[], str]

    def entries(
        self, signal: Signal, follows: Iterable[Follow], accounts: Mapping[str, Account]
    ) -> list[PlannedOrder]:
        """Plan a PLACE for every follow it reaches."""
        instrument = self.instruments.find(signal.instrument)
        unfit = self._unfit(signal, instrument)
        shapes = _Shapes(signal)
        return [
            self._entry(shapes, follow, accounts.get(follow.account_id), instrument, unfit)
            for follow in follows
        ]

    def exits(
        self,
        signal: Signal,
        follows: Iterable[Follow],
        accounts: Mapping[str, Account],
        opened: Mapping[str, Opened],
    ) -> list[PlannedOrder]:
        """Plan an EXIT for every follow whose strategy opened something here."""
        unfit = self._unfit(signal, self.instruments.find(signal.instrument))
        shapes = _Shapes(signal)
        return [
            self._exit(shapes, follow, accounts.get(follow.account_id), mine, unfit)
            for follow in follows
            if (mine := opened.get(follow.account_id)) is not None
        ]

    def modified_terms(self, signal: Signal, follow: Follow) -> OrderTerms | None:
        """Size a MODIFY for one follow; None when it comes to less than a lot."""
        instrument = self.instruments.find(signal.instrument)
        if signal.terms is None or instrument is None:
            return None
        quantity = sized_quantity(signal.terms.quantity, follow.sizing, instrument.lot_size)
        return replace(signal.terms, quantity=quantity) if quantity else None

    def _unfit(self, signal: Signal, instrument: Instrument | None) -> SkipReason | None:
        """Say why this broker cannot take the order at all; the same for every follower."""
        if instrument is None:
            return SkipReason.UNKNOWN_INSTRUMENT
        terms = signal.terms
        fits = (
            terms is not None
            and terms.order_type in self.manifest.order_types
            and signal.product in self.manifest.products
            and signal.validity in self.manifest.validities
        )
        return None if fits else SkipReason.UNSUPPORTED

    def _entry(
        self,
        shapes: "_Shapes",
        follow: Follow,
        account: Account | None,
        instrument: Instrument | None,
        unfit: SkipReason | None,
    ) -> PlannedOrder:
        quantity, signal = 0, shapes.signal
        if instrument is not None and signal.terms is not None:
            quantity = sized_quantity(signal.terms.quantity, follow.sizing, instrument.lot_size)
        skip = (
            _account_unfit(account)
            or (SkipReason.PAUSED if follow.paused else None)
            or unfit
            or (SkipReason.TOO_SMALL if quantity == 0 else None)
        )
        side = signal.side or Side.BUY
        return self._planned(follow, shapes.of(account, side, quantity, skip))

    def _exit(
        self,
        shapes: "_Shapes",
        follow: Follow,
        account: Account | None,
        mine: Opened,
        unfit: SkipReason | None,
    ) -> PlannedOrder:
        side = Side.SELL if mine.net_quantity > 0 else Side.BUY
        # An exit never opens a position: no more than what is held and not yet being closed.
        quantity = max(abs(mine.net_quantity) - mine.closing, 0)
        wrong_side = shapes.signal.side not in {None, side}
        nothing_left = SkipReason.CLOSED_ELSEWHERE if quantity == 0 or wrong_side else None
        skip = _account_unfit(account) or unfit or nothing_left
        return self._planned(follow, shapes.of(account, side, quantity, skip))

    def _planned(self, follow: Follow, shape: Shape) -> PlannedOrder:
        return PlannedOrder(
            self.mint_order_id(),
            self.mint_tag(),
            follow.account_id,
            shard_of(follow.account_id, self.partitions),
            follow.follow_id,
            follow.user_id,
            shape,
        )


@dataclass(frozen=True, slots=True)
class _Shapes:
    """The shapes of one signal, each made once."""

    signal: Signal
    _known: dict[object, Shape] = field(default_factory=dict)

    def of(
        self, account: Account | None, side: Side, quantity: int, skip: SkipReason | None
    ) -> Shape:
        environment = account.environment if account else Environment.PAPER
        algo_id = account.algo_id if account else None
        key = (environment, algo_id, side, quantity, skip)
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = self._shape(environment, algo_id, side, quantity, skip)
        return shape

    def _shape(
        self,
        environment: Environment,
        algo_id: str | None,
        side: Side,
        quantity: int,
        skip: SkipReason | None,
    ) -> Shape:
        signal = self.signal
        if signal.terms is None or signal.product is None:
            raise ValueError(f"signal {signal.signal_id}: {signal.action} without terms or product")
        terms = replace(signal.terms, quantity=quantity)
        return Shape(
            signal=signal,
            product=signal.product,
            environment=environment,
            side=side,
            terms=terms,
            algo_id=algo_id,
            request_hash=request_hash(
                signal.instrument, side, signal.product, signal.validity, terms
            ),
            state=OrderState.SKIPPED if skip else OrderState.PLANNED,
            reason=skip,
            message=SKIP_SENTENCES[skip] if skip else "",
        )


def request_hash(
    instrument: str, side: Side, product: Product, validity: Validity, terms: OrderTerms
) -> bytes:
    """Freeze what will be asked of the broker, so that a changed row shows."""
    words = (instrument, side, product, validity, terms.order_type, terms.quantity)
    prices = (terms.limit_price, terms.trigger_price)
    return hashlib.sha256("|".join(map(str, words + prices)).encode()).digest()


def _account_unfit(account: Account | None) -> SkipReason | None:
    if account is None or account.session_state is SessionState.DISCONNECTED:
        return SkipReason.DISCONNECTED
    if account.environment is Environment.LIVE and account.consent_version is None:
        return SkipReason.NO_CONSENT
    return None
