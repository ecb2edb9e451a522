"""SQL of the evidence for live orders: recorded, withdrawn, run out, and the account told anew.

Every change is one transaction with its audit line, the session event in the outbox and the hot
copy of the session, which names the way out of the account's orders.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import asyncpg
from uuid_utils import uuid7

from libs.trading.accounts import Account, Regime
from services.auth import repository_sessions as sessions
from services.auth.actors import PLATFORM, Actor
from services.auth.copies import Copies
from services.auth.evidence import Claim, Evidence, Kind
from services.auth.repository_audit import record

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy

HISTORY_MAX = 500
_RUN_OUT_AT_ONCE_MAX = 500
_STANDING = "closed_at is null and (valid_until is null or valid_until > clock_timestamp())"


class Announcer(Protocol):
    def announce(
        self, connection: "Connection", account_ids: Sequence[str]
    ) -> Awaitable[list[Account]]: ...


class EvidenceRepository:
    def __init__(self, pool: asyncpg.Pool, accounts: Announcer, copies: Copies) -> None:
        self._pool = pool
        self._accounts = accounts
        self._copies = copies

    async def account(self, account_id: str) -> Account | None:
        async with self._pool.acquire() as connection:
            found = await sessions.accounts(connection, [account_id])
        return found[0] if found else None

    async def history(self, account_id: str) -> list[Evidence]:
        """Read all there ever was, the latest first, up to a bound."""
        rows = await self._pool.fetch(
            """
            select * from auth.evidence where account_id = $1
            order by recorded_at desc, evidence_id desc limit $2
            """,
            account_id,
            HISTORY_MAX,
        )
        return [_evidence(row) for row in rows]

    async def standing(self, account_id: str) -> list[Evidence]:
        async with self._pool.acquire() as connection:
            return await _standing(connection, account_id)

    async def record(
        self,
        account_id: str,
        claim: Claim,
        actor: Actor,
        check: Callable[[Sequence[Evidence], bool], None],
    ) -> Evidence | None:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await _locked(connection, account_id):
                return None
            standing = await _standing(connection, account_id)
            check(standing, await _is_anothers(connection, account_id, claim))
            old = next((known for known in standing if known.claim.place == claim.place), None)
            if old is not None and old.claim == claim:
                return old
            await _close_place(connection, account_id, claim, actor)
            recorded = await _insert(connection, account_id, claim, actor)
            await self._changed(connection, [account_id])
            await record(
                connection,
                actor,
                "evidence_recorded",
                f"account:{account_id}",
                evidence_id=recorded.evidence_id,
                kind=claim.kind,
                value=claim.value,
                reference=claim.reference,
            )
        return recorded

    async def withdraw(
        self, account_id: str, evidence_id: str, reason: str, actor: Actor
    ) -> Evidence | None:
        async with self._pool.acquire() as connection, connection.transaction():
            await _locked(connection, account_id)
            row = await connection.fetchrow(
                """
                update auth.evidence set closed_at = clock_timestamp(), closed_as = 'WITHDRAWN',
                    closed_by = $3, closed_reason = $4
                where account_id = $1 and evidence_id = $2 and closed_at is null
                returning *
                """,
                account_id,
                evidence_id,
                actor.user_id,
                reason,
            )
            if row is None:
                row = await connection.fetchrow(
                    "select * from auth.evidence where account_id = $1 and evidence_id = $2",
                    account_id,
                    evidence_id,
                )
                return _evidence(row) if row else None
            await self._changed(connection, [account_id])
            await record(
                connection,
                actor,
                "evidence_withdrawn",
                f"account:{account_id}",
                evidence_id=evidence_id,
                kind=row["kind"],
                value=row["value"],
                reason=reason,
            )
        return _evidence(row)

    async def close_run_out(self) -> list[Account]:
        """Close what time has ended, at most one batch; return the accounts it belonged to."""
        async with self._pool.acquire() as connection, connection.transaction():
            # The accounts first, as everybody locks them; who is busy comes with the next sweep.
            accounts = await connection.fetch(
                """
                select account_id from auth.broker_accounts where account_id in (
                    select account_id from auth.evidence
                    where closed_at is null and valid_until <= clock_timestamp()
                    order by valid_until limit $1)
                order by account_id for update skip locked
                """,
                _RUN_OUT_AT_ONCE_MAX,
            )
            rows = await connection.fetch(
                """
                update auth.evidence set closed_at = clock_timestamp(), closed_as = 'RAN_OUT'
                where account_id = any($1::uuid[]) and closed_at is null
                    and valid_until <= clock_timestamp()
                returning account_id, evidence_id, kind, value
                """,
                [row["account_id"] for row in accounts],
            )
            for row in rows:
                await record(
                    connection,
                    PLATFORM,
                    "evidence_ran_out",
                    f"account:{row['account_id']}",
                    evidence_id=row["evidence_id"],
                    kind=row["kind"],
                    value=row["value"],
                )
            return await self._changed(connection, sorted({row["account_id"] for row in rows}))

    async def _changed(self, connection: "Connection", account_ids: Sequence[str]) -> list[Account]:
        if not account_ids:
            return []
        await connection.execute(
            """
            update auth.broker_accounts set version = version + 1, changed_at = clock_timestamp()
            where account_id = any($1::uuid[])
            """,
            account_ids,
        )
        told = await self._accounts.announce(connection, account_ids)
        await self._copies.put_sessions(await sessions.fetch(connection, account_ids))
        return told


async def _locked(connection: "Connection", account_id: str) -> bool:
    row = await connection.fetchrow(
        """
        select from auth.broker_accounts where account_id = $1 and connected_at is not null
        for update
        """,
        account_id,
    )
    return row is not None


async def _standing(connection: "Connection", account_id: str) -> list[Evidence]:
    rows = await connection.fetch(
        f"select * from auth.evidence where account_id = $1 and {_STANDING} order by recorded_at",  # noqa: S608  # A constant.
        account_id,
    )
    return [_evidence(row) for row in rows]


async def _is_anothers(connection: "Connection", account_id: str, claim: Claim) -> bool:
    """Tell whether the address of a SELF claim stands under SELF for another person."""
    if claim.kind is not Kind.REGIME or claim.value != Regime.SELF:
        return False
    # Two persons record it at once: the second one sees what the first one wrote.
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))", f"own:{claim.details['address']}"
    )
    found: bool = await connection.fetchval(
        f"""
        select exists (
            select from auth.evidence e
            join auth.broker_accounts a using (account_id)
            join auth.broker_accounts mine on mine.account_id = $1 and mine.user_id <> a.user_id
            where e.kind = 'REGIME' and e.value = 'SELF' and e.details ->> 'address' = $2
                and {_STANDING})
        """,  # noqa: S608  # A constant.
        account_id,
        claim.details["address"],
    )
    return found


async def _close_place(
    connection: "Connection", account_id: str, claim: Claim, actor: Actor
) -> None:
    # Also what has run out and was not swept yet: there is one open row per place.
    await connection.execute(
        """
        update auth.evidence set closed_at = clock_timestamp(), closed_as = 'REPLACED',
            closed_by = $4
        where account_id = $1 and kind = $2 and strategy_id is not distinct from $3
            and closed_at is null
        """,
        account_id,
        claim.kind.value,
        claim.strategy_id,
        actor.user_id,
    )


async def _insert(
    connection: "Connection", account_id: str, claim: Claim, actor: Actor
) -> Evidence:
    [row] = await connection.fetch(
        """
        insert into auth.evidence (evidence_id, account_id, kind, strategy_id, value, details,
            reference, recorded_by, valid_until)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *
        """,
        str(uuid7()),
        account_id,
        claim.kind.value,
        claim.strategy_id,
        claim.value,
        claim.details,
        claim.reference,
        actor.user_id,
        claim.valid_until,
    )
    return _evidence(row)


def _evidence(row: asyncpg.Record) -> Evidence:
    return Evidence(
        evidence_id=row["evidence_id"],
        claim=Claim(
            kind=Kind(row["kind"]),
            value=row["value"],
            reference=row["reference"],
            details=row["details"],
            strategy_id=row["strategy_id"],
            valid_until=row["valid_until"],
        ),
        recorded_by=row["recorded_by"],
        recorded_at=row["recorded_at"],
        closed_at=row["closed_at"],
        closed_as=row["closed_as"],
        closed_by=row["closed_by"],
        closed_reason=row["closed_reason"],
    )
