"""An armed process dies at the passing it was told, and what starts in its place lives."""

import signal
import subprocess
import sys
from pathlib import Path

from libs.contracts import topics
from libs.runtime import crashpoints
from libs.runtime.crashpoints import Crashpoint
from libs.runtime.outbox import OutboxMessage
from tests.faults.armed import Trigger, arm, disarm, find, lose, what_is_left

_SCRIPT = """
import sys
from pathlib import Path
from libs.runtime import crashpoints
from libs.runtime.crashpoints import Crashpoint, crashpoint
from tests.faults.armed import Trigger
crashpoints.armed = Trigger(Path(sys.argv[1]))
for turn in range(4):
    print(turn, flush=True)
    crashpoint(Crashpoint.PLANNING)
"""


def passings(folder: Path) -> tuple[int, int]:
    """Let a process pass the point four times; return how often it did, and how it ended."""
    done = subprocess.run(  # noqa: S603  # Our own words.
        [sys.executable, "-c", _SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    return len(done.stdout.splitlines()), done.returncode


def test_it_dies_at_the_nth_passing_and_the_next_one_lives(tmp_path: Path) -> None:
    arm(tmp_path, Crashpoint.PLANNING, nth=3)

    assert passings(tmp_path) == (3, -signal.SIGKILL)
    assert passings(tmp_path) == (4, 0)


def test_it_lives_when_it_is_disarmed_or_armed_for_another_point(tmp_path: Path) -> None:
    arm(tmp_path, Crashpoint.PLANNING)
    disarm(tmp_path)
    arm(tmp_path, Crashpoint.SETTLING)

    assert passings(tmp_path) == (4, 0)


def test_the_product_arms_nothing() -> None:
    assert crashpoints.armed is None
    assert Trigger.__module__.startswith("tests.")


def test_what_is_told_to_be_lost_reaches_the_other_partitions_only(tmp_path: Path) -> None:
    said = [
        OutboxMessage(topic=topics.SIGNALS, key=key, partitions=(0, 1, 2), payload=b"signal")
        for key in ("master", "another")
    ]

    lose(tmp_path, "master", [0, 2])
    left = what_is_left(tmp_path, said)
    find(tmp_path)

    assert [message.partitions for message in left] == [(0, 2), (0, 1, 2)]
    assert what_is_left(tmp_path, said) == said
