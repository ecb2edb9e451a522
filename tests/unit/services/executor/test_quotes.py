"""A signal's price is asked once, with whatever session serves, and never waited for too long."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from libs.brokers.errors import BrokerError, OutcomeUnknown, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Environment
from libs.trading.quotes import Quote
from services.executor.quotes import SharedQuotes
from tests.factories import NOON

PAPER, LIVE = Environment.PAPER, Environment.LIVE
SBIN = Quote(instrument="NSE:SBIN", last=Decimal("812.50"), at=NOON)


def a_session(account_id: str, environment: Environment = PAPER) -> BrokerSession:
    return BrokerSession(
        account_id=account_id,
        client_id="XB00001",
        environment=environment,
        expires_at=NOON,
        secrets={},
    )


@dataclass
class SessionsOf:
    """The sessions of some paper accounts; the broker may refuse them."""

    accounts: list[str]
    environment: Environment = PAPER
    refused: list[str] = field(default_factory=list)

    def live(self, environment: Environment) -> Iterator[BrokerSession]:
        if environment is self.environment:
            yield from (
                a_session(it, environment) for it in self.accounts if it not in self.refused
            )

    def refuse(self, session: BrokerSession) -> None:
        self.refused.append(session.account_id)


@dataclass
class MarketThatCounts:
    """Knows one price; `errors` are raised first, one a question, and `gate` holds the answer."""

    errors: list[BrokerError] = field(default_factory=list)
    prices: Mapping[str, Quote] = field(default_factory=lambda: {"NSE:SBIN": SBIN})
    gate: asyncio.Event | None = None
    asked: list[tuple[str, Sequence[str]]] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def quotes(self, session: BrokerSession, instruments: Sequence[str]) -> dict[str, Quote]:
        self.asked.append((session.account_id, instruments))
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return {name: self.prices[name] for name in instruments if name in self.prices}

    async def warm(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


@dataclass
class DoorTo:
    """The paper door leads to this market; there is none to the live one."""

    door: MarketThatCounts | None

    def market(self, environment: Environment) -> MarketThatCounts | None:
        return self.door if environment is PAPER else None


@dataclass
class Hands:
    at: float = 100.0

    def __call__(self) -> float:
        return self.at


def quotes_of(
    market: MarketThatCounts | None,
    sessions: SessionsOf | None = None,
    hands: Hands | None = None,
    wait_s: float = 5,
) -> SharedQuotes:
    return SharedQuotes(
        sessions=sessions or SessionsOf(["account-1", "account-2"]),
        doors=DoorTo(market),
        requests_per_minute_max=200,
        clock=hands or Hands(),
        wait_s=wait_s,
    )


async def test_a_thousand_followers_ask_once() -> None:
    market = MarketThatCounts(gate=asyncio.Event())
    quotes = quotes_of(market)
    waiting = [asyncio.create_task(quotes.of("NSE:SBIN", PAPER)) for _ in range(1000)]
    await asyncio.sleep(0)
    assert market.gate is not None
    market.gate.set()

    assert set(await asyncio.gather(*waiting)) == {SBIN}
    assert market.asked == [("account-1", ["NSE:SBIN"])]


async def test_price_is_used_again_while_it_is_fresh_and_then_asked_for_anew() -> None:
    market, hands = MarketThatCounts(), Hands()
    quotes = quotes_of(market, hands=hands)

    await quotes.of("NSE:SBIN", PAPER)
    hands.at += quotes.fresh_s
    await quotes.of("NSE:SBIN", PAPER)
    assert len(market.asked) == 1
    hands.at += 0.001
    await quotes.of("NSE:SBIN", PAPER)
    assert len(market.asked) == 2


async def test_price_counts_from_the_question_not_from_the_answer() -> None:
    market, hands = MarketThatCounts(gate=asyncio.Event()), Hands()
    quotes = quotes_of(market, hands=hands)
    first = asyncio.create_task(quotes.of("NSE:SBIN", PAPER))
    await market.reached.wait()
    hands.at += 10
    assert market.gate is not None
    market.gate.set()
    assert await first == SBIN

    await quotes.of("NSE:SBIN", PAPER)

    assert len(market.asked) == 2


async def test_nobody_waits_longer_than_agreed_and_a_late_price_serves_the_next() -> None:
    market = MarketThatCounts(gate=asyncio.Event())
    quotes = quotes_of(market, wait_s=0.01)

    assert await quotes.of("NSE:SBIN", PAPER) is None
    assert market.gate is not None
    market.gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert await quotes.of("NSE:SBIN", PAPER) == SBIN
    assert len(market.asked) == 1


async def test_caller_that_gives_up_leaves_the_question_to_the_others() -> None:
    market = MarketThatCounts(gate=asyncio.Event())
    quotes = quotes_of(market)
    impatient, patient = (asyncio.create_task(quotes.of("NSE:SBIN", PAPER)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    assert market.gate is not None
    market.gate.set()

    assert await patient == SBIN


@pytest.mark.parametrize(
    "error",
    [
        SessionExpired("over"),
        RateLimited("too much", retry_after_s=30),
        OutcomeUnknown("the line broke"),
    ],
)
async def test_another_session_asks_when_the_first_does_not_serve(error: BrokerError) -> None:
    market = MarketThatCounts(errors=[error])
    sessions = SessionsOf(["account-1", "account-2"])

    assert await quotes_of(market, sessions).of("NSE:SBIN", PAPER) == SBIN
    assert [account_id for account_id, _ in market.asked] == ["account-1", "account-2"]
    assert sessions.refused == (["account-1"] if isinstance(error, SessionExpired) else [])


async def test_account_that_was_refused_for_its_rate_rests() -> None:
    market, hands = MarketThatCounts(errors=[RateLimited("too much", retry_after_s=30)]), Hands()
    quotes = quotes_of(market, SessionsOf(["account-1"]), hands)
    assert await quotes.of("NSE:SBIN", PAPER) is None

    hands.at += 29
    assert await quotes.of("NSE:SBIN", PAPER) is None
    assert len(market.asked) == 1
    hands.at += 1
    assert await quotes.of("NSE:SBIN", PAPER) == SBIN


async def test_no_more_than_three_sessions_are_tried() -> None:
    market = MarketThatCounts(errors=[OutcomeUnknown("away")] * 9)

    sessions = SessionsOf([f"account-{n}" for n in range(9)])

    assert await quotes_of(market, sessions).of("NSE:SBIN", PAPER) is None
    assert len(market.asked) == 3


async def test_questions_stay_within_an_accounts_share() -> None:
    market, hands = MarketThatCounts(), Hands()
    quotes = quotes_of(market, SessionsOf(["account-1", "account-2"]), hands)

    for _ in range(60):
        hands.at += 0.1
        quotes._known.clear()  # noqa: SLF001 - as if each were for another instrument.
        await quotes.of("NSE:SBIN", PAPER)

    asked = [account_id for account_id, _ in market.asked]
    assert (asked.count("account-1"), asked.count("account-2")) == (28, 28)
    hands.at += 60
    assert await quotes.of("NSE:SBIN", PAPER) == SBIN


@pytest.mark.parametrize(
    "quotes",
    [
        quotes_of(None),
        quotes_of(MarketThatCounts(prices={})),
        quotes_of(MarketThatCounts(), SessionsOf([])),
    ],
    ids=["no door", "no price", "no session"],
)
async def test_what_cannot_be_known_is_none(quotes: SharedQuotes) -> None:
    assert await quotes.of("NSE:SBIN", PAPER) is None


async def test_paper_and_live_prices_never_mix() -> None:
    market = MarketThatCounts()
    quotes = quotes_of(market)
    await quotes.of("NSE:SBIN", PAPER)

    assert await quotes.of("NSE:SBIN", LIVE) is None
    assert len(market.asked) == 1


async def test_memory_is_bounded() -> None:
    names = [f"NSE:S{n}" for n in range(1100)]
    hands = Hands()
    market = MarketThatCounts(
        prices={it: Quote(instrument=it, last=Decimal(1), at=NOON) for it in names}
    )
    quotes = quotes_of(market, SessionsOf([f"account-{n}" for n in range(50)]), hands)

    for name in names:
        hands.at += 0.01
        await quotes.of(name, PAPER)

    assert len(quotes._known) <= 1024  # noqa: SLF001


async def test_closing_drops_what_is_under_way() -> None:
    quotes = quotes_of(MarketThatCounts(gate=asyncio.Event()))
    waiting = asyncio.create_task(quotes.of("NSE:SBIN", PAPER))
    await asyncio.sleep(0)

    await quotes.aclose()

    assert await waiting is None
