"""Paper and live never mix: every mix of an environment and an address is tried."""

from dataclasses import replace

import pytest

from libs.brokers.errors import WrongEnvironment
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.protocol import BrokerAddresses, BrokerSession, Egress
from libs.trading.accounts import Environment
from tests.factories import NOON, an_intent

SIMULATOR = "http://127.0.0.1:9701"


def a_session(environment: Environment) -> BrokerSession:
    return BrokerSession(
        account_id="account-1",
        client_id="XB00001",
        environment=environment,
        expires_at=NOON,
        secrets={"app_id": "A-100", "access_token": "t"},
    )


def test_live_is_the_compiled_in_addresses_whatever_the_setting() -> None:
    for setting in (None, SIMULATOR, "https://evil.example.com"):
        addresses = MANIFEST.addresses(Environment.LIVE, setting)
        assert addresses.urls == {
            "api": "https://api-t1.fyers.in/api/v3",
            "data": "https://api-t1.fyers.in/data",
            "order_feed": "wss://socket.fyers.in/trade/v3",
            "instruments": "https://public.fyers.in/sym_details",
        }


@pytest.mark.parametrize(
    "setting", [SIMULATOR, "http://localhost:9701", "http://simulator-fyers:9701"]
)
def test_paper_is_the_simulator(setting: str) -> None:
    host = setting.removeprefix("http://")

    assert MANIFEST.addresses(Environment.PAPER, setting).urls == {
        "api": f"http://{host}/api/v3",
        "data": f"http://{host}/data",
        "order_feed": f"ws://{host}/trade/v3",
        "instruments": f"http://{host}/sym_details",
    }


def test_paper_without_a_setting_is_this_machine() -> None:
    assert MANIFEST.addresses(Environment.PAPER, None).urls["api"] == f"{SIMULATOR}/api/v3"


@pytest.mark.parametrize(
    "setting",
    ["https://api-t1.fyers.in", "http://10.0.0.1:9701", "http://127.0.0.1.evil.com"],
)
def test_paper_is_nothing_but_the_simulator(setting: str) -> None:
    with pytest.raises(WrongEnvironment):
        MANIFEST.addresses(Environment.PAPER, setting)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (Environment.LIVE, SIMULATOR),
        (Environment.LIVE, "https://127.0.0.1:9701"),
        (Environment.LIVE, "https://localhost"),
        (Environment.LIVE, "https://simulator-fyers:9701"),
        (Environment.LIVE, "http://api-t1.fyers.in/api/v3"),
        (Environment.LIVE, "ws://socket.fyers.in/trade/v3"),
        (Environment.LIVE, "https://169.254.169.254/latest"),
        (Environment.LIVE, "https://[::1]/"),
        (Environment.PAPER, "https://api-t1.fyers.in/api/v3"),
        (Environment.PAPER, "wss://socket.fyers.in/trade/v3"),
        (Environment.PAPER, "http://169.254.169.254/latest"),
    ],
)
def test_address_of_the_other_environment_cannot_be_built(
    environment: Environment, url: str
) -> None:
    with pytest.raises(WrongEnvironment):
        BrokerAddresses(environment=environment, urls={"api": url})


@pytest.mark.parametrize("at", list(Environment))
@pytest.mark.parametrize("of", list(Environment))
async def test_session_is_served_at_its_own_environment_only(
    at: Environment, of: Environment
) -> None:
    """The four mixes: a session of either environment at the addresses of either."""
    addresses = MANIFEST.addresses(at, SIMULATOR)
    session = a_session(of)

    if at is of:
        addresses.admit(session)
        return
    orders, account = MANIFEST.orders(addresses), MANIFEST.account(addresses)
    login, feed = MANIFEST.login(addresses), MANIFEST.feed(addresses)
    market = MANIFEST.market(addresses)
    assert market is not None
    for refused in (
        orders.cancel_order(session, "1", an_intent()),
        orders.modify_order(session, "1", an_intent()),
        orders.order_book(session),
        orders.find_order(session, "k3v9q0m2x7b1a4z"),
        account.funds(session),
        market.quotes(session, ["NSE:SBIN"]),
        login.logout(session),
        anext(aiter(feed.updates(session))),
    ):
        with pytest.raises(WrongEnvironment):
            await refused
    if at is Environment.PAPER:
        with pytest.raises(WrongEnvironment):
            await orders.place_order(session, an_intent())
    for door in (orders, account, login, feed, market):
        await door.aclose()


def test_egress_is_exactly_one_way_out() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Egress()
    with pytest.raises(ValueError, match="exactly one"):
        replace(Egress(source_address="127.0.0.2"), proxy_url="http://proxy")
