"""While a signal fans out, only orders matter: outcomes, events and looks wait a moment."""

import asyncio
import time
from dataclasses import dataclass

_QUIET_S = 0.025
_STEP_S = 0.01


@dataclass(slots=True)
class Rush:
    """Orders are being launched as long as the last chunk is younger than 25 ms."""

    _chunk_at: float = 0.0

    def chunk(self) -> None:
        """Note that a chunk of orders is being written or sent."""
        self._chunk_at = time.monotonic()

    async def over(self, at_most_s: float = 0.25) -> None:
        """Wait until the rush is over, but not for ever: under a steady load it never is."""
        give_up_at = time.monotonic() + at_most_s
        while self._chunk_at + _QUIET_S > time.monotonic() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_S)
