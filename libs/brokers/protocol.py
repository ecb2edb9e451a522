"""The doors of a broker: small protocols, each opened by the service that needs it.

Everything here speaks trading terms (libs.trading). A door is built by its manifest with a
`BrokerAddresses`, keeps its own warm connections, serves every account of that broker in this
process and is closed with `aclose`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from libs.brokers.errors import NoWayOut, WrongEnvironment
from libs.trading.accounts import Environment
from libs.trading.instruments import Instrument
from libs.trading.orders import (
    Funds,
    Holding,
    OrderIntent,
    OrderReport,
    Position,
    Profile,
    Trade,
)
from libs.trading.quotes import Quote

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSession:
    """Proof that one account may trade. `secrets` are named by the broker folder, never printed.

    `client_id` is the account's name at the broker, `egress` the profile its orders leave from.
    """

    account_id: str
    client_id: str
    environment: Environment
    expires_at: datetime
    secrets: Mapping[str, str] = field(repr=False)
    egress: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformApp:
    """The application a broker knows us by; an account's own app wins over the platform's."""

    app_id: str
    secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginGrant:
    """What a login brought: tokens, whose they are, how long they live.

    `credentials` holds what must be kept, by the field names of the manifest; stored encrypted.
    """

    profile: Profile
    expires_at: datetime
    credentials: Mapping[str, str] = field(repr=False)


class BrokerLogin(Protocol):
    """Browser logins: where to send the user, and what to do with what the browser brings back."""

    def authorization_url(self, app: PlatformApp, state: str) -> str: ...

    async def exchange(self, app: PlatformApp, reply: Mapping[str, str]) -> LoginGrant:
        """Turn the browser's reply into a session; the profile is read before this returns.

        Raise `LoginRefused` with the broker's words, `OutcomeUnknown` when it did not answer.
        """

    async def logout(self, session: BrokerSession) -> None:
        """End the session at the broker. A session that is already dead is a success."""

    async def aclose(self) -> None: ...


class OrderGateway(Protocol):
    """Orders of one broker. Writes follow the error tree to the letter (errors.py).

    `not_after` is an instant of `time.monotonic()`: later than that no write is begun and
    `NotSent` is raised. Callers set it to two seconds after they committed the row.
    """

    async def warm(self, sessions: Sequence[BrokerSession]) -> None:
        """Open connections ahead of the first order. Never raises for an unreachable broker."""

    async def place_order(
        self, session: BrokerSession, intent: OrderIntent, *, not_after: float | None = None
    ) -> OrderReport:
        """Send one order, once.

        Return a report when the broker answered, even with a rejection. Raise `NotProcessed`
        only with proof that the broker did nothing, and `OutcomeUnknown` for everything else:
        the caller looks the order up.
        """

    async def modify_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        """Set the absolute terms of `intent`. Errors as `place_order`.

        The report is about this request: ACKED means that it was accepted, REJECTED (with a
        `code`) that it was refused and the order is as before. When the broker says the order is
        already over, the report is the order's own, read from the book, and has no `code`.
        """

    async def cancel_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        """Ask for a cancel. The report reads as that of `modify_order`.

        ACKED: accepted, the feed or the book tells what became of it. CANCELLED, FILLED, LAPSED
        without a `code`: it was already over.
        """

    async def find_order(self, session: BrokerSession, client_order_id: str) -> OrderReport | None:
        """Look one order up by our tag. None means "not in the book now", not "never placed".

        Raise `AmbiguousMatch` when several orders carry it.
        """

    async def order_book(self, session: BrokerSession) -> list[OrderReport]:
        """Every order of the account today, ours and foreign, complete or an error."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOpened:
    """The feed is connected and subscribed: what came before must be read from the book now."""


class OrderFeed(Protocol):
    """The order feed of one account."""

    def updates(self, session: BrokerSession) -> AsyncIterator[OrderReport | FeedOpened]:
        """Connect once and yield until the line breaks; then raise.

        `FeedOpened` comes first. `SessionExpired` when the session is refused: do not retry.
        `OutcomeUnknown` for a broken or silent line: the caller reconnects with backoff.
        """

    async def aclose(self) -> None: ...


class AccountReader(Protocol):
    """What an account is, owns and did. Every answer is complete or an error, never a part."""

    async def profile(self, session: BrokerSession) -> Profile: ...

    async def funds(self, session: BrokerSession) -> Funds:
        """Read what is free, what is used, and the total; the worth of holdings is in none."""

    async def positions(self, session: BrokerSession) -> list[Position]:
        """Read the net quantity per instrument and product, the owner's own trades included.

        What is closed may be missing or listed with 0. Shares delivered on earlier days are
        holdings: what of DELIVERY can be closed is `holdings` plus this, which a sale of today
        makes negative. An instrument that has no name of ours keeps the broker's spelling.
        """

    async def trade_book(self, session: BrokerSession) -> list[Trade]:
        """Every execution of the account today, ours and foreign, complete or an error.

        An instrument that has no name of ours keeps the broker's spelling.
        """

    async def holdings(self, session: BrokerSession) -> list[Holding]:
        """Read the shares delivered on earlier days; sales of today stand in `positions`."""

    async def aclose(self) -> None: ...


class MarketReader(Protocol):
    """Prices of one broker, read with the session of any account that may see them."""

    async def warm(self) -> None:
        """Open a connection ahead of the first question. Never raises for an unreachable broker."""

    async def quotes(
        self, session: BrokerSession, instruments: Sequence[str]
    ) -> Mapping[str, Quote]:
        """Ask what these instruments cost now, by name, in as few requests as the broker allows.

        One that the broker does not list, or has no price of, is missing from the answer. The
        price band comes with a single instrument, where the broker tells it at all. Errors as
        those of every read; what was read before one is not returned.
        """

    async def aclose(self) -> None: ...


class InstrumentBook(Protocol):
    """Instruments of one broker, in memory."""

    def find(self, name: str) -> Instrument | None:
        """Look up a canonical name. None when unknown here or ambiguous: never guessed."""

    def has_derivatives(self, underlying: str) -> bool | None:
        """Tell whether a share has derivatives at any exchange: since August 2026 it closes early.

        None when this book does not list one but may not list all.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """One way out for order writes: a source address of this machine or a proxy, never both."""

    source_address: str | None = None
    proxy_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.source_address is None) == (self.proxy_url is None):
            raise ValueError("an egress profile is a source address or a proxy, exactly one")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddresses:
    """Where a broker is, by role (`api`, `order_feed`, …), chosen by the account's environment.

    Live is TLS to a public name, paper is loopback or a simulator's own host: nothing else can be
    built. `egress` are the profiles by name; a session without one reads, and writes paper orders,
    from the machine's own address.
    """

    environment: Environment
    urls: Mapping[str, str]
    egress: Mapping[str, Egress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role, url in self.urls.items():
            if not _belongs(self.environment, url):
                raise WrongEnvironment(f"{role}: {url!r} is no {self.environment} address")

    def admit(self, session: BrokerSession) -> None:
        """Raise `WrongEnvironment` for a session of the other environment."""
        if session.environment is not self.environment:
            raise WrongEnvironment(
                f"a {session.environment} session of account {session.account_id} at "
                f"{self.environment} addresses"
            )

    def admit_order(self, session: BrokerSession) -> None:
        """As `admit`. Raise `NoWayOut` for a live session without an egress profile.

        Asked before every order write of software: from an address that is not registered for the
        account none may leave.
        """
        self.admit(session)
        if self.environment is Environment.LIVE and session.egress is None:
            raise NoWayOut(
                f"account {session.account_id} has no registered way out for live orders"
            )


def _belongs(environment: Environment, url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if environment is Environment.PAPER:
        return host in LOOPBACK or host.startswith("simulator-")
    # Compiled-in names only: a name has a dot and does not end in a digit, an address does.
    return parts.scheme in {"https", "wss"} and "." in host and not host[-1].isdigit()
