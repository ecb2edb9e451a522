"""Who did something, for the audit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts and from where. `user_id` None is the platform itself."""

    user_id: str | None
    via: str
    address: str


PLATFORM = Actor(user_id=None, via="platform", address="")
