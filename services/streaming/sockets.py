"""Open client sockets and who may see what: each has a bounded line of frames of its own."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from libs.runtime.identity import Principal, Role
from libs.trading.accounts import Account
from libs.trading.events import Notice, OrderChanged
from services.streaming import frames, metrics

CLOSE_NOT_SIGNED_IN = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_MISBEHAVED = 1008
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012
CLOSE_TRY_LATER = 1013

Told = OrderChanged | Notice | Account

_OPERATORS = frozenset({Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN})


@dataclass(slots=True, eq=False)
class ClientSocket:
    """One browser tab. `ending` holds the code it is to be closed with."""

    principal: Principal
    token: str = field(repr=False)
    lines_max: int = 256
    line: asyncio.Queue[str] = field(init=False)
    ending: asyncio.Future[int] = field(init=False)

    def __post_init__(self) -> None:
        self.line = asyncio.Queue(self.lines_max)
        self.ending = asyncio.get_running_loop().create_future()

    def offer(self, frame: str) -> None:
        """Never waits: whoever reads too slowly is let go, and reads the ledger when it is back."""
        if self.ending.done():
            return
        try:
            self.line.put_nowait(frame)
        except asyncio.QueueFull:
            self.end(CLOSE_TOO_SLOW)

    async def ended(self) -> None:
        await asyncio.shield(self.ending)

    def end(self, code: int) -> None:
        if not self.ending.done():
            self.ending.set_result(code)
            metrics.SOCKETS_CLOSED.labels(str(code)).inc()


@dataclass(slots=True, kw_only=True)
class Hub:
    """Knows every open socket of this process; nobody is given what is not theirs.

    `stale_since` is when the bus went out of sight, `was_fresh` says that it was ever in sight.
    """

    sockets_max: int = 5_000
    sockets_per_user_max: int = 20
    stale_since: datetime | None = None
    was_fresh: bool = False
    _of_user: dict[str, set[ClientSocket]] = field(default_factory=dict)
    _everyone: set[ClientSocket] = field(default_factory=set)
    _operators: set[ClientSocket] = field(default_factory=set)

    @property
    def everyone(self) -> frozenset[ClientSocket]:
        return frozenset(self._everyone)

    def admit(self, socket: ClientSocket, now: datetime) -> bool:
        """Say hello and let it hear from now on. False when there are too many already."""
        own = self._of_user.get(socket.principal.user_id, ())
        if len(self._everyone) >= self.sockets_max or len(own) >= self.sockets_per_user_max:
            return False
        socket.offer(frames.hello(now))
        if self.stale_since:
            socket.offer(frames.stale(self.stale_since))
        self._of_user.setdefault(socket.principal.user_id, set()).add(socket)
        self._everyone.add(socket)
        if socket.principal.roles & _OPERATORS:
            self._operators.add(socket)
        metrics.SOCKETS.set(len(self._everyone))
        return True

    def leave(self, socket: ClientSocket) -> None:
        self._everyone.discard(socket)
        self._operators.discard(socket)
        own = self._of_user.get(socket.principal.user_id, set())
        own.discard(socket)
        if not own:
            self._of_user.pop(socket.principal.user_id, None)
        metrics.SOCKETS.set(len(self._everyone))

    def entitled(self, event: Told) -> frozenset[ClientSocket]:
        """Who may see an event: its owner, the master it copies, operators for their notices."""
        if isinstance(event, Notice) and event.user_id is None:
            return frozenset(self._operators)
        own = frozenset(self._of_user.get(event.user_id or "", ()))
        if not isinstance(event, OrderChanged):
            return own
        return own | {
            socket
            for socket in self._of_user.get(event.master_id, ())
            if Role.MASTER in socket.principal.roles
        }

    def tell(self, event: Told) -> None:
        """Write the event to JSON once and hand the same text to everyone entitled."""
        if sockets := self.entitled(event):
            self._offer(sockets, frames.of(event), type(event).__name__)

    def heartbeat(self, now: datetime) -> None:
        self._offer(self._everyone, frames.heartbeat(now), "heartbeat")

    def became_stale(self, since: datetime) -> None:
        if self.stale_since is None:
            self.stale_since = since
            self._offer(self._everyone, frames.stale(since), "stale")

    def is_back(self) -> None:
        self.was_fresh = True
        if self.stale_since is not None:
            self.stale_since = None
            self._offer(self._everyone, frames.resync(), "resync")

    def _offer(self, sockets: Collection[ClientSocket], frame: str, kind: str) -> None:
        for socket in sockets:
            socket.offer(frame)
        metrics.FRAMES.labels(kind).inc(len(sockets))
