"""Work that runs beside the routes for as long as a process lives."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import structlog

log = structlog.get_logger()


def keep(
    stack: AsyncExitStack, work: Coroutine[object, object, None], name: str
) -> asyncio.Task[None]:
    """Run `work` until the stack closes; if it dies, the process stops rather than limps."""

    def stop_if_dead(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.critical("background_task_died", task=name, exc_info=error)
            signal.raise_signal(signal.SIGTERM)

    async def cancel() -> None:
        task.cancel()
        await asyncio.wait([task])

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(stop_if_dead)
    stack.push_async_callback(cancel)
    return task
