"""Closes the sockets of sign-ins that ended: the cookie behind each is looked at all the time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from libs.runtime.identity import IdentityUnavailable, Principal
from services.streaming.sockets import (
    CLOSE_NOT_SIGNED_IN,
    CLOSE_RESTART,
    CLOSE_TRY_LATER,
    ClientSocket,
    Hub,
)

# Below the connections of the cache's pool: more would be refused, not queued.
_ASKED_AT_ONCE = 32


class Identities(Protocol):
    async def of_cookie(self, token: str) -> Principal | None: ...


@dataclass(slots=True, kw_only=True)
class SignInGuard:
    """Identities are remembered for at most a second, so most looks cost nothing.

    Who nobody can vouch for is let stay for `unverified_s_max` and then closed: without Redis and
    auth a sign-in might have been revoked.
    """

    identities: Identities
    hub: Hub
    step_s: float
    unverified_s_max: float = 15.0
    _unverified_s: dict[str, float] = field(default_factory=dict)

    async def step(self) -> None:
        by_token: dict[str, list[ClientSocket]] = {}
        for socket in self.hub.everyone:
            by_token.setdefault(socket.token, []).append(socket)
        tokens = list(by_token)
        for start in range(0, len(tokens), _ASKED_AT_ONCE):
            some = tokens[start : start + _ASKED_AT_ONCE]
            await asyncio.gather(*(self._look(token, by_token[token]) for token in some))
        self._forget_all_but(by_token)

    async def _look(self, token: str, sockets: Sequence[ClientSocket]) -> None:
        try:
            principal = await self.identities.of_cookie(token)
        except IdentityUnavailable:
            self._unverified_s[token] = self._unverified_s.get(token, 0.0) + self.step_s
            if self._unverified_s[token] > self.unverified_s_max:
                _end(sockets, CLOSE_TRY_LATER)
            return
        self._unverified_s.pop(token, None)
        if principal is None:
            _end(sockets, CLOSE_NOT_SIGNED_IN)
            return
        # Other roles see other things: the client comes back as who it is now.
        _end([socket for socket in sockets if socket.principal != principal], CLOSE_RESTART)

    def _forget_all_but(self, by_token: Mapping[str, object]) -> None:
        for token in set(self._unverified_s) - set(by_token):
            del self._unverified_s[token]


def _end(sockets: Sequence[ClientSocket], code: int) -> None:
    for socket in sockets:
        socket.end(code)
