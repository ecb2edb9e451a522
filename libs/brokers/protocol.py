"""The doors of a broker: small protocols, each opened by the service that needs it.

Everything here speaks trading terms (libs.trading). A door is built by its manifest with a
`BrokerAddresses`, keeps its own warm connections, serves every account of that broker in this
process and is closed with `aclose`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from libs.trading.accounts import Environment
from libs.trading.instruments import Instrument
from libs.trading.orders import (
    Funds,
    Holding,
    OrderIntent,
    OrderReport,
    Position,
    Profile,
)


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
    """Orders of one broker. Writes follow the error tree to the letter (errors.py)."""

    async def warm(self, sessions: Sequence[BrokerSession]) -> None:
        """Open connections ahead of the first order. Never raises for an unreachable broker."""

    async def place_order(self, session: BrokerSession, intent: OrderIntent) -> OrderReport:
        """Send one order, once.

        Return a report when the broker answered, even with a rejection. Raise `NotProcessed`
        only with proof that the broker did nothing, and `OutcomeUnknown` for everything else:
        the caller looks the order up.
        """

    async def modify_order(
        self, session: BrokerSession, broker_order_id: str, intent: OrderIntent
    ) -> OrderReport:
        """Set the absolute terms of `intent`. Errors as `place_order`; ACKED means accepted."""

    async def cancel_order(
        self, session: BrokerSession, broker_order_id: str, intent: OrderIntent
    ) -> OrderReport:
        """Ask for a cancel. CANCELLED or FILLED when the broker says it is already over."""

    async def find_order(self, session: BrokerSession, client_order_id: str) -> OrderReport | None:
        """Look one order up by our tag. None means "not in the book now", not "never placed"."""

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
    async def profile(self, session: BrokerSession) -> Profile: ...

    async def funds(self, session: BrokerSession) -> Funds: ...

    async def positions(self, session: BrokerSession) -> list[Position]: ...

    async def holdings(self, session: BrokerSession) -> list[Holding]: ...

    async def aclose(self) -> None: ...


class InstrumentBook(Protocol):
    """Instruments of one broker, in memory."""

    def find(self, name: str) -> Instrument | None:
        """Look up a canonical name. None when unknown here or ambiguous: never guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddresses:
    """Where a broker is, by role (`api`, `order_feed`, …), chosen by the account's environment."""

    environment: Environment
    urls: Mapping[str, str]
