"""`make faults`: break everything, then ask the simulator's journal what became of it."""

import argparse
import asyncio
import contextlib
import logging
import random
import secrets as randomness
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from deploy.local.problems import Problem
from deploy.local.screen import Screen
from libs.trading.calendar import end_of_trading_day
from tests.faults import (
    attention_rows,
    broker_rows,
    bus_rows,
    executor_rows,
    feed_rows,
    ledger_rows,
    load_rows,
    signal_rows,
    stop_rows,
    webhook_rows,
)
from tests.faults.canaries import canaries_of
from tests.faults.judge import judge
from tests.faults.keeping import keep_story
from tests.faults.last_look import look
from tests.faults.opening import open_scene
from tests.faults.report import Result, RowResult
from tests.faults.rows import NotPossible, Row, chosen
from tests.faults.scene import Scene
from tests.faults.secrecy import Secrets
from tests.faults.world import World, open_world

THEMES = (
    signal_rows,
    executor_rows,
    broker_rows,
    attention_rows,
    bus_rows,
    ledger_rows,
    feed_rows,
    load_rows,
    stop_rows,
    webhook_rows,
)
_WIDTH = 180
_FOLLOWERS = 66
_LONGEST = timedelta(minutes=15)
_MEND_WITHIN_S = 120
_STORY_WITHIN_S = 40


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    # They log each refused connection while their server is away.
    for name in ("aiokafka", "asyncpg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Ctrl-C too: a shell script starts its background jobs with that signal ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with Screen(Console(stderr=True, highlight=False, width=_WIDTH)) as screen:
        try:
            result = asyncio.run(_run(arguments, screen))
        except Problem as problem:
            screen.problem(problem)
            return 1
        except KeyboardInterrupt:
            screen.say("Interrupted: everything was stopped.")
            return 130
    result.write(arguments.out)
    result.show(Console(highlight=False, width=_WIDTH))
    return 0 if result.fine else 1


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--rows", type=chosen, default=chosen(""), help="as 1,7,26-31")
    parser.add_argument("--runs", type=int, default=3, help="how often each row is run")
    parser.add_argument("--seed", type=int, help="repeats an earlier run's timing")
    parser.add_argument("--full", action="store_true", help="the fault table's own sizes: slow")
    parser.add_argument("--followers", type=int, help="how many accounts there are")
    parser.add_argument("--keep", action="store_true", help="keep the state folder, with its logs")
    parser.add_argument("--out", type=Path, default=Path("run/faults.json"), help="result file")
    return parser.parse_args(words)


async def _run(arguments: argparse.Namespace, screen: Screen) -> Result:
    began = time.monotonic()
    seed = arguments.seed if arguments.seed is not None else randomness.randbelow(10**6)
    screen.say(f"seed {seed}")
    if end_of_trading_day(datetime.now(UTC)) - datetime.now(UTC) < _LONGEST:
        screen.say("The trading day ends soon: books are emptied then, and rows may fail of it")
    async with AsyncExitStack() as opened:
        rows = [row.at_full() if arguments.full else row for row in arguments.rows]
        followers = arguments.followers or max(_FOLLOWERS, *(row.followers + 2 for row in rows))
        world = await open_world(opened, screen, followers=followers, full=arguments.full)
        searched = await canaries_of(world)
        result = Result(
            seed=seed, means=world.wires.means() | world.disk.means(), full=arguments.full
        )
        for row in rows:
            outcome = RowResult(row=row.number, name=row.name, size=row.size)
            result.rows.append(outcome)
            for run in range(arguments.runs):
                dice = random.Random(f"{seed} {row.number} {run}")  # noqa: S311  # timing, no secret
                await _one(world, row, dice, searched, result)
                if outcome.not_possible:
                    break
            result.write(arguments.out)
            _progress(screen, outcome)
        await look(world, result, searched)
    result.seconds = time.monotonic() - began
    if result.fine and not arguments.keep:
        shutil.rmtree(world.stack.layout.state, ignore_errors=True)
    return result


async def _one(
    world: World, row: Row, dice: random.Random, searched: Secrets, result: Result
) -> None:
    """Run a row once, judge it, and leave the world as it was found."""
    began, outcome = time.monotonic(), result.rows[-1]
    scene: Scene | None = None
    violations: list[str] = []
    try:
        async with asyncio.timeout(row.within_s):
            scene = await open_scene(world, row.number, dice, searched, row.followers)
            await row.act(scene)
            case = await scene.finish()
            violations = [*scene.violations, *judge(case)]
    except NotPossible as error:
        outcome.not_possible = str(error)
    except Exception as error:  # noqa: BLE001  # Whatever it is, the row has not passed.
        violations = [*(scene.violations if scene else ()), f"row: {type(error).__name__} {error}"]
    if scene and violations:
        outcome.said.append(await _story(scene, violations))
        await _spare_later_rows(scene)
    try:
        async with asyncio.timeout(_MEND_WITHIN_S):
            await world.mend()
    except Exception as error:  # noqa: BLE001  # as above
        violations.append(f"mending: {type(error).__name__} {error}")
    if not outcome.not_possible:
        recovery_s = scene.recovery_s if scene else None
        outcome.add(recovery_s, time.monotonic() - began, violations)
        if scene:
            outcome.said += scene.said
            outcome.isolation.add(scene.isolation)


async def _story(scene: Scene, violations: Sequence[str]) -> str:
    """Keep what tells the cause, as far as it can be read in the midst of a failure."""
    try:
        async with asyncio.timeout(_STORY_WITHIN_S):
            return f"see {await keep_story(scene, violations)}"
    except Exception as error:  # noqa: BLE001  # The violations are told all the same.
        return f"nothing more could be read: {type(error).__name__} {error}"


async def _spare_later_rows(scene: Scene) -> None:
    """Use no more whose orders wait for a person: nothing is entered beside an order in doubt."""
    with contextlib.suppress(Exception):
        orders = await scene.world.ledger.orders(scene.signal_ids)
        doubtful = {o.account_id for o in orders if o.state in {"UNKNOWN", "NEEDS_ATTENTION"}}
        scene.world.retire([one for one in scene.followers if one.account_id in doubtful])


def _progress(screen: Screen, outcome: RowResult) -> None:
    words = outcome.not_possible or "; ".join(outcome.violations[:4] or outcome.said)
    mark = "✓" if outcome.fine else "✗"
    screen.say(
        f"{mark} row {outcome.row:<2} {outcome.passed} of {outcome.runs}  "
        f"{outcome.seconds:5.1f} s  {outcome.name}  {words}"
    )


if __name__ == "__main__":
    sys.exit(main())
