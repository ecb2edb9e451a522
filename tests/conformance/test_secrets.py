"""No secret of an account is ever printed, logged or part of an error's text."""

import logging

import pytest

from libs.brokers.errors import BrokerError
from tests.conformance.paper import APP, CLIENT_ID, PaperBroker
from tests.conformance.test_feed import listening
from tests.conformance.test_orders import placed, resting
from tests.factories import an_intent

# The server's side of the line, which is not ours in production.
_SERVERS = ("uvicorn", "websockets.server")


async def test_no_secret_is_ever_written_down(
    broker: PaperBroker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException | None] = []

    reply = await broker.a_reply()
    session = await broker.a_session()
    intent = an_intent(terms=await resting(broker))
    first = await placed(broker, session, intent)
    if broker.manifest.order_feed:
        async with listening(broker, session):
            await broker.orders.cancel_order(session, first.broker_order_id, intent)
    for knob in ({"outcome": "act_then_fail"}, {"outcome": "act_then_fail", "failure": "http_500"}):
        await broker.ask("PUT", "knobs", knob)
        errors.append(await _error_of(broker.orders.place_order(session, intent)))
    await broker.ask("POST", "sessions/expire", {"client_id": CLIENT_ID})
    errors.append(await _error_of(broker.orders.order_book(session)))
    errors.append(await _error_of(broker.account.funds(session)))
    errors.append(await _error_of(broker.login.exchange(APP, reply)))
    errors.append(await _error_of(broker.login.exchange(APP, reply)))
    errors.append(await _error_of(anext(aiter(broker.feed.updates(session)))))

    written = [repr(session), repr(APP), *capfd.readouterr()]
    written += [
        record.getMessage() for record in caplog.records if not record.name.startswith(_SERVERS)
    ]
    written += [text for error in errors for text in _told_by(error)]
    everything = "\n".join(written)
    grants = [
        reply[name]
        for name in broker.manifest.login_reply_fields
        if name in reply and name not in broker.manifest.login_refusal_fields
    ]
    tokens = [text for name, text in session.secrets.items() if name != "app_id"]
    for secret in (*grants, *tokens, APP.secret):
        assert secret not in everything


def _told_by(error: BaseException | None) -> list[str]:
    """List the words of an error and of everything it came from."""
    if error is None:
        return []
    return [f"{error} {error!r}", *_told_by(error.__cause__ or error.__context__)]


async def _error_of(question: object) -> BaseException | None:
    try:
        await question  # type: ignore[misc]  # Any awaitable.
    except BrokerError as error:
        return error
    return None
