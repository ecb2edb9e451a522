"""Everything that can go wrong at a broker.

BrokerError
+- NotProcessed        proof that the broker did nothing: may be tried again
|  +- NotSent          no byte left this machine
|  |  +- WrongEnvironment  a paper account and a live address met, or the reverse
|  |  +- NoWayOut     the account's orders have no egress profile here: says nothing of the broker
|  +- SessionExpired   log in first
|  +- RateLimited      wait `retry_after_s` first
|  +- LoginRefused     the broker refused this login; its own words
+- OutcomeUnknown      the broker may have the order: look it up, never resend
   +- AnswerUnreadable it answered, but nothing that its documentation knows
   +- AmbiguousMatch   several orders carry one tag of ours: a person decides

A refused order is no error: it is a report with status REJECTED. Reads (book, funds, profile)
raise the same errors; for them `OutcomeUnknown` only means that the answer could not be read.
"""


class BrokerError(Exception):
    """Anything that went wrong at a broker. The text carries the facts, never a credential."""


class NotProcessed(BrokerError):
    """Proof that the broker did nothing with the request."""


class NotSent(NotProcessed):
    """No byte of the request left this machine."""


class WrongEnvironment(NotSent, ValueError):
    """A paper address where a live one belongs, or the reverse. Refused before any connection."""


class NoWayOut(NotSent):
    """A live order without an egress profile, or with one that this process does not have."""


class SessionExpired(NotProcessed):
    """The broker refused the session before looking at the request."""


class RateLimited(NotProcessed):
    """The broker refused unread, for too many requests."""

    def __init__(self, message: str, *, retry_after_s: float, day_blocked: bool = False) -> None:
        """`day_blocked` says that no request is answered before the next trading day."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.day_blocked = day_blocked


class LoginRefused(NotProcessed):
    """The broker refused this login or this code."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """Keep the broker's own words and its code."""
        super().__init__(message)
        self.code = code


class OutcomeUnknown(BrokerError):
    """The broker may have acted. Look it up; never send again."""


class AnswerUnreadable(OutcomeUnknown):
    """The broker answered with something that stands in no table of ours: people must see it."""


class AmbiguousMatch(OutcomeUnknown):
    """Several orders at the broker carry one tag of ours: a person decides which is the order."""
