"""Logging in and out: through the broker's own pages, in the broker's own words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from libs.brokers.errors import LoginRefused, SessionExpired
from tests.conformance.browser import sign_in
from tests.conformance.paper import APP, CLIENT_ID, PIN, PaperBroker


async def test_user_signs_in_at_the_brokers_pages_and_comes_back_connected(
    broker: PaperBroker,
) -> None:
    url = broker.login.authorization_url(APP, "the-state")

    reply = await sign_in(url, until=APP.redirect_uri, client_id=CLIENT_ID, pin=PIN)
    grant = await broker.login.exchange(APP, reply)

    assert "the-state" in reply.values()
    assert grant.profile.broker_client_id == CLIENT_ID
    now = datetime.now(UTC)
    assert now < grant.expires_at <= now + timedelta(hours=25)
    assert set(grant.credentials) <= set(broker.manifest.credential_fields)


def test_authorization_address_is_the_brokers_and_carries_the_state_once(
    broker: PaperBroker,
) -> None:
    url = broker.login.authorization_url(APP, "the-state")

    assert any(url.startswith(base) for base in broker.addresses.urls.values())
    values = [value for several in parse_qs(urlsplit(url).query).values() for value in several]
    assert values.count("the-state") == 1
    assert APP.secret not in url


async def test_refused_consent_is_told_in_the_brokers_words(broker: PaperBroker) -> None:
    url = broker.login.authorization_url(APP, "the-state")
    reply = await sign_in(url, until=APP.redirect_uri, client_id=CLIENT_ID, pin=PIN, refuse=True)

    with pytest.raises(LoginRefused) as raised:
        await broker.login.exchange(APP, reply)

    assert str(raised.value) in reply.values()


async def test_grant_is_good_once(broker: PaperBroker) -> None:
    reply = await broker.a_reply()
    await broker.login.exchange(APP, reply)

    with pytest.raises(LoginRefused):
        await broker.login.exchange(APP, reply)


async def test_wrong_secret_or_invented_grant_is_refused(broker: PaperBroker) -> None:
    reply = await broker.a_reply()

    with pytest.raises(LoginRefused):
        await broker.login.exchange(replace(APP, secret="another"), reply)
    for name in broker.manifest.login_reply_fields:
        if name not in broker.manifest.login_refusal_fields:
            with pytest.raises(LoginRefused):
                await broker.login.exchange(APP, {**reply, name: "invented"})


async def test_logout_ends_the_session_and_may_be_repeated(broker: PaperBroker) -> None:
    session = await broker.a_session()
    await broker.account.profile(session)

    await broker.login.logout(session)
    await broker.login.logout(session)

    with pytest.raises(SessionExpired):
        await broker.account.profile(session)


async def test_ended_session_is_told_at_every_door(broker: PaperBroker) -> None:
    session = await broker.a_session()
    await broker.ask("POST", "sessions/expire", {"client_id": CLIENT_ID})

    for question in (
        broker.account.profile(session),
        broker.account.funds(session),
        broker.account.positions(session),
        broker.account.holdings(session),
        broker.orders.order_book(session),
        broker.orders.find_order(session, "k3v9q0m2x7b1a4z"),
    ):
        with pytest.raises(SessionExpired):
            await question
