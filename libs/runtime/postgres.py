"""The pool every service opens on its ledger: bounded waits, uuid as str, jsonb by orjson."""

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from urllib.parse import urlsplit

import asyncpg
import orjson
import stamina

# What "not there just now" looks like from here; anything else is a mistake of ours.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A connection the server ends in the very moment it is used (measured).
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
)
# At start a role or a database may simply not be migrated yet.
_NOT_YET = (
    *UNREACHABLE,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

_CONNECT_TIMEOUT_S = 5
_CLOSE_S = 3
_IDLE_IN_TRANSACTION_S = 30


class DatabaseUnavailable(Exception):
    """Postgres did not answer within the patience of this start."""


async def open_pool(
    dsn: str,
    *,
    max_size: int = 10,
    statement_timeout_s: float = 2,
    lock_timeout_s: float = 1,
    application_name: str,
    patience_s: float = 60,
) -> asyncpg.Pool:
    """Open a pool; wait with backoff for Postgres, at last raise `DatabaseUnavailable`."""
    try:
        async for attempt in stamina.retry_context(
            on=_NOT_YET,
            attempts=None,
            timeout=patience_s,
            wait_initial=0.1,
            wait_max=2,
            wait_jitter=0.2,
        ):
            with attempt:
                return await asyncpg.create_pool(
                    dsn,
                    min_size=1,
                    max_size=max_size,
                    init=_teach_types,
                    reset=_nothing_to_reset,
                    timeout=_CONNECT_TIMEOUT_S,
                    # The server's own timeout comes first; this one is for a dead line.
                    command_timeout=statement_timeout_s + 3,
                    server_settings={
                        "application_name": application_name,
                        "timezone": "UTC",
                        # Every query has its index. A planner whose statistics are older than
                        # the rows must not walk a whole table in its stead (measured: 600 ms).
                        "enable_seqscan": "off",
                        "jit": "off",
                        "statement_timeout": _milliseconds(statement_timeout_s),
                        "lock_timeout": _milliseconds(lock_timeout_s),
                        "idle_in_transaction_session_timeout": _milliseconds(
                            _IDLE_IN_TRANSACTION_S
                        ),
                    },
                )
    except _NOT_YET as error:
        raise DatabaseUnavailable(
            f"Postgres at {where(dsn)} did not let us in for {patience_s:g} s: {error}"
        ) from error
    raise AssertionError("a retry context either returns or raises")


async def enter_pool(
    stack: AsyncExitStack, dsn: str, *, max_size: int, application_name: str
) -> asyncpg.Pool:
    """Open a pool that is closed with the stack, by force when a query does not end."""
    pool = await open_pool(dsn, max_size=max_size, application_name=application_name)

    async def close() -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    stack.push_async_callback(close)
    return pool


async def database_ready(pool: asyncpg.Pool) -> bool:
    try:
        return bool(await pool.fetchval("select true", timeout=1))
    except (*UNREACHABLE, asyncpg.PostgresError):
        return False


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """Give a connection back without a question to the server.

    An open transaction is rolled back all the same; no session setting, listener, cursor or
    advisory lock is ever left on a pooled connection.
    """


def where(dsn: str) -> str:
    """Host, port and database of an address, without user and password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


async def _teach_types(connection: asyncpg.Connection) -> None:
    # Binary, because COPY knows no text codecs: numbers cannot be copied.
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=_uuid_bytes, decoder=_uuid_text, format="binary"
    )
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_jsonb_bytes, decoder=_jsonb_value, format="binary"
    )
    # asyncpg's own reads 20,000 as 2E+4, which people and brokers then get to see.
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", encoder=str, decoder=Decimal, format="text"
    )


def _uuid_bytes(text: str) -> bytes:
    raw = bytes.fromhex(str(text).replace("-", ""))
    if len(raw) != 16:
        raise ValueError("a uuid has 32 hex digits")
    return raw


def _uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _jsonb_bytes(value: object) -> bytes:
    return b"\x01" + orjson.dumps(value, default=str)  # Version 1 of the binary form.


def _jsonb_value(raw: bytes) -> object:
    return orjson.loads(bytes(raw[1:]))
