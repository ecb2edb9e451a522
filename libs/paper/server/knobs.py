"""Fault knobs: how the next requests are mistreated. In memory only; a restart forgets them."""

from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """What a request asks for, in words every broker shares."""

    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    BOOK = "book"
    TRADES = "trades"
    ACCOUNT = "account"
    LOGIN = "login"
    FEED = "feed"


ORDER_WRITES = frozenset({Operation.PLACE, Operation.MODIFY, Operation.CANCEL})


class Outcome(StrEnum):
    """NORMAL answers. FAIL_BEFORE_ACT does nothing and fails. ACT_THEN_FAIL acts, then fails."""

    NORMAL = "normal"
    FAIL_BEFORE_ACT = "fail_before_act"
    ACT_THEN_FAIL = "act_then_fail"


class Failure(StrEnum):
    """How a failing request looks: the line is cut without a byte, or HTTP 500 comes back."""

    DROP = "drop"
    HTTP_500 = "http_500"


@dataclass(slots=True, kw_only=True)
class Knob:
    """One setting. `client_id` None is for everyone; `requests` None is until it is changed.

    `visibility_lag_s` keeps the orders placed under it out of book and feed for that long.
    """

    client_id: str | None = None
    operations: frozenset[Operation] = ORDER_WRITES
    latency_ms: float = 0
    outcome: Outcome = Outcome.NORMAL
    failure: Failure = Failure.DROP
    visibility_lag_s: float = 0
    requests: int | None = None

    @property
    def does_nothing(self) -> bool:
        return (
            self.latency_ms == 0 and self.visibility_lag_s == 0 and self.outcome is Outcome.NORMAL
        )


_UNTOUCHED = Knob()


@dataclass(slots=True)
class Knobs:
    """At most one knob per client and one for everyone; a client's own wins."""

    by_client: dict[str | None, Knob] = field(default_factory=dict)

    def put(self, knob: Knob) -> None:
        """Replace the knob of this client (or of everyone); one that does nothing is removed."""
        if knob.does_nothing:
            self.by_client.pop(knob.client_id, None)
        else:
            self.by_client[knob.client_id] = knob

    def take(self, client_id: str | None, operation: Operation) -> Knob:
        """Choose what happens to this request, and count it."""
        if not self.by_client:
            return _UNTOUCHED
        for key in (client_id, None):
            knob = self.by_client.get(key)
            if knob is None or operation not in knob.operations:
                continue
            if knob.requests is not None:
                if knob.requests <= 0:
                    continue
                knob.requests -= 1
            return knob
        return _UNTOUCHED
