from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from libs.brokers.errors import OutcomeUnknown, SessionExpired
from libs.brokers.protocol import BrokerSession, LoginGrant, PlatformApp
from libs.brokers.registry import BROKERS, manifest
from libs.runtime.problems import Problem
from libs.runtime.vault import KeyRing
from libs.trading.accounts import Account, AccountKind, SessionState
from libs.trading.events import Notice
from libs.trading.orders import Funds, Profile
from services.auth.accounts import Standing
from services.auth.actors import Actor
from services.auth.credentials import Sealed, StoredSession, Strongbox
from services.auth.flow import ConnectionFlow
from services.auth.login_states import IssuedState, Link, refusal
from services.auth.margins import Margins
from tests.factories import an_account

LINK = Link(user_id="user-1", broker=BROKERS[0], kind=AccountKind.CLIENT)
ACTOR = Actor(user_id="user-1", via="cookie", address="192.0.2.1")
TOMORROW = datetime.now(UTC) + timedelta(hours=12)
RING = KeyRing.from_setting(SecretStr(Fernet.generate_key().decode()))


@dataclass
class MemoryStates:
    free: set[str] = field(default_factory=set)

    async def issue(self, link: Link, state: str) -> None:
        self.free.add(state)

    async def claim(self, link: Link, state: str) -> None:
        if state not in self.free:
            raise refusal(IssuedState(link=link, used=True, expired=False), link)
        self.free.remove(state)


@dataclass
class Ending:
    account_id: str
    session: StoredSession | None


@dataclass
class MemoryAccounts:
    """One account, as the two repositories together keep it."""

    account: Account | None = None
    sealed: Sealed | None = None
    app: tuple[str, Sealed] | None = None
    told: list[Notice] = field(default_factory=list)
    touched: int = 0
    due: int = 0

    async def save_login(
        self,
        link: Link,
        grant: LoginGrant,
        *,
        title: str,
        seal: Callable[[str], Sealed],
        actor: Actor,
    ) -> Account:
        self.sealed = seal("account-1")
        self.account = an_account(
            broker_client_id=grant.profile.broker_client_id, session_expires_at=grant.expires_at
        )
        return self.account

    async def save_own_app(
        self, link: Link, app_id: str, seal: Callable[[str], Sealed], actor: Actor
    ) -> None:
        self.app = ("account-1", seal("account-1"))

    async def disconnect(self, link: Link, actor: Actor) -> Ending | None:
        session = await self.session("account-1")
        ended = Ending(self.account.account_id, session) if self.account else None
        self.account = self.sealed = self.app = None
        return ended

    async def mark(
        self, account: Account, state: SessionState, told: Callable[[Account], Notice]
    ) -> bool:
        self.account = replace(account, session_state=state)
        self.told.append(told(account))
        return True

    async def expire_due(self, told: Callable[[Account], Notice]) -> int:
        expired, self.due = min(self.due, 2), max(self.due - 2, 0)
        return expired

    async def touch(self, account_id: str) -> None:
        self.touched += 1

    async def standing(self, link: Link) -> Standing | None:
        return Standing(account=self.account, last_sync_at=None) if self.account else None

    async def session(self, account_id: str) -> StoredSession | None:
        if self.account is None or self.sealed is None:
            return None
        return StoredSession(
            account_id=account_id,
            broker=self.account.broker,
            client_id=self.account.broker_client_id,
            environment=self.account.environment,
            expires_at=TOMORROW,
            egress=None,
            version=self.account.version,
            sealed=self.sealed,
        )

    async def own_app(self, link: Link) -> tuple[str, Sealed] | None:
        return self.app


@dataclass
class OneBroker:
    """Knows one client; writes down what it was asked."""

    asked: list[str] = field(default_factory=list)
    apps: list[PlatformApp] = field(default_factory=list)
    funds_error: Exception | None = None

    def authorization_url(self, broker: str, app: PlatformApp, state: str) -> str:
        return f"https://broker.test/?app={app.app_id}&state={state}"

    async def exchange(self, broker: str, app: PlatformApp, reply: Mapping[str, str]) -> LoginGrant:
        self.asked.append("exchange")
        self.apps.append(app)
        return LoginGrant(
            profile=Profile(broker_client_id="XB00001", name="A"),
            expires_at=TOMORROW,
            credentials={"access_token": "secret-1", "api_secret": app.secret},
        )

    async def logout(self, broker: str, session: BrokerSession) -> bool:
        self.asked.append(f"logout {session.secrets['access_token']}")
        return True

    async def funds(self, broker: str, session: BrokerSession) -> Funds:
        self.asked.append("funds")
        if self.funds_error:
            raise self.funds_error
        return Funds(available=Decimal("12.50"), total=Decimal(20), used=Decimal("7.50"))


class OneApp:
    def app(self, broker: str) -> PlatformApp:
        return PlatformApp(app_id="OURS-100", secret="ours", redirect_uri=self.redirect_uri(broker))

    def redirect_uri(self, broker: str) -> str:
        return "https://lockstep.test/broker/callback"


class Bell:
    rung = 0

    def ring(self) -> None:
        self.rung += 1


@dataclass
class Scene:
    accounts: MemoryAccounts = field(default_factory=MemoryAccounts)
    broker: OneBroker = field(default_factory=OneBroker)
    states: MemoryStates = field(default_factory=MemoryStates)
    bell: Bell = field(default_factory=Bell)

    def __post_init__(self) -> None:
        self.flow = ConnectionFlow(
            states=self.states,
            accounts=self.accounts,
            sessions=self.accounts,
            brokers=self.broker,
            apps=OneApp(),
            strongbox=Strongbox(RING, RING),
            margins=Margins(),
            manifest_of=manifest,
            wake_outbox=self.bell.ring,
        )

    async def connect(self) -> Account:
        _, state = await self.flow.auth_url(LINK)
        return await self.flow.connect(LINK, state, {"auth_code": "x"}, ACTOR)


async def test_a_state_is_used_up_before_the_broker_hears_anything() -> None:
    scene = Scene()
    await scene.connect()

    with pytest.raises(Problem, match="used already"):
        await scene.flow.connect(LINK, "c-old", {"auth_code": "x"}, ACTOR)
    with pytest.raises(Problem, match="state is missing"):
        await scene.flow.connect(LINK, "", {"auth_code": "x"}, ACTOR)

    assert scene.broker.asked == ["exchange"]


async def test_connect_stores_the_session_sealed_and_says_so_to_the_bus() -> None:
    scene = Scene()

    account = await scene.connect()

    assert account.broker_client_id == "XB00001"
    assert scene.accounts.sealed is not None
    # Our own secret is no field of an account.
    assert scene.accounts.sealed.fields.keys() == {"access_token"}
    assert "secret-1" not in repr(scene.accounts.sealed)
    assert scene.bell.rung == 1


async def test_an_own_app_wins_over_ours() -> None:
    scene = Scene()
    await scene.flow.store_own_app(LINK, "MINE-100", "my-secret", ACTOR)

    url, state = await scene.flow.auth_url(LINK)
    await scene.flow.connect(LINK, state, {"auth_code": "x"}, ACTOR)

    assert "app=MINE-100" in url
    assert (scene.broker.apps[0].app_id, scene.broker.apps[0].secret) == ("MINE-100", "my-secret")
    assert scene.accounts.sealed is not None
    assert scene.accounts.sealed.fields.keys() == {"access_token", "api_secret"}


async def test_an_own_app_that_cannot_be_opened_is_asked_for_again() -> None:
    scene = Scene()
    await scene.flow.store_own_app(LINK, "MINE-100", "my-secret", ACTOR)
    assert scene.accounts.app is not None
    scene.accounts.app = ("account-2", scene.accounts.app[1])

    with pytest.raises(Problem, match="Store its secret again"):
        await scene.flow.auth_url(LINK)


async def test_disconnect_ends_here_first_and_then_at_the_broker() -> None:
    scene = Scene()
    await scene.connect()

    account_id, logged_out = await scene.flow.disconnect(LINK, ACTOR)

    assert (account_id, logged_out) == ("account-1", True)
    assert scene.accounts.sealed is None
    assert scene.broker.asked == ["exchange", "logout secret-1"]
    with pytest.raises(Problem, match="Connect first"):
        await scene.flow.disconnect(LINK, ACTOR)


async def test_disconnect_works_when_the_session_can_no_longer_be_opened() -> None:
    scene = Scene()
    await scene.connect()
    assert scene.accounts.sealed is not None
    scene.accounts.sealed = replace(scene.accounts.sealed, session_key="broken")

    assert await scene.flow.disconnect(LINK, ACTOR) == ("account-1", False)


async def test_status_reads_the_margin_live_and_notes_the_contact() -> None:
    scene = Scene()
    await scene.connect()

    status = await scene.flow.status(LINK)

    assert status.is_connected
    assert status.margin is not None
    assert status.margin.available == Decimal("12.50")
    assert scene.accounts.touched == 1


async def test_status_without_an_answer_is_connected_and_without_a_figure() -> None:
    scene = Scene(broker=OneBroker(funds_error=OutcomeUnknown("silence")))
    await scene.connect()

    status = await scene.flow.status(LINK)

    assert status.is_connected
    assert status.margin is None
    assert scene.accounts.touched == 0


async def test_a_session_the_broker_refuses_is_expired_and_its_owner_told() -> None:
    scene = Scene(broker=OneBroker(funds_error=SessionExpired("log in")))
    await scene.connect()

    status = await scene.flow.status(LINK)

    assert status.connection_status == "expired"
    assert [notice.code for notice in scene.accounts.told] == ["RECONNECT_BROKER"]
    assert scene.accounts.told[0].user_id == "user-1"


async def test_a_session_that_cannot_be_opened_is_an_error_and_its_owner_told() -> None:
    scene = Scene()
    await scene.connect()
    assert scene.accounts.sealed is not None
    scene.accounts.sealed = replace(scene.accounts.sealed, session_key="broken")

    status = await scene.flow.status(LINK)

    assert status.connection_status == "error"
    assert len(scene.accounts.told) == 1


async def test_never_connected_is_disconnected() -> None:
    status = await Scene().flow.status(LINK)

    assert (status.connection_status, status.standing) == ("disconnected", None)


async def test_sessions_expire_in_bounded_batches_until_none_is_left() -> None:
    scene = Scene(accounts=MemoryAccounts(due=5))

    assert await scene.flow.expire() == 5
    assert scene.bell.rung == 3
