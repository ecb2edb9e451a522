"""A chain of hashes over the order history of each shard: nothing in it is changed unnoticed.

Read behind the order path with a cursor of its own, in the order of transactions below the oldest
running one, as events.py reads; so neither a late commit nor a bus that is away leaves a gap.
`python -m services.executor.history_chain --verify` names every link that does not hold.
"""

import argparse
import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import asyncpg
import orjson

from libs.runtime.postgres import DatabaseUnavailable, open_pool
from libs.runtime.settings import PostgresSettings, read_settings
from services.executor.rows import Holding
from services.executor.statements import shard_lease_held

_ROWS_MAX = 2_000

# Shards with news, each with its last link and the end of the next stretch: whole transactions
# only, about `_ROWS_MAX` rows.
_NEWS = """
WITH safe AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before)
SELECT s.shard, coalesce(l.n, 0) AS n, coalesce(l.before, '0'::xid8)::text AS since, l.hash,
    coalesce((SELECT h.change_id::text::bigint + 1 FROM executor.order_history h
        WHERE h.broker = $1 AND h.shard = s.shard AND h.change_id >= coalesce(l.before, '0')
            AND h.change_id < safe.before
        ORDER BY h.change_id OFFSET $3 LIMIT 1), safe.before::text::bigint)::text AS before
FROM unnest($2::int[]) AS s (shard) CROSS JOIN safe
LEFT JOIN LATERAL (SELECT n, before, hash FROM executor.history_links
    WHERE broker = $1 AND shard = s.shard ORDER BY n DESC LIMIT 1) AS l ON true
WHERE EXISTS (SELECT FROM executor.order_history h
    WHERE h.broker = $1 AND h.shard = s.shard AND h.change_id >= coalesce(l.before, '0')
        AND h.change_id < safe.before)
"""
_ROWS = """
SELECT order_id, version, broker, shard, state, reason, message, filled_quantity, average_price,
    broker_order_id, order_type, quantity, limit_price, trigger_price, sent_at, at,
    change_id::text AS change_id
FROM executor.order_history
WHERE broker = $1 AND shard = $2 AND change_id >= $3::text::xid8 AND change_id < $4::text::xid8
ORDER BY change_id, order_id, version
"""
_ADD = f"""
INSERT INTO executor.history_links (broker, shard, n, since, before, row_count, hash)
SELECT $1, $2, $3, $4::text::xid8, $5::text::xid8, $6, $7
WHERE {shard_lease_held("$8", "$9")}
ON CONFLICT DO NOTHING RETURNING n
"""
_HEAD = """
SELECT n, hash FROM executor.history_links WHERE broker = $1 AND shard = $2
ORDER BY n DESC LIMIT 1
"""
_LINKS = """
SELECT broker, shard, n, since::text AS since, before::text AS before, row_count, hash
FROM executor.history_links ORDER BY broker, shard, n
"""
_SEALS = """
SELECT s.broker, s.shard, s.day, s.link_n FROM executor.day_seals s
LEFT JOIN executor.history_links l ON l.broker = s.broker AND l.shard = s.shard AND l.n = s.link_n
WHERE s.link_n IS NOT NULL AND l.hash IS DISTINCT FROM s.link_hash
ORDER BY s.broker, s.shard, s.day
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A link that does not hold, and what does not fit."""

    broker: str
    shard: int
    n: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    links: int
    rows: int
    broken: list[Broken]


@dataclass(frozen=True, slots=True)
class HistoryChain:
    """Extends the chains of the shards held by this replica."""

    pool: asyncpg.Pool
    broker: str
    holding: Callable[[], Holding]

    async def extend(self) -> int:
        """Add links until nothing is new; return how many were added."""
        added = 0
        while True:
            new = await self._extend_once()
            added += new
            if not new:
                return added

    async def head(self, shard: int) -> tuple[int | None, bytes | None]:
        """Return the last link of a shard: its number and its hash."""
        row = await self.pool.fetchrow(_HEAD, self.broker, shard)
        return (row["n"], row["hash"]) if row else (None, None)

    async def _extend_once(self) -> int:
        holding = self.holding()
        if not holding.epochs:
            return 0
        news = await self.pool.fetch(_NEWS, self.broker, list(holding.epochs), _ROWS_MAX)
        added = 0
        for stretch in news:
            shard, n = stretch["shard"], stretch["n"] + 1
            since, before = stretch["since"], stretch["before"]
            rows = await self.pool.fetch(_ROWS, self.broker, shard, since, before)
            previous = stretch["hash"] or first_hash(self.broker, shard)
            link = await self.pool.fetchval(
                _ADD,
                self.broker,
                shard,
                n,
                since,
                before,
                len(rows),
                hash_of(previous, n, since, before, [tuple(row) for row in rows]),
                holding.owner,
                holding.epochs[shard],
            )
            added += link is not None
        return added


def first_hash(broker: str, shard: int) -> bytes:
    return hashlib.sha256(f"{broker}:{shard}".encode()).digest()


def hash_of(
    previous: bytes, n: int, since: str, before: str, rows: Sequence[Sequence[object]]
) -> bytes:
    """Hash one link: the link before it, its place, and every value of its rows in order."""
    canonical = orjson.dumps([[n, since, before], *[_canonical(row) for row in rows]])
    return hashlib.sha256(previous + canonical).digest()


async def verify_chain(connection: asyncpg.Connection | asyncpg.Pool) -> Verified:
    """Compute every link anew and name those that do not hold.

    Each link is judged against the hash stored before it, so a changed row breaks its own link
    only. A chain cut off at its end no longer holds what a day's seal names.
    """
    links = await connection.fetch(_LINKS)
    broken: list[Broken] = []
    rows_seen = 0
    last: asyncpg.Record | None = None
    for link in links:
        if last is not None and (last["broker"], last["shard"]) != (link["broker"], link["shard"]):
            last = None
        rows = await connection.fetch(
            _ROWS, link["broker"], link["shard"], link["since"], link["before"]
        )
        rows_seen += len(rows)
        why = _problem(link, last, [tuple(row) for row in rows])
        if why:
            broken.append(_broken(link, link["n"], why))
        last = link
    for seal in await connection.fetch(_SEALS):
        why = f"the seal of {seal['day']} names another hash, or the link is gone"
        broken.append(_broken(seal, seal["link_n"], why))
    return Verified(links=len(links), rows=rows_seen, broken=broken)


def _problem(
    link: asyncpg.Record, last: asyncpg.Record | None, rows: Sequence[Sequence[object]]
) -> str | None:
    n, since = (last["n"] + 1, last["before"]) if last else (1, "0")
    if (link["n"], link["since"]) != (n, since):
        return f"link {n} is missing before it"
    if len(rows) != link["row_count"]:
        return f"{link['row_count']} rows were linked, {len(rows)} are there"
    previous = last["hash"] if last else first_hash(link["broker"], link["shard"])
    if hash_of(previous, link["n"], link["since"], link["before"], rows) != link["hash"]:
        return "a row, or the link before it, was changed"
    return None


def _broken(row: asyncpg.Record, n: int, why: str) -> Broken:
    return Broken(broker=row["broker"], shard=row["shard"], n=n, why=why)


def _canonical(row: Iterable[object]) -> list[object]:
    """Write values so that they read the same on every machine and in every version."""
    return [_text(value) for value in row]


def _text(value: object) -> object:
    match value:
        case None | int():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


async def _verify() -> int:
    dsn = read_settings(PostgresSettings).postgres_dsn.get_secret_value()
    try:
        pool = await open_pool(
            dsn, application_name="history-chain", statement_timeout_s=60, patience_s=5
        )
    except DatabaseUnavailable as error:
        sys.stderr.write(f"✗ {error}\n")
        return 2
    try:
        found = await verify_chain(pool)
    finally:
        await pool.close()
    lines = [f"✗ {b.broker} shard {b.shard} link {b.n}: {b.why}" for b in found.broken]
    lines = lines or [f"✓ {found.links} links over {found.rows} rows hold"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found.broken else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--verify", action="store_true", required=True, help="check every link")
    parser.parse_args()
    sys.exit(asyncio.run(_verify()))


if __name__ == "__main__":
    main()
