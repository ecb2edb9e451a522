"""The command line of the demo: finds or starts a stack, plays the day, judges it."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx
from rich.console import Console

from deploy.kafka.topics import read_topics
from deploy.local import environment, people
from deploy.local.demo import crash
from deploy.local.demo.day import Day
from deploy.local.demo.evidence import Ledger, Simulator, delays_ms
from deploy.local.demo.judge import judge
from deploy.local.demo.kafka_level import metadata_version_level
from deploy.local.demo.report import Result
from deploy.local.demo.script import play
from deploy.local.follows import needs_money
from deploy.local.people import Crowd
from deploy.local.problems import Problem
from deploy.local.product import start_product
from deploy.local.screen import Screen
from deploy.local.servers import addresses_of
from deploy.local.stack import Stack
from deploy.local.visitor import Visitor
from libs.brokers.registry import BROKERS

_STEP = "trading day"
_WIDTH = 120


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    kill = bool(arguments.kill_executor)
    # aiokafka logs each refused connection while we wait for Kafka to come up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with Screen() as screen:
        try:
            stack = Stack.open(_environment(kill=kill), screen)
            ours = not stack.supervisor.alive()
            try:
                result = _played(stack, kill=kill)
            finally:
                if ours:
                    stack.stop()
        except Problem as problem:
            screen.problem(problem)
            return 1
    result.write(arguments.out)
    console = Console(highlight=False)
    # A table that is cut off in a log says nothing.
    result.show(console if console.is_terminal else Console(highlight=False, width=_WIDTH))
    return 0 if result.verdict.fine else 1


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--kill-executor",
        action="store_true",
        help="also kill an executor in the middle of a fan-out to 200 followers",
    )
    parser.add_argument("--out", type=Path, default=Path("run/demo.json"), help="the result file")
    return parser.parse_args(words)


def _environment(*, kill: bool) -> Mapping[str, str]:
    """Use the running stack, but crash only one of our own: its evidence window is shortened."""
    given = environment.given()
    if not kill:
        return given
    return given | {
        "LOCKSTEP_STATE_DIR": str(Path(given.get("LOCKSTEP_STATE_DIR", "run")) / "crash"),
        "LOCKSTEP_PORT_BASE": "auto",
        "EXECUTOR_EVIDENCE_WINDOW_S": "3",
    }


def _played(stack: Stack, *, kill: bool) -> Result:
    with stack.locked():
        environment.keep(stack.environment, stack.layout.state)
        stack.ensure_supervisor()
        crowd = start_product(stack, application=False)
        if kill:
            crowd = people.settle(stack, crash.FOLLOWERS)
    stack.screen.begin(_STEP)
    result = asyncio.run(_day(stack, crowd, kill=kill))
    stack.screen.end(_STEP, f"{len(result.titles)} signals")
    return result


async def _day(stack: Stack, crowd: Crowd, *, kill: bool) -> Result:
    broker, addresses = BROKERS[0], addresses_of(stack)
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(
            asyncpg.create_pool(addresses.postgres_dsn, min_size=1, max_size=2)
        )
        http = await opened.enter_async_context(
            httpx.AsyncClient(base_url=_simulator_url(stack, broker), timeout=30)
        )
        simulator, ledger = Simulator(http), Ledger(pool)
        masters = [person for person in crowd.people if person.role == "master"]
        followers = [person for person in crowd.people if person.role == "follower"]

        async def signed_in(email: str) -> Visitor:
            visitor = Visitor(stack.address, crowd.cookies[email])
            return await opened.enter_async_context(visitor)

        day = Day(
            masters=[await signed_in(master.email) for master in masters],
            operator=await signed_in("operator@lockstep.local"),
            follower=await signed_in(followers[1].email),
            strategies=crowd.strategies,
            simulator=simulator,
            ledger=ledger,
            prices=await simulator.prices(),
            note=lambda note: stack.screen.note(_STEP, note),
        )
        day.note("executors read money and positions")
        with_money = [str(one.client_id) for one in followers if needs_money(one.number)]
        await simulator.money_read(with_money, _executors_began(stack))
        began = await simulator.cursor()
        await play(day)
        victim = await crash.kill_in_the_middle(day, stack, broker) if kill else None
        orders = await ledger.orders(day.signals)
        journal = await simulator.orders(began)
        first_ms, last_ms = delays_ms(orders, journal)
        return Result(
            masters=len(masters),
            followers=len(followers),
            titles=day.titles,
            acts=day.acts,
            ledger=orders,
            sent_tags=frozenset(order.tag for order in journal if order.tag),
            verdict=judge(orders, journal, await ledger.eligible(day.instruments)),
            changed=await ledger.changes(day.signals),
            first_ms=first_ms,
            last_ms=last_ms,
            killed_executor=victim,
            sizing_modes=await ledger.sizing_modes(day.signals),
            copy_modes=await ledger.copy_modes(day.signals),
            kafka_level=await metadata_version_level(addresses.kafka_bootstrap_servers),
            topics=len(read_topics(1)),
            broker=broker,
        )


def _executors_began(stack: Stack) -> datetime:
    """Tell since when all of this stack's executors run: what one before them knew is gone."""
    started = stack.supervisor.started_at()
    return max(at for name, at in started.items() if name.startswith("executor-"))


def _simulator_url(stack: Stack, broker: str) -> str:
    return f"http://127.0.0.1:{stack.layout.ports.simulator_of(broker)}"


if __name__ == "__main__":
    sys.exit(main())
