"""For whom the order feed is out, and until when. In memory only; a restart forgets it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from libs.paper.server.desk import Clock


@dataclass(slots=True)
class FeedOutages:
    """One outage per client and one for everyone (None)."""

    clock: Clock
    _until: dict[str | None, datetime] = field(default_factory=dict)

    def begin(self, client_id: str | None, for_s: float) -> datetime:
        """Refuse this client (everyone: None) for that long from now; 0 ends an earlier outage."""
        self._until[client_id] = until = self.clock() + timedelta(seconds=for_s)
        return until

    def holds(self, client_id: str) -> bool:
        if not self._until:
            return False
        now = self.clock()
        return any(self._until.get(key, now) > now for key in (client_id, None))

    def clear(self) -> None:
        self._until.clear()
