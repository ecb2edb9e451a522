"""Named places where the fault harness kills a process. Nothing in the product ever arms them.

`armed` is set by the harness's own launcher in the tests, inside the process that shall die: there
is no setting, no signal and no route that reaches it.
"""

from collections.abc import Callable
from enum import StrEnum


class Crashpoint(StrEnum):
    BEFORE_SIGNAL_COMMIT = "before_signal_commit"
    AFTER_SIGNAL_COMMIT = "after_signal_commit"
    AFTER_PUBLISH = "after_publish"
    PLANNING = "planning"
    AFTER_PLAN_COMMIT = "after_plan_commit"
    AFTER_SENDING_COMMIT = "after_sending_commit"
    AFTER_REPLY = "after_reply"
    SETTLING = "settling"


armed: Callable[[Crashpoint], None] | None = None


def crashpoint(name: Crashpoint) -> None:
    """Do nothing, unless the fault harness armed this process."""
    if armed is not None:
        armed(name)
