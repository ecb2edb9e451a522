"""The way from one replica to the database: it takes time, and breaks before or after a commit."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tests.model.virtual_time import ProcessLoop

Trouble = Literal["none", "refuses", "loses answers"]
T = TypeVar("T")


@dataclass(slots=True)
class DatabaseLine:
    """A statement that has left is carried out, whatever becomes of who sent it."""

    process: ProcessLoop
    latency_s: float = 0.001
    trouble: Trouble = "none"

    def mend(self) -> None:
        self.latency_s, self.trouble = 0.001, "none"

    async def ask(self, statement: Callable[[], T]) -> T:
        """Carry out one transaction at one instant, half a round trip from now."""
        answer: asyncio.Future[T] = self.process.create_future()
        self.process.clock.after(self.latency_s, lambda: self._carry_out(statement, answer))
        return await answer

    def _carry_out(self, statement: Callable[[], T], answer: asyncio.Future[T]) -> None:
        if self.trouble == "refuses":
            self._reply(answer, None, ConnectionRefusedError("the database is away"))
            return
        result = statement()
        lost = ConnectionResetError("the line broke") if self.trouble == "loses answers" else None
        self._reply(answer, result, lost)

    def _reply(self, answer: asyncio.Future[T], result: T | None, error: Exception | None) -> None:
        def arrive() -> None:
            if self.process.dead or answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]  # None is a result too.

        self.process.clock.after(self.latency_s, arrive)
