"""Which session of an account is handed out, and what a refusal means."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from libs.runtime.internal_client import OpenedSession
from libs.trading.accounts import Environment
from services.executor.sessions import Sessions

BROKER = "broker-1"


class SourceOfOne:
    """Has one session of account-1, in whatever version it is told."""

    def __init__(self, **changes: object) -> None:
        self.session = OpenedSession(
            account_id="account-1",
            broker=BROKER,
            client_id="XB00001",
            environment="PAPER",
            expires_at=datetime.now(UTC) + timedelta(hours=6),
            egress=None,
            version=1,
            secrets={},
        )
        self.session = replace(self.session, **changes)  # type: ignore[arg-type]

    async def sessions(self, account_ids: Sequence[str], broker: str) -> dict[str, OpenedSession]:
        return {self.session.account_id: self.session}


async def test_a_refused_session_is_not_taken_again_but_a_newer_one_is() -> None:
    source = SourceOfOne()
    sessions = Sessions(source, BROKER)
    [session] = await sessions.load(["account-1"])

    sessions.refuse(session)

    assert await sessions.load(["account-1"]) == []
    assert sessions.get("account-1") is None
    assert list(sessions.refused()) == ["account:account-1"]
    source.session = replace(source.session, version=2)
    assert len(await sessions.load(["account-1"])) == 1
    assert sessions.get("account-1") is not None
    assert sessions.refused() == {}


async def test_a_late_refusal_of_the_session_before_leaves_the_new_one_alone() -> None:
    source = SourceOfOne()
    sessions = Sessions(source, BROKER)
    [old] = await sessions.load(["account-1"])
    source.session = replace(source.session, version=2)
    [new] = await sessions.load(["account-1"])

    sessions.refuse(old)

    assert sessions.get("account-1") is new


async def test_a_session_that_ran_out_is_not_handed_out() -> None:
    sessions = Sessions(SourceOfOne(expires_at=datetime.now(UTC) - timedelta(seconds=1)), BROKER)
    await sessions.load(["account-1"])

    assert sessions.get("account-1") is None


async def test_live_sessions_are_those_of_the_environment_that_have_not_run_out() -> None:
    paper = Sessions(SourceOfOne(), BROKER)
    over = Sessions(SourceOfOne(expires_at=datetime.now(UTC) - timedelta(seconds=1)), BROKER)
    for sessions in (paper, over):
        await sessions.load(["account-1"])

    assert [it.account_id for it in paper.live(Environment.PAPER)] == ["account-1"]
    assert list(paper.live(Environment.LIVE)) == []
    assert list(over.live(Environment.PAPER)) == []
