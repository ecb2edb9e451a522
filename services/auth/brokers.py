"""The login and account doors of every broker, opened when needed, and their errors in words."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from libs.brokers import registry
from libs.brokers.errors import BrokerError, LoginRefused, RateLimited
from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import (
    AccountReader,
    BrokerAddresses,
    BrokerLogin,
    BrokerSession,
    LoginGrant,
    PlatformApp,
)
from libs.runtime.problems import Problem
from libs.trading.accounts import Environment
from libs.trading.orders import Funds

log = structlog.get_logger()

EXCHANGE_S = 20.0
LOGOUT_S = 5.0
FUNDS_S = 2.0

T = TypeVar("T")


def manifest_of(broker: str) -> BrokerManifest:
    """Find a broker by the word in the path. Raise `Problem` (404) for any other."""
    if broker not in registry.BROKERS:
        known = ", ".join(registry.BROKERS)
        raise Problem(404, "UNKNOWN_BROKER", f"There is no such broker here. There are: {known}.")
    return registry.manifest(broker)


class Brokers:
    """Every call is bounded in time; nothing of a call is logged but its outcome."""

    def __init__(
        self,
        simulator_url: Callable[[str], str | None],
        public_simulator_url: Callable[[str], str | None] | None = None,
    ) -> None:
        """Take two addresses: ours to a simulator, and that of a browser if it is another."""
        self._simulator_url = simulator_url
        self._public_simulator_url = public_simulator_url or simulator_url
        self._logins: dict[tuple[str, Environment, str | None], BrokerLogin] = {}
        self._accounts: dict[tuple[str, Environment], AccountReader] = {}

    def authorization_url(self, broker: str, app: PlatformApp, state: str) -> str:
        address = self._public_simulator_url(broker)
        return self._login_at(broker, Environment.PAPER, address).authorization_url(app, state)

    async def exchange(self, broker: str, app: PlatformApp, reply: Mapping[str, str]) -> LoginGrant:
        """Turn the browser's reply into a session. Raise `Problem` in the broker's own words."""
        title = manifest_of(broker).title
        door = self._login(broker, Environment.PAPER)
        try:
            return await _bounded(door.exchange(app, reply), EXCHANGE_S)
        except LoginRefused as error:
            message = f"{title} refused the sign-in: {error}. Connect again."
            raise Problem(400, "BROKER_REFUSED", message) from error
        except RateLimited as error:
            message = f"{title} takes no more requests just now. Connect again in a minute."
            raise Problem(503, "BROKER_BUSY", message) from error
        except (BrokerError, TimeoutError) as error:
            log.warning("login_not_answered", broker=broker, error=type(error).__name__)
            message = f"{title} did not answer. Nothing was stored. Connect again."
            raise Problem(502, "BROKER_UNREACHABLE", message) from error

    async def logout(self, broker: str, session: BrokerSession) -> bool:
        """End the session at the broker. False when it could not be confirmed."""
        try:
            await _bounded(self._login(broker, session.environment).logout(session), LOGOUT_S)
        except (BrokerError, TimeoutError) as error:
            log.warning("logout_not_confirmed", broker=broker, error=type(error).__name__)
            return False
        return True

    async def funds(self, broker: str, session: BrokerSession) -> Funds:
        """Read the money of an account. Raise `BrokerError` or `TimeoutError`."""
        return await _bounded(self._account(broker, session.environment).funds(session), FUNDS_S)

    async def aclose(self) -> None:
        closing = [door.aclose() for door in self._logins.values()]
        closing += [door.aclose() for door in self._accounts.values()]
        await asyncio.gather(*closing)

    def _login(self, broker: str, environment: Environment) -> BrokerLogin:
        return self._login_at(broker, environment, self._simulator_url(broker))

    def _login_at(self, broker: str, environment: Environment, url: str | None) -> BrokerLogin:
        place = (broker, environment, url)
        if place not in self._logins:
            manifest = manifest_of(broker)
            self._logins[place] = manifest.login(manifest.addresses(environment, url))
        return self._logins[place]

    def _account(self, broker: str, environment: Environment) -> AccountReader:
        place = (broker, environment)
        if place not in self._accounts:
            self._accounts[place] = manifest_of(broker).account(self._addresses(*place))
        return self._accounts[place]

    def _addresses(self, broker: str, environment: Environment) -> BrokerAddresses:
        return manifest_of(broker).addresses(environment, self._simulator_url(broker))


async def _bounded(call: Awaitable[T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await call
