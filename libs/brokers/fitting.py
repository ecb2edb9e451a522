"""An order as one broker takes it, by its manifest: pure, and the same for every follower there."""

from dataclasses import dataclass, replace
from decimal import Decimal

from libs.brokers.manifest import BrokerManifest, SegmentRules
from libs.trading.instruments import Instrument, class_of, parse_instrument
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.protection import PROTECTED, Protection, worst_price
from libs.trading.quotes import Quote
from libs.trading.reasons import Refusal, SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOrder:
    """What a master's order asks for. `closes` is a way out: it may go where an entry may not."""

    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedOrder:
    """The order as this broker takes it; `protected` where it got a worst price."""

    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    protected: bool = False


def needs_quote(manifest: BrokerManifest, terms: OrderTerms) -> bool:
    """Tell whether `fit` must be given a quote; ask for one before the followers are planned."""
    return terms.order_type is OrderType.MARKET and _is_protected(manifest, terms.order_type)


def fit(
    manifest: BrokerManifest,
    instrument: Instrument,
    order: WantedOrder,
    quote: Quote | None = None,
) -> FittedOrder | Refusal:
    """Say how this broker takes the order, or why it does not.

    `quote` must be fresh; None means that there is none. A product is never replaced by another:
    that would change what the follower owes.
    """
    exchange = parse_instrument(instrument.name).exchange
    segment = manifest.segments.get(exchange)
    facts = {"broker": manifest.title, "segment": exchange, "instrument": instrument.name}
    if segment is None:
        return Refusal(SkipReason.UNSUPPORTED_SEGMENT, facts)
    if order.product not in manifest.products & segment.products:
        facts["product"] = order.product
        return Refusal(SkipReason.UNSUPPORTED_PRODUCT, facts)
    if order.validity not in manifest.validities & segment.validities:
        facts["validity"] = order.validity
        return Refusal(SkipReason.UNSUPPORTED_VALIDITY, facts)
    terms = _taken(manifest, segment, instrument, order, quote)
    if isinstance(terms, SkipReason):
        facts["order_type"] = order.terms.order_type
        return Refusal(terms, facts)
    return FittedOrder(
        side=order.side,
        product=order.product,
        validity=order.validity,
        terms=terms,
        protected=terms is not order.terms,
    )


def too_many_changes(manifest: BrokerManifest, changes: int) -> Refusal | None:
    """Say why an order that was modified so often is not modified once more, or None."""
    most = manifest.modifications_per_order_max
    if changes < most:
        return None
    figures = {"broker": manifest.title, "changes": str(changes), "limit": str(most)}
    return Refusal(SkipReason.TOO_MANY_CHANGES, figures)


def _taken(
    manifest: BrokerManifest,
    segment: SegmentRules,
    instrument: Instrument,
    order: WantedOrder,
    quote: Quote | None,
) -> OrderTerms | SkipReason:
    taken = manifest.order_types & segment.order_types
    terms, protection = order.terms, manifest.protection
    if terms.order_type in taken and not _is_protected(manifest, terms.order_type):
        return terms
    instead = PROTECTED.get(terms.order_type)
    if instead not in taken or protection is None:
        return SkipReason.UNSUPPORTED
    price = terms.trigger_price or _market_price(order.side, quote)
    if price is None:
        plain = order.closes and protection.sent_plain_without_quote and terms.order_type in taken
        return terms if plain else SkipReason.NO_QUOTE
    limit = _limit(protection, instrument, order.side, price, quote)
    if limit is None:
        return SkipReason.UNSUPPORTED
    return replace(terms, order_type=instead, limit_price=limit)


def _is_protected(manifest: BrokerManifest, order_type: OrderType) -> bool:
    return manifest.protection is not None and order_type in manifest.protection.order_types


def _market_price(side: Side, quote: Quote | None) -> Decimal | None:
    """Take the last price, else what the other side asks for."""
    if quote is None:
        return None
    return quote.last or (quote.ask if side is Side.BUY else quote.bid)


def _limit(
    protection: Protection,
    instrument: Instrument,
    side: Side,
    price: Decimal,
    quote: Quote | None,
) -> Decimal | None:
    band = protection.band(class_of(instrument), price)
    if band is None:
        return None
    return worst_price(
        side,
        price,
        band,
        instrument.tick_size,
        lower_limit=quote.lower_limit if quote else None,
        upper_limit=quote.upper_limit if quote else None,
    )
