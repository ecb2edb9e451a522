"""How orders are usually copied, each written anew in a few lines; broker only, nothing durable.

No hop, no database, no rules: each begins with its first request, which flatters it.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import requests

from tests.bench import orders
from tests.bench.worker import serve, take_output

_THREADS = 32
_AT_ONCE = 50

Orders = list[tuple[dict[str, str], bytes]]


def sequential(url: str, wanted: Orders) -> None:
    """One order after the other, each on a connection of its own, as the brokers' SDKs do."""
    for head, body in wanted:
        requests.post(url, headers=head, data=body, timeout=30)


async def shared_client(url: str, wanted: Orders) -> None:
    """One shared asynchronous client. It slows down with every request that waits in its pool."""
    turns = asyncio.Semaphore(_AT_ONCE)
    limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:

        async def place(head: dict[str, str], body: bytes) -> None:
            async with turns:
                await client.post(url, headers=head, content=body)

        await asyncio.gather(*(place(head, body) for head, body in wanted))


def threads(url: str, wanted: Orders) -> None:
    """Share the orders among threads, each with a session that keeps its connection."""
    shares = [wanted[at::_THREADS] for at in range(_THREADS)]

    def work(share: Orders) -> None:
        with requests.Session() as session:
            for head, body in share:
                session.post(url, headers=head, data=body, timeout=30)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, shares))


async def _in_a_thread(work: Callable[[str, Orders], None], url: str, wanted: Orders) -> None:
    await asyncio.to_thread(work, url, wanted)


async def main(url: str) -> None:
    answers = take_output()

    async def answer(question: dict[str, Any]) -> Any:
        n = question["n"]
        heads = orders.heads([str(uuid.uuid4()) for _ in range(n)])
        wanted = list(zip(heads, orders.bodies(orders.tags(n)), strict=True))
        work: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "sequential": lambda: _in_a_thread(sequential, url, wanted),
            "httpx": lambda: shared_client(url, wanted),
            "threads": lambda: _in_a_thread(threads, url, wanted),
        }
        began_ns = time.monotonic_ns()
        await work[question["op"]]()
        return {"began_ns": began_ns, "replied_ns": time.monotonic_ns()}

    await serve(answers, answer)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] + orders.PATH))
