"""Why an order waits, was never sent, or needs a person: closed lists, each with its sentence.

A refusal carries figures; `sentence` puts them into words. Without them the plain sentence stands.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from string import Formatter
from typing import NamedTuple


class SkipReason(StrEnum):
    """Why a follower got no order. Each has a sentence the follower understands."""

    EXPIRED = "EXPIRED"
    PAUSED = "PAUSED"
    KILL = "KILL"
    NO_CONSENT = "NO_CONSENT"
    NO_REGIME = "NO_REGIME"
    NO_EGRESS = "NO_EGRESS"
    NO_ALGO_ID = "NO_ALGO_ID"
    DISCONNECTED = "DISCONNECTED"
    SESSION = "SESSION"
    TOO_SMALL = "TOO_SMALL"
    CLOSED_ELSEWHERE = "CLOSED_ELSEWHERE"
    MASTER_CANCELLED = "MASTER_CANCELLED"
    UNSUPPORTED = "UNSUPPORTED"
    UNSUPPORTED_PRODUCT = "UNSUPPORTED_PRODUCT"
    UNSUPPORTED_VALIDITY = "UNSUPPORTED_VALIDITY"
    UNSUPPORTED_SEGMENT = "UNSUPPORTED_SEGMENT"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    NO_QUOTE = "NO_QUOTE"
    TOO_MANY_CHANGES = "TOO_MANY_CHANGES"
    CLOSED = "CLOSED"
    RATE_DAY_BLOCK = "RATE_DAY_BLOCK"
    OVERLOAD = "OVERLOAD"
    NO_PRICE = "NO_PRICE"
    FUNDS_UNKNOWN = "FUNDS_UNKNOWN"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    MASTER_EQUITY_UNKNOWN = "MASTER_EQUITY_UNKNOWN"
    TOO_MANY_SLICES = "TOO_MANY_SLICES"
    AFTER_MARKET = "AFTER_MARKET"
    AFTER_MARKET_UNSUPPORTED = "AFTER_MARKET_UNSUPPORTED"
    DISCLOSED_QUANTITY = "DISCLOSED_QUANTITY"
    ATTACHED_EXITS = "ATTACHED_EXITS"
    SHORT = "SHORT"
    PRODUCT_LEFT_OUT = "PRODUCT_LEFT_OUT"
    SEGMENT_LEFT_OUT = "SEGMENT_LEFT_OUT"
    INSTRUMENT_LEFT_OUT = "INSTRUMENT_LEFT_OUT"
    TRADING_WINDOW = "TRADING_WINDOW"
    ORDERS_PER_DAY = "ORDERS_PER_DAY"
    ORDERS_UNKNOWN = "ORDERS_UNKNOWN"
    LOSS_PER_DAY = "LOSS_PER_DAY"
    LOSS_UNKNOWN = "LOSS_UNKNOWN"
    OPEN_POSITIONS = "OPEN_POSITIONS"
    POSITIONS_UNKNOWN = "POSITIONS_UNKNOWN"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    ORDER_VALUE = "ORDER_VALUE"
    PRICE_MOVED = "PRICE_MOVED"


class Refusal(NamedTuple):
    """Why not, with the figures behind it: decimal strings and names, ready for `sentence`."""

    reason: SkipReason
    figures: dict[str, str]


SKIP_SENTENCES: dict[SkipReason, str] = {
    SkipReason.EXPIRED: "The signal was too old to act on when your order's turn came.",
    SkipReason.PAUSED: "Your follow was paused or had ended.",
    SkipReason.KILL: "Trading was stopped by a kill switch.",
    SkipReason.NO_CONSENT: "There is no valid consent for live orders at this account.",
    SkipReason.NO_REGIME: "There is no valid evidence that software may trade this account live.",
    SkipReason.NO_EGRESS: "This account has no address registered for its live orders.",
    SkipReason.NO_ALGO_ID: "This account has no valid algo id for these live orders.",
    SkipReason.DISCONNECTED: "The broker account is disconnected.",
    SkipReason.SESSION: "Please re-connect your broker. Its session had ended.",
    SkipReason.TOO_SMALL: "Your share of this order is less than one lot.",
    SkipReason.CLOSED_ELSEWHERE: "Nothing of this strategy was left to close.",
    SkipReason.MASTER_CANCELLED: "The master cancelled before your order was sent.",
    SkipReason.UNSUPPORTED: "Your broker does not take this kind of order.",
    SkipReason.UNSUPPORTED_PRODUCT: "Your broker does not trade this instrument in this product.",
    SkipReason.UNSUPPORTED_VALIDITY: "Your broker does not take orders of this validity here.",
    SkipReason.UNSUPPORTED_SEGMENT: "Your broker does not serve this exchange segment.",
    SkipReason.UNKNOWN_INSTRUMENT: "Your broker does not list this instrument, or not clearly.",
    SkipReason.NO_QUOTE: "There was no fresh price to check or to protect this order with.",
    SkipReason.TOO_MANY_CHANGES: "The order was changed as often as your broker allows.",
    SkipReason.RATE_DAY_BLOCK: "Your broker refused too many requests today. Only exits are sent.",
    SkipReason.CLOSED: "The market was closed and would not open before the signal ran out.",
    SkipReason.OVERLOAD: "Too many orders were waiting. Entries were left out, so that exits go.",
    SkipReason.NO_PRICE: "There was no price to reckon this order with.",
    SkipReason.FUNDS_UNKNOWN: "Your funds were not known, so your order could not be sized.",
    SkipReason.EQUITY_UNKNOWN: "Your equity was not known, so your order could not be sized.",
    SkipReason.MASTER_EQUITY_UNKNOWN: "The master's equity was not known, so no size was found.",
    SkipReason.TOO_MANY_SLICES: "The exchange would take this quantity only in too many orders.",
    SkipReason.AFTER_MARKET: "It is an after-market order, which your follow does not allow.",
    SkipReason.AFTER_MARKET_UNSUPPORTED: "After-market orders are not sent to your broker.",
    SkipReason.DISCLOSED_QUANTITY: "The master showed only a part of the quantity; copies cannot.",
    SkipReason.ATTACHED_EXITS: "The master's order has a stop or target attached; copies cannot.",
    SkipReason.SHORT: "It would open a short position, which your follow does not allow.",
    SkipReason.PRODUCT_LEFT_OUT: "Your rules leave out orders in this product.",
    SkipReason.SEGMENT_LEFT_OUT: "Your rules leave out this segment.",
    SkipReason.INSTRUMENT_LEFT_OUT: "Your rules leave out this instrument.",
    SkipReason.TRADING_WINDOW: "It was outside your trading window.",
    SkipReason.ORDERS_PER_DAY: "It is over your limit of orders per day.",
    SkipReason.ORDERS_UNKNOWN: "Today's orders were not known, so your limit was not checked.",
    SkipReason.LOSS_PER_DAY: "Today's loss has reached your limit.",
    SkipReason.LOSS_UNKNOWN: "Today's loss was not known, so your limit was not checked.",
    SkipReason.OPEN_POSITIONS: "It is over your limit of open positions.",
    SkipReason.POSITIONS_UNKNOWN: "Your positions were not known, so your limit was not checked.",
    SkipReason.ORDER_QUANTITY: "The quantity is over your limit per order.",
    SkipReason.ORDER_VALUE: "The value is over your limit per order.",
    SkipReason.PRICE_MOVED: "The price had moved too far from the master's.",
}

# {name:way}: `rupees`, `whose` the limit is, `word` of a code, or how many of a thing.
_FIGURED: dict[SkipReason, str] = {
    SkipReason.EXPIRED: "The signal was {age_s} s old when your order's turn came, and good for"
    " {lives_s} s.",
    SkipReason.TOO_SMALL: "Your share of {wanted:{unit}} is less than one lot of {lot:number}.",
    SkipReason.CLOSED_ELSEWHERE: "Nothing was left to close of the {opened:{unit}} that this"
    " strategy had opened, with {closing:number} being closed already.",
    SkipReason.UNSUPPORTED: "{broker} takes no {order_type:word} orders of {instrument}.",
    SkipReason.UNSUPPORTED_PRODUCT: "{broker} does not trade {instrument} as {product:word}.",
    SkipReason.UNSUPPORTED_VALIDITY: "{broker} takes no {validity} orders of {instrument}.",
    SkipReason.UNSUPPORTED_SEGMENT: "{broker} does not serve the segment {segment}.",
    SkipReason.UNKNOWN_INSTRUMENT: "{broker} does not list {instrument}, or not clearly.",
    SkipReason.NO_QUOTE: "There was no fresh price of {instrument} to check or to protect this"
    " order with.",
    SkipReason.TOO_MANY_CHANGES: "The order was changed {changes:time} already; {broker} allows"
    " {limit:number}.",
    SkipReason.CLOSED: "The market was closed until {opens} in India, and the signal ran out"
    " before.",
    SkipReason.RATE_DAY_BLOCK: "Your broker refused too many requests {refusals:time} today."
    " Only exits are sent.",
    SkipReason.OVERLOAD: "With {waiting:order} waiting, more than {limit:number}, entries were"
    " left out, so that exits go.",
    SkipReason.NO_PRICE: "There was no price to reckon this order of {instrument} with.",
    SkipReason.FUNDS_UNKNOWN: "Your funds were not known, so no order of {percent}% of them was"
    " sized.",
    SkipReason.TOO_MANY_SLICES: "{quantity:{unit}} would need more than {limit:order}"
    " of at most {freeze:{unit}} each.",
    SkipReason.AFTER_MARKET_UNSUPPORTED: "After-market orders are not sent to {broker}.",
    SkipReason.SHORT: "Selling {quantity:{unit}} with {held:number} held would open a short"
    " position, which your follow does not allow.",
    SkipReason.PRODUCT_LEFT_OUT: "{whose:Whose} rules leave out {product:word} orders.",
    SkipReason.SEGMENT_LEFT_OUT: "{whose:Whose} rules leave out the segment {segment:word}.",
    SkipReason.INSTRUMENT_LEFT_OUT: "{whose:Whose} rules leave out {instrument}.",
    SkipReason.TRADING_WINDOW: "At {now} in India it was outside {whose:whose} trading window,"
    " {opens} to {closes}.",
    SkipReason.ORDERS_PER_DAY: "After {today:order} today, {orders:number} more is over"
    " {whose:whose} limit of {limit:number} per day.",
    SkipReason.ORDERS_UNKNOWN: "Today's orders were not known, so {whose:whose} limit of"
    " {limit:number} per day was not checked.",
    SkipReason.LOSS_PER_DAY: "Today's loss of {loss:rupees} has reached {whose:whose} limit of"
    " {limit:rupees}.",
    SkipReason.LOSS_UNKNOWN: "Today's loss was not known, so {whose:whose} limit of"
    " {limit:rupees} was not checked.",
    SkipReason.OPEN_POSITIONS: "With {open:position} open, one more is over {whose:whose} limit"
    " of {limit:number}.",
    SkipReason.POSITIONS_UNKNOWN: "Your positions were not known, so {whose:whose} limit of"
    " {limit:number} open was not checked.",
    SkipReason.ORDER_QUANTITY: "{quantity:{unit}} is over {whose:whose} limit of {limit:number}"
    " per order.",
    SkipReason.ORDER_VALUE: "{quantity:{unit}} \N{MULTIPLICATION SIGN} {price:rupees}"
    " = {value:rupees} is over {whose:whose} {limit:rupees} limit per order.",
    SkipReason.PRICE_MOVED: "The price is {moved:number} basis points from the master's,"
    " {last:rupees} after {master:rupees}; {whose:whose} limit is {limit:number}.",
}


def sentence(reason: SkipReason, figures: Mapping[str, str]) -> str:
    """Tell a follower why, with the figures; with any of them missing, in general words."""
    if not figures or not figures_of(reason) <= figures.keys():
        return SKIP_SENTENCES[reason]
    known = {name: _Figure(figure) for name, figure in figures.items()}
    return _FIGURED.get(reason, SKIP_SENTENCES[reason]).format_map(known)


def figures_of(reason: SkipReason) -> frozenset[str]:
    """Name the figures that this reason's sentence needs."""
    return _NEEDED[reason]


def indian(number: str) -> str:
    """Group digits as in India: 1234567.5 becomes 12,34,567.5."""
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    whole, dot, rest = digits.partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return sign + ",".join([*reversed(pairs), tail]) + dot + rest


@lru_cache(maxsize=4096)
def rupees(amount: str) -> str:
    """Write money with its sign, two decimals, and more only where there are more."""
    whole, _, decimals = f"{Decimal(amount):f}".partition(".")
    sign = "-" if whole.startswith("-") else ""
    exact = decimals.rstrip("0").ljust(2, "0")
    return f"{sign}\N{INDIAN RUPEE SIGN}{indian(whole.lstrip('-'))}.{exact}"


class _Figure(str):
    """A figure that a template's format specification puts into words."""

    __slots__ = ()

    def __format__(self, way: str) -> str:
        match way:
            case "":
                return str(self)
            case "rupees":
                return rupees(self)
            case "number":
                return indian(self)
            case "word":
                return self.replace("_", " ").lower()
            case "whose" | "Whose":
                words = "your account's" if self == "ACCOUNT" else "your"
                return words.capitalize() if way == "Whose" else words
            case noun:
                return f"{indian(self)} {noun}{'' if self == '1' else 's'}"


def _names_in(template: str) -> set[str]:
    found = set[str]()
    for _, name, way, _ in Formatter().parse(template):
        if name:
            found |= {name, *_names_in(way or "")}
    return found


_NEEDED = {reason: frozenset(_names_in(_FIGURED.get(reason, ""))) for reason in SkipReason}


class HoldReason(StrEnum):
    """What a held order waits for; always bounded by its expiry."""

    RATE = "RATE"
    SESSION = "SESSION"
    PREOPEN = "PREOPEN"
    BREAKER = "BREAKER"
    USER = "USER"
    PREDECESSOR = "PREDECESSOR"
    HALTED = "HALTED"
    CLOCK = "CLOCK"


HOLD_SENTENCES: dict[HoldReason, str] = {
    HoldReason.RATE: "Waiting for the broker's limit of orders per second.",
    HoldReason.SESSION: "Please re-connect your broker. The order waits for its session.",
    HoldReason.PREOPEN: "Waiting for the market to open.",
    HoldReason.BREAKER: "The broker does not answer just now. The order waits.",
    HoldReason.USER: "Waiting for your approval.",
    HoldReason.PREDECESSOR: "Waiting for an earlier order of this account.",
    HoldReason.HALTED: "Trading in this instrument is halted. The order waits.",
    HoldReason.CLOCK: "A clock of ours is wrong just now. The order waits until it is right.",
}


class AttentionReason(StrEnum):
    """Why a person must decide about an order."""

    AMBIGUOUS_MATCH = "AMBIGUOUS_MATCH"
    BOOK_UNREADABLE = "BOOK_UNREADABLE"
    SESSION_DEAD = "SESSION_DEAD"
    CONTRADICTION = "CONTRADICTION"
    UNEXPLAINED_FILL = "UNEXPLAINED_FILL"
    STILL_OPEN = "STILL_OPEN"
    DAY_DIFFERENCE = "DAY_DIFFERENCE"


class ClosedReason(StrEnum):
    """Why a person ended an order that the broker did not end."""

    ABANDONED = "ABANDONED"
