"""`make bench`: measures the product beside its floors. The figures decide nothing but the table.

Ends with an error only when an order was lost or doubled, or when something broke.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from deploy.local.problems import Problem
from deploy.local.screen import Screen
from tests.bench import fanout, growth, planning, profile, report, sustained
from tests.bench.bench import Bench, Options, opened_bench
from tests.bench.meter import Broken
from tests.bench.stack import Product, running_product
from tests.bench.worker import WorkerFailed

SECTIONS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "planning": planning.planning,
    "fanout": fanout.one_executor,
    "two": fanout.two_executors,
    "cold": fanout.cold,
    "sustained": sustained.sustained,
    "others": growth.other_masters,
    "ledger": growth.ledger,
}
_ROUNDS, _ROUNDS_QUICK = 7, 3
_WIDTH = 160
_INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    # aiokafka logs each refused connection while we wait for Kafka to come up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = Options(
        quick=arguments.quick,
        rounds=arguments.rounds or (_ROUNDS_QUICK if arguments.quick else _ROUNDS),
    )
    with Screen() as screen:
        try:
            with running_product(
                screen, profiled=arguments.profile, keep=arguments.keep
            ) as product:
                if arguments.profile:
                    return asyncio.run(_profiled(product, options, _console()))
                result = asyncio.run(_measured(product, options, arguments.only or list(SECTIONS)))
        except (Problem, Broken, WorkerFailed) as error:
            screen.say(f"✗ {error}")
            return 1
        except KeyboardInterrupt:
            return _INTERRUPTED
    result.write(arguments.out)
    result.show(_console())
    return 0 if result.fine else 1


async def _measured(product: Product, options: Options, sections: Sequence[str]) -> report.Result:
    async with opened_bench(product, options) as bench:
        broken = None
        try:
            for name in sections:
                await SECTIONS[name](bench)
        except (Broken, WorkerFailed) as error:
            # What was measured until then may say why.
            broken = str(error)
        return report.result_of(bench, sections, broken)


async def _profiled(product: Product, options: Options, console: Console) -> int:
    async with opened_bench(product, options) as bench:
        await profile.profile(bench, console)
    return 0


def _console() -> Console:
    console = Console(highlight=False)
    # A table that is cut off in a log says nothing.
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a smaller ledger")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(SECTIONS),
        help="one section; may be given several times",
    )
    parser.add_argument("--rounds", type=int, help="rounds per figure")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="measure nothing: say where the executor and PostgreSQL spend their time",
    )
    parser.add_argument("--keep", action="store_true", help="keep the bench's folder with its logs")
    parser.add_argument("--out", type=Path, default=Path("run/bench.json"), help="the result file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
