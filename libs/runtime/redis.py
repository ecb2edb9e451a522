"""The cache connection: opened lazily, every wait bounded, losing it loses nothing."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

# What a cache that is away raises; callers go on without it.
CACHE_AWAY = (RedisError, OSError, TimeoutError)


def open_redis(url: str) -> Redis:
    """Return a client at once; it connects at first use and gives up after half a second."""
    return Redis.from_url(
        url,
        decode_responses=False,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        health_check_interval=15,
        max_connections=64,
        # One more try for a connection that went stale; what timed out is not waited for twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


async def cache_ready(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except CACHE_AWAY:
        return False
