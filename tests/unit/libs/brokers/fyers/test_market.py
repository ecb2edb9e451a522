"""The market door: one request for one price with its band, fifty symbols in each for many."""

from urllib.parse import parse_qs, urlsplit

import pytest

from libs.brokers.errors import AnswerUnreadable, RateLimited, SessionExpired
from libs.brokers.fyers.instruments import FyersInstruments
from libs.brokers.fyers.market import FyersMarket
from libs.brokers.http import HTTPReply
from tests.factories import NOON
from tests.unit.libs.brokers.fyers.payloads import payload
from tests.unit.libs.brokers.fyers.replies import a_refusal, a_reply
from tests.unit.libs.brokers.fyers.test_orders import ADDRESSES, SESSION, TransportThatAnswers

DATA = "http://127.0.0.1:9701/data"


def market(*replies: HTTPReply) -> tuple[FyersMarket, TransportThatAnswers]:
    transport = TransportThatAnswers(list(replies))
    return FyersMarket(ADDRESSES, reads=transport, clock=lambda: NOON), transport


def quotes_of(*symbols: str) -> HTTPReply:
    items = [{"n": symbol, "s": "ok", "v": {"lp": 10.5}} for symbol in symbols]
    return a_reply(s="ok", code=200, message="", d=items)


async def test_one_instrument_is_one_depth_without_the_orders_egress() -> None:
    book = {"bids": [], "ask": [], "ltp": 812.5, "lower_ckt": 731.25, "upper_ckt": 893.75}
    door, transport = market(a_reply(s="ok", code=200, d={"NSE:M&M-EQ": book}))

    quotes = await door.quotes(SESSION, ["NSE:M&M"])

    assert quotes["NSE:M&M"].at == NOON
    [sent] = transport.sent
    assert (sent["method"], sent["url"]) == (
        "GET",
        f"{DATA}/depth?symbol=NSE%3AM%26M-EQ&ohlcv_flag=1",
    )
    assert sent["headers"] == {"Authorization": "AB12CD34EF-100:eyJ.canary.sig"}
    assert "egress" not in sent


async def test_several_instruments_are_one_request() -> None:
    door, transport = market(quotes_of("NSE:SBIN-EQ", "NSE:TCS-EQ"))

    assert set(await door.quotes(SESSION, ["NSE:SBIN", "NSE:TCS"])) == {"NSE:SBIN", "NSE:TCS"}
    assert [sent["url"] for sent in transport.sent] == [
        f"{DATA}/quotes?symbols=NSE%3ASBIN-EQ%2CNSE%3ATCS-EQ"
    ]


async def test_more_than_fifty_are_split() -> None:
    symbols = [f"NSE:S{n}-EQ" for n in range(101)]
    share = payload("symbol_master")["NSE:SBIN-EQ"]
    rows = [share | {"symTicker": it, "underSym": it[4:-3]} for it in symbols]
    transport = TransportThatAnswers([quotes_of(*symbols[i : i + 50]) for i in (0, 50, 100)])
    door = FyersMarket(ADDRESSES, reads=transport, instruments=FyersInstruments(rows))

    found = await door.quotes(SESSION, [f"NSE:S{n}" for n in range(101)])

    assert len(found) == 101
    asked = [parse_qs(urlsplit(sent["url"]).query)["symbols"][0] for sent in transport.sent]
    assert [len(one.split(",")) for one in asked] == [50, 50, 1]


async def test_instrument_named_twice_is_asked_for_once() -> None:
    book = {"bids": [], "ask": [], "ltp": 812.5}
    door, transport = market(a_reply(s="ok", code=200, d={"NSE:SBIN-EQ": book}))

    assert set(await door.quotes(SESSION, ["NSE:SBIN", "NSE:SBIN"])) == {"NSE:SBIN"}
    assert len(transport.sent) == 1


@pytest.mark.parametrize("names", [["NSE:SBIN"], ["NSE:SBIN", "NSE:TCS"]])
async def test_symbol_the_broker_does_not_know_any_more_is_missing(names: list[str]) -> None:
    door, _ = market(a_refusal(400, -300, "Invalid symbol"))

    assert await door.quotes(SESSION, names) == {}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (a_refusal(401, -15, "Please provide valid token"), SessionExpired),
        (a_refusal(429, -429, "request limit reached"), RateLimited),
        (a_refusal(400, -50, "Invalid parameters"), AnswerUnreadable),
        (a_refusal(418, -300, "Invalid symbol"), AnswerUnreadable),
        (a_reply(s="ok", code=200), AnswerUnreadable),
    ],
)
async def test_refusals_follow_the_table(reply: HTTPReply, error: type[Exception]) -> None:
    door, _ = market(reply)

    with pytest.raises(error):
        await door.quotes(SESSION, ["NSE:SBIN"])


async def test_warming_touches_no_accounts_budget() -> None:
    door, transport = market()

    await door.warm()

    assert (transport.warmed, transport.sent) == ([(DATA, {None: 1})], [])
