"""Why an order waits, was never sent, or needs a person: closed lists, each with its sentence."""

from enum import StrEnum


class SkipReason(StrEnum):
    """Why a follower got no order. Each has a sentence the follower understands."""

    EXPIRED = "EXPIRED"
    PAUSED = "PAUSED"
    KILL = "KILL"
    NO_CONSENT = "NO_CONSENT"
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


SKIP_SENTENCES: dict[SkipReason, str] = {
    SkipReason.EXPIRED: "The signal was too old to act on when your order's turn came.",
    SkipReason.PAUSED: "Your follow was paused or had ended.",
    SkipReason.KILL: "Trading was stopped by a kill switch.",
    SkipReason.NO_CONSENT: "There is no valid consent for live orders at this account.",
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
    SkipReason.NO_QUOTE: "No fresh price was there to protect a market order with.",
    SkipReason.TOO_MANY_CHANGES: "The order was changed as often as your broker allows.",
    SkipReason.RATE_DAY_BLOCK: "Your broker refused too many requests today. Only exits are sent.",
    SkipReason.CLOSED: "The market was closed and would not open before the signal ran out.",
    SkipReason.OVERLOAD: "Too many orders were waiting. Entries were left out, so that exits go.",
}


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
