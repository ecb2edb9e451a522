"""How a broker account is connected, shown and disconnected: read this first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Protocol

import structlog

from libs.brokers.errors import SessionExpired
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import BrokerSession, LoginGrant, PlatformApp
from libs.runtime.problems import Problem
from libs.runtime.vault import Unreadable
from libs.trading.accounts import Account, SessionState
from libs.trading.events import Notice
from libs.trading.orders import Funds
from services.auth.accounts import Standing, connection_status
from services.auth.actors import Actor
from services.auth.credentials import Sealed, StoredSession, Strongbox
from services.auth.login_states import Link, new_state, require_state
from services.auth.margins import Margin, Margins
from services.auth.notices import reconnect_notice

log = structlog.get_logger()


class States(Protocol):
    async def issue(self, link: Link, state: str) -> None: ...

    async def claim(self, link: Link, state: str) -> None:
        """Use a state up, once. Raise `Problem` (400) when it is not this link's to use."""


class Ended(Protocol):
    @property
    def account_id(self) -> str: ...

    @property
    def session(self) -> StoredSession | None: ...


class Accounts(Protocol):
    async def save_login(
        self,
        link: Link,
        grant: LoginGrant,
        *,
        title: str,
        seal: Callable[[str], Sealed],
        actor: Actor,
    ) -> Account:
        """Store a fresh login. Raise `Problem` (409) when another client is linked."""

    async def save_own_app(
        self, link: Link, app_id: str, seal: Callable[[str], Sealed], actor: Actor
    ) -> None: ...

    async def disconnect(self, link: Link, actor: Actor) -> Ended | None: ...

    async def mark(
        self, account: Account, state: SessionState, told: Callable[[Account], Notice]
    ) -> bool: ...

    async def expire_due(self, told: Callable[[Account], Notice]) -> int: ...

    async def touch(self, account_id: str) -> None: ...


class Sessions(Protocol):
    async def standing(self, link: Link) -> Standing | None: ...

    async def session(self, account_id: str) -> StoredSession | None: ...

    async def own_app(self, link: Link) -> tuple[str, Sealed] | None: ...


class Brokers(Protocol):
    def authorization_url(self, broker: str, app: PlatformApp, state: str) -> str: ...

    async def exchange(
        self, broker: str, app: PlatformApp, reply: Mapping[str, str]
    ) -> LoginGrant: ...

    async def logout(self, broker: str, session: BrokerSession) -> bool: ...

    async def funds(self, broker: str, session: BrokerSession) -> Funds: ...


class Apps(Protocol):
    """The platform's own applications, from the settings."""

    def redirect_uri(self, broker: str) -> str:
        """Raise `Problem` (503) that names the missing setting."""

    def app(self, broker: str) -> PlatformApp:
        """Raise `Problem` (503) that names the missing settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One card of the connection page. `standing` None: never connected."""

    standing: Standing | None
    connection_status: str
    margin: Margin | None = None

    @property
    def is_connected(self) -> bool:
        return self.connection_status == "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFlow:
    states: States
    accounts: Accounts
    sessions: Sessions
    brokers: Brokers
    apps: Apps
    strongbox: Strongbox
    margins: Margins
    manifest_of: Callable[[str], BrokerManifest]
    wake_outbox: Callable[[], None]

    async def auth_url(self, link: Link) -> tuple[str, str]:
        """Begin a login: the broker's own page, and the state it will bring back."""
        app, _ = await self._app(link)
        state = new_state(link.kind)
        await self.states.issue(link, state)
        return self.brokers.authorization_url(link.broker, app, state), state

    async def connect(
        self, link: Link, state: str, reply: Mapping[str, str], actor: Actor
    ) -> Account:
        """Finish a login. Nothing reaches the broker before the state is used up."""
        require_state(state)
        await self.states.claim(link, state)
        app, own = await self._app(link)
        grant = await self.brokers.exchange(link.broker, app, reply)

        def seal(account_id: str) -> Sealed:
            # The platform's own secret is no business of an account.
            kept = {k: v for k, v in grant.credentials.items() if k != "api_secret"}
            own_app = app if own else None
            return self.strongbox.seal_login(account_id, link.broker, kept, own_app)

        title = self.manifest_of(link.broker).title
        account = await self.accounts.save_login(link, grant, title=title, seal=seal, actor=actor)
        self.margins.forget(account.account_id)
        self.wake_outbox()
        log.info("broker_connected", account_id=account.account_id, broker=link.broker)
        return account

    async def status(self, link: Link) -> Status:
        """Show the account; a session the broker calls dead is expired from here on."""
        standing = await self.sessions.standing(link)
        if standing is None:
            return Status(standing=None, connection_status="disconnected")
        status = connection_status(standing.account, datetime.now(UTC))
        if status != "connected":
            return Status(standing=standing, connection_status=status)
        try:
            margin = await self._margin(link.broker, standing.account)
        except SessionExpired:
            return await self._dead(standing, SessionState.EXPIRED)
        except Unreadable:
            return await self._dead(standing, SessionState.ERROR)
        return Status(standing=standing, connection_status=status, margin=margin)

    async def refresh(self, link: Link) -> None:
        """Say that only a new login helps: no broker here renews a session by itself."""
        standing = await self.sessions.standing(link)
        title = self.manifest_of(link.broker).title
        if standing is None or standing.account.session_state is SessionState.DISCONNECTED:
            raise not_connected(title)
        raise Problem(
            409,
            "RELOGIN_REQUIRED",
            f"Please re-connect your broker. {title} asks for a new sign-in every trading day.",
            data={"account_id": standing.account.account_id},
        )

    async def disconnect(self, link: Link, actor: Actor) -> tuple[str, bool]:
        """End the link here first, so that nothing more is sent; then end it at the broker."""
        ended = await self.accounts.disconnect(link, actor)
        if ended is None:
            raise not_connected(self.manifest_of(link.broker).title)
        self.wake_outbox()
        self.margins.forget(ended.account_id)
        logged_out = ended.session is not None and await self._logout(ended.session)
        log.info("broker_disconnected", account_id=ended.account_id, logged_out=logged_out)
        return ended.account_id, logged_out

    async def store_own_app(self, link: Link, app_id: str, secret: str, actor: Actor) -> None:
        """Keep the account's own broker app: it wins over the platform's at the next login."""
        redirect_uri = self.apps.redirect_uri(link.broker)
        app = PlatformApp(app_id=app_id, secret=secret, redirect_uri=redirect_uri)
        seal = partial(self.strongbox.seal_app, broker=link.broker, own_app=app)
        await self.accounts.save_own_app(link, app_id, seal, actor)

    async def expire(self) -> int:
        """Mark every session past its end and tell its owner."""
        total = 0
        while expired := await self.accounts.expire_due(self._reconnect):
            total += expired
            self.wake_outbox()
        if total:
            log.info("sessions_expired", sessions=total)
        return total

    async def _app(self, link: Link) -> tuple[PlatformApp, bool]:
        stored = await self.sessions.own_app(link)
        if stored is None:
            return self.apps.app(link.broker), False
        account_id, sealed = stored
        try:
            secret = self.strongbox.open_app_secret(account_id, link.broker, sealed)
        except Unreadable as error:
            message = "Your own broker app can no longer be read here. Store its secret again."
            raise Problem(409, "OWN_APP_UNREADABLE", message) from error
        redirect_uri = self.apps.redirect_uri(link.broker)
        app = PlatformApp(app_id=sealed.app_id or "", secret=secret, redirect_uri=redirect_uri)
        return app, True

    async def _margin(self, broker: str, account: Account) -> Margin | None:
        async def read() -> Decimal:
            stored = await self.sessions.session(account.account_id)
            if stored is None:  # Disconnected since the row was read.
                raise SessionExpired("no session is stored")
            funds = await self.brokers.funds(broker, self.strongbox.open_session(stored))
            return funds.available

        margin, fresh = await self.margins.of(account.account_id, read)
        if fresh:
            await self.accounts.touch(account.account_id)
        return margin

    async def _dead(self, standing: Standing, state: SessionState) -> Status:
        if await self.accounts.mark(standing.account, state, self._reconnect):
            self.wake_outbox()
            log.warning("session_dead", account_id=standing.account.account_id, state=state)
        return Status(standing=standing, connection_status=state.lower())

    async def _logout(self, stored: StoredSession) -> bool:
        try:
            session = self.strongbox.open_session(stored)
        except Unreadable:
            log.warning("logout_without_session", account_id=stored.account_id)
            return False
        return await self.brokers.logout(stored.broker, session)

    def _reconnect(self, account: Account) -> Notice:
        title = self.manifest_of(account.broker).title
        return reconnect_notice(account, title, datetime.now(UTC))


def not_connected(title: str) -> Problem:
    return Problem(404, "NOT_CONNECTED", f"No {title} account is connected here. Connect first.")
