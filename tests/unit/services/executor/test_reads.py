"""Reads of an account stay within their share, and background work is done once at a time."""

import asyncio
from dataclasses import dataclass, field

import pytest

from libs.brokers.errors import BrokerError, OutcomeUnknown, SessionExpired
from libs.brokers.protocol import BrokerSession
from libs.trading.accounts import Environment
from services.executor.reads import AccountReads, Errands, Unreadable
from tests.factories import NOON


@dataclass
class SessionOfEverybody:
    """Hands one session to every account until the broker refuses it."""

    refused: list[str] = field(default_factory=list)

    def get(self, account_id: str) -> BrokerSession | None:
        return BrokerSession(
            account_id=account_id,
            client_id="XB00001",
            environment=Environment.PAPER,
            expires_at=NOON,
            secrets={},
        )

    def want(self, account_ids: list[str]) -> None:
        raise AssertionError("nothing is missing")

    def refuse(self, session: BrokerSession) -> None:
        self.refused.append(session.account_id)


@dataclass
class OneDoor:
    """A broker with an empty book, or one that fails."""

    error: BrokerError | None = None

    def of(self, environment: Environment) -> "OneDoor":
        return self

    async def order_book(self, session: BrokerSession) -> list[object]:
        if self.error is not None:
            raise self.error
        return []


def reads_of(door: OneDoor, sessions: SessionOfEverybody | None = None) -> AccountReads:
    return AccountReads(
        sessions=sessions or SessionOfEverybody(),  # type: ignore[arg-type]  # What is needed of it.
        doors=door,  # type: ignore[arg-type]
        requests_per_minute_max=100,
    )


async def test_what_can_wait_leaves_half_of_the_share_to_doubts() -> None:
    reads = reads_of(OneDoor())

    for _ in range(7):
        assert await reads.book("a1") == []
    assert isinstance(await reads.book("a1"), Unreadable)
    for _ in range(7):
        assert await reads.book("a1", urgent=True) == []
    assert isinstance(await reads.book("a1", urgent=True), Unreadable)
    assert await reads.book("a2") == []  # Each account has limits of its own.


@pytest.mark.parametrize(
    ("error", "lost"), [(SessionExpired("logged out"), True), (OutcomeUnknown("502"), False)]
)
async def test_a_read_that_failed_says_whether_the_session_is_gone(
    error: BrokerError, lost: bool
) -> None:
    sessions = SessionOfEverybody()

    found = await reads_of(OneDoor(error), sessions).book("a1")

    assert found == Unreadable(message=str(error), session_lost=lost)
    assert sessions.refused == (["a1"] if lost else [])


async def test_an_errand_is_not_begun_twice_and_ends_with_its_holder() -> None:
    errands, begun, cancelled = Errands(), [], []

    async def slow() -> None:
        begun.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    holder = asyncio.create_task(errands.run())
    errands.start("a", slow)
    errands.start("a", slow)
    errands.start("b", slow)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    holder.cancel()
    await asyncio.wait([holder])

    assert (len(begun), len(cancelled)) == (2, 2)


async def test_an_errand_that_failed_can_be_begun_again() -> None:
    errands, tries = Errands(), []

    async def fails() -> None:
        tries.append(1)
        raise ValueError("not expected")

    for _ in range(2):
        errands.start("a", fails)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert len(tries) == 2
