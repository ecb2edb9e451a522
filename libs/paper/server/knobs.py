"""Fault knobs: how the next requests are mistreated. In memory only; a restart forgets them."""

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

MIB = 1024 * 1024


class _Word(StrEnum):
    """Words of the control routes; capitals and older names are understood too."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get(str(value).upper())


class Operation(_Word):
    """What a request asks for, in words every broker shares."""

    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    BOOK = "book"
    TRADES = "trades"
    ACCOUNT = "account"
    LOGIN = "login"
    FEED = "feed"
    MARKET = "market"


ORDER_WRITES = frozenset({Operation.PLACE, Operation.MODIFY, Operation.CANCEL})


class Outcome(_Word):
    """NORMAL answers. FAIL_BEFORE_ACT does nothing and fails. ACT_THEN_FAIL acts, then fails."""

    NORMAL = "normal"
    FAIL_BEFORE_ACT = "fail_before_act"
    ACT_THEN_FAIL = "act_then_fail"


class Failure(_Word):
    """How a failing request looks to its caller; `failures.py` and the broker spell each."""

    DROP = "drop"
    STATUS_500 = "status_500"
    HTTP_500 = STATUS_500
    RST = "rst"
    HANG = "hang"
    HTML = "html"
    TRUNCATED = "truncated"
    HUGE = "huge"
    GZIP_BOMB = "gzip_bomb"
    GARBAGE = "garbage"
    NO_ORDER_ID = "no_order_id"
    UNKNOWN_CODE = "unknown_code"
    REDIRECT = "redirect"
    SLOW_LORIS = "slow_loris"


@dataclass(slots=True, kw_only=True, eq=False)
class Knob:
    """One setting. `client_id` None is for everyone; `requests` None is until it is changed.

    It skips the first `after` requests that fit it, then serves each with `probability`, at most
    `requests` of them. `visibility_lag_s` keeps the orders placed under it out of book and feed for
    that long. `echo_tags` False takes the tags from books and feed for as long as the knob stands.
    """

    id: str = ""
    client_id: str | None = None
    operations: frozenset[Operation] = ORDER_WRITES
    latency_ms: float = 0
    outcome: Outcome = Outcome.NORMAL
    failure: Failure = Failure.DROP
    visibility_lag_s: float = 0
    echo_tags: bool = True
    after: int = 0
    requests: int | None = None
    probability: float = 1
    seed: int = 7
    redirect_to: str = "http://127.0.0.1:9"
    huge_mib: int = 64
    # What became of it so far.
    seen: int = 0
    served: int = 0
    bytes_sent: int = 0
    _dice: random.Random | None = field(default=None, repr=False)

    @property
    def touches_requests(self) -> bool:
        return self.latency_ms > 0 or self.visibility_lag_s > 0 or self.fails

    @property
    def does_nothing(self) -> bool:
        return self.echo_tags and not self.touches_requests

    @property
    def fails(self) -> bool:
        return self.outcome is not Outcome.NORMAL

    def fits(self, client_id: str | None, operation: Operation) -> bool:
        return (
            self.client_id in {None, client_id}
            and operation in self.operations
            and self.touches_requests
        )

    def is_willing(self) -> bool:
        """Count a request that fits, and tell whether this is one of those to serve."""
        self.seen += 1
        if self.seen <= self.after:
            return False
        if self.requests is not None and self.served >= self.requests:
            return False
        return self.probability >= 1 or self._roll() < self.probability

    def _roll(self) -> float:
        if self._dice is None:
            self._dice = random.Random(self.seed)  # noqa: S311 - the same run every time.
        return self._dice.random()


UNTOUCHED = Knob()


@dataclass(slots=True)
class Knobs:
    """A list of knobs, each with an id. A client's own come before everyone's, older first."""

    _standing: list[Knob] = field(default_factory=list)
    _numbered: int = 0

    def put(self, knob: Knob) -> None:
        """Set the knob of this id, or of this client (or of everyone) when it has none.

        One that does nothing removes what stands in its place.
        """
        knob.id = knob.id or f"of-{knob.client_id or 'everyone'}"
        place = next((n for n, it in enumerate(self._standing) if it.id == knob.id), None)
        if knob.does_nothing:
            self.remove(knob_id=knob.id)
        elif place is None:
            self._keep([*self._standing, knob])
        else:
            self._keep([*self._standing[:place], knob, *self._standing[place + 1 :]])

    def add(self, knob: Knob) -> None:
        """Set one more knob beside those that stand, under an id of its own if it has none."""
        self._numbered += 1
        knob.id = knob.id or f"knob-{self._numbered}"
        self.put(knob)

    def remove(self, *, knob_id: str | None = None, client_id: str | None = None) -> int:
        """Remove one knob, all of a client, or (without either) every one; return how many."""
        kept = [
            knob
            for knob in self._standing
            if knob_id not in {None, knob.id}
            or (client_id is not None and knob.client_id != client_id)
        ]
        removed = len(self._standing) - len(kept)
        self._standing = kept
        return removed

    def standing(self) -> list[Knob]:
        return list(self._standing)

    def take(self, client_id: str | None, operation: Operation) -> Knob:
        """Choose what happens to this request: the first willing knob. All that fit count it."""
        if not self._standing:
            return UNTOUCHED
        fitting = [knob for knob in self._standing if knob.fits(client_id, operation)]
        willing = [knob for knob in fitting if knob.is_willing()]
        if not willing:
            return UNTOUCHED
        willing[0].served += 1
        return willing[0]

    def echoes_tags(self, client_id: str) -> bool:
        """Tell whether books and feed show this client its own tags."""
        return all(
            knob.echo_tags or knob.client_id not in {None, client_id} for knob in self._standing
        )

    def _keep(self, knobs: list[Knob]) -> None:
        self._standing = sorted(knobs, key=lambda knob: knob.client_id is None)
