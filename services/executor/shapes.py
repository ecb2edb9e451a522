"""How the order of one signal goes to one broker: fitted, sized and hashed once per shape."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from libs.brokers.fitting import FittedOrder, WantedOrder, fit
from libs.brokers.manifest import BrokerManifest
from libs.trading.accounts import Account, Environment
from libs.trading.instruments import Instrument
from libs.trading.orders import OrderExtra, OrderTerms, Product, Side, Validity
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason, sentence
from libs.trading.signals import Signal, SignalAction
from libs.trading.states import OrderState
from services.executor.rows import Shape

# One quote per signal: paper accounts trade at the simulator's prices, live ones at the market's.
Quotes = Mapping[Environment, Quote]
NO_QUOTES: Quotes = MappingProxyType({})

# A copy without them would be another order than the master's.
_UNCOPIED = {
    OrderExtra.DISCLOSED_QUANTITY: SkipReason.DISCLOSED_QUANTITY,
    OrderExtra.ATTACHED_EXITS: SkipReason.ATTACHED_EXITS,
}

_ShapeKey = tuple[Environment, str | None, Side, int, str | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """The shapes of one signal, each made once. `instrument` is None where it is not listed."""

    manifest: BrokerManifest
    signal: Signal
    instrument: Instrument | None
    quotes: Quotes
    _fitted: dict[tuple[Environment, Side], FittedOrder | Refusal] = field(default_factory=dict)
    _shapes: dict[_ShapeKey, Shape] = field(default_factory=dict)

    def fitted(self, environment: Environment, side: Side) -> FittedOrder | Refusal:
        """Say how this broker takes the order, at the master's quantity, or why it does not."""
        known = self._fitted.get((environment, side))
        if known is None:
            known = self._fitted[environment, side] = self._fit(environment, side)
        return known

    def of(self, account: Account | None, side: Side, quantity: int) -> Shape:
        """Give the shape of an order that `fitted` did not refuse."""
        return self._shape(account, side, quantity, None)

    def refused(
        self, account: Account | None, side: Side, refusal: Refusal, quantity: int = 0
    ) -> Shape:
        """Give the shape of an order that is not sent, with the reason in words."""
        return self._shape(account, side, quantity, refusal)

    def _fit(self, environment: Environment, side: Side) -> FittedOrder | Refusal:
        if self.instrument is None:
            return unlisted(self.manifest, self.signal)
        for extra, reason in _UNCOPIED.items():
            if extra in self.signal.extras:
                return Refusal(reason, {})
        terms, product = _asked(self.signal)
        wanted = WantedOrder(
            side=side,
            product=product,
            validity=self.signal.validity,
            terms=terms,
            closes=self.signal.action is SignalAction.EXIT,
        )
        return fit(self.manifest, self.instrument, wanted, self.quotes.get(environment))

    def _shape(
        self, account: Account | None, side: Side, quantity: int, refusal: Refusal | None
    ) -> Shape:
        environment = account.environment if account else Environment.PAPER
        algo_id = account.algo_id_of(self.signal.strategy_id) if account else None
        reason, figures = (refusal.reason, refusal.figures) if refusal else (None, {})
        key = (environment, algo_id, side, quantity, reason, tuple(figures.values()))
        known = self._shapes.get(key)
        if known is not None:
            return known
        terms, product = _asked(self.signal)
        if refusal is None and isinstance(fitted := self.fitted(environment, side), FittedOrder):
            terms, product = fitted.terms, fitted.product
        terms = replace(terms, quantity=quantity)
        shape = self._shapes[key] = Shape(
            signal=self.signal,
            product=product,
            environment=environment,
            side=side,
            terms=terms,
            algo_id=algo_id,
            request_hash=request_hash(
                self.signal.instrument, side, product, self.signal.validity, terms
            ),
            state=OrderState.SKIPPED if refusal else OrderState.PLANNED,
            reason=reason,
            message=sentence(*refusal) if refusal else "",
            figures=figures or None,
        )
        return shape


def unlisted(manifest: BrokerManifest, signal: Signal) -> Refusal:
    """Say that the broker is not known to trade what the signal is about."""
    facts = {"broker": manifest.title, "instrument": signal.instrument}
    return Refusal(SkipReason.UNKNOWN_INSTRUMENT, facts)


def _asked(signal: Signal) -> tuple[OrderTerms, Product]:
    if signal.terms is None or signal.product is None:
        raise ValueError(f"signal {signal.signal_id}: {signal.action} without terms or product")
    return signal.terms, signal.product


def request_hash(
    instrument: str, side: Side, product: Product, validity: Validity, terms: OrderTerms
) -> bytes:
    """Freeze what will be asked of the broker, so that a changed row shows."""
    words = (instrument, side, product, validity, terms.order_type, terms.quantity)
    prices = (terms.limit_price, terms.trigger_price)
    return hashlib.sha256("|".join(map(str, words + prices)).encode()).digest()
