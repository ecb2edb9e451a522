"""Where the time goes: functions of the executor by CPU, statements of PostgreSQL by duration."""

import asyncio
import json
import os
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.bench import LARGEST, Bench
from tests.bench.usage import cpu_s, threads_s

_BROKER_MS = 5
_SHOTS = 12
_SHOTS_LOGGED = 4
_SHOWN = 40
_WAIT_S = 10
_WORDS_MAX = 110
_LOGGED = re.compile(r" LOG:  duration: ([\d.]+) ms  (\w+)[^:]*: ?(.*)")
_WRITTEN = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(slots=True)
class Statement:
    """One statement's share: protocol steps are counted apart, their times together."""

    executed: int = 0
    total_ms: float = 0.0
    steps_ms: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


async def profile(bench: Bench, console: Console) -> None:
    """Fire signals to the largest group under the sampler, then some with statements logged.

    From a signal until every outcome is in the ledger; what fills do afterwards does not count.
    """
    bench.begin("profile")
    await bench.product.scale(1, bench.pool)
    await bench.warm_up()
    spent = await _sampled(bench)
    samples = await asyncio.to_thread(_samples, bench.product.profile_file)
    statements = await _statements(bench)
    await bench.check()
    bench.end()
    for title, key in (("own time", "own"), ("time with all below", "below")):
        console.print(_functions(samples, key, title))
    console.print(_statement_table(statements))
    for name in sorted(spent):
        console.print(f"{name}: {spent[name] / (_SHOTS * LARGEST):.1f} per order")


async def _sampled(bench: Bench) -> Counter[str]:
    """Fire under the sampler and add up what each process spends, and what PostgreSQL writes."""
    pid, spent = bench.product.executor_pid(), Counter[str]()
    for shot in range(_SHOTS):
        before = await _meters(bench)
        os.kill(pid, signal.SIGUSR1)
        _, tape = await bench.meter.fire(bench.groups[LARGEST], _BROKER_MS)
        os.kill(pid, signal.SIGUSR2)
        after = await _meters(bench)
        spent.update({name: after[name] - was for name, was in before.items() if name in after})
        await bench.meter.fill(tape)
        await bench.quiet(LARGEST)
        bench.note(f"sampled signal {shot + 1} of {_SHOTS}")
    return spent


async def _meters(bench: Bench) -> dict[str, float]:
    pids = {**bench.product.pids(), "bare broker": bench.meter.broker.pid}
    meters = {f"CPU µs, {name}": seconds * 1e6 for name, seconds in cpu_s(pids).items()}
    main, others = threads_s(bench.product.executor_pid())
    meters["CPU µs, the executor's main thread"] = main * 1e6
    meters["CPU µs, the executor's other threads"] = others * 1e6
    meters["bytes of write-ahead log"] = await bench.pool.fetchval(_WRITTEN)
    return meters


def _samples(file: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + _WAIT_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    samples: Mapping[str, Any] = json.loads(file.read_text())
    return samples


async def _statements(bench: Bench) -> Mapping[str, Statement]:
    """Let PostgreSQL log every duration for some signals, and read its log."""
    log = bench.product.log / "postgres.log"
    lines: list[str] = []
    await _log_durations(bench, "0")
    for shot in range(_SHOTS_LOGGED):
        start = log.stat().st_size
        _, tape = await bench.meter.fire(bench.groups[LARGEST], _BROKER_MS)
        lines += _tail(log, start)
        await bench.meter.fill(tape)
        await bench.quiet(LARGEST)
        bench.note(f"logged signal {shot + 1} of {_SHOTS_LOGGED}")
    await _log_durations(bench, "-1")
    return _read(lines)


def _tail(log: Path, start: int) -> list[str]:
    with log.open(errors="replace") as file:
        file.seek(start)
        return file.readlines()


async def _log_durations(bench: Bench, threshold_ms: str) -> None:
    # Parameters are arrays of a thousand values: they would be most of the log.
    await bench.pool.execute("ALTER SYSTEM SET log_parameter_max_length = 0")
    await bench.pool.execute(f"ALTER SYSTEM SET log_min_duration_statement = {threshold_ms}")
    await bench.pool.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.3)


def _read(lines: Iterable[str]) -> Mapping[str, Statement]:
    """Add up durations by statement; what a statement has more lines of begins with a tab."""
    found: defaultdict[str, Statement] = defaultdict(Statement)
    entry: tuple[float, str, list[str]] | None = None

    def close() -> None:
        if entry is None:
            return
        took_ms, step, words = entry
        statement = found[" ".join(" ".join(words).split())]
        statement.executed += step in ("execute", "statement")
        statement.total_ms += took_ms
        statement.steps_ms[step] += took_ms

    for line in lines:
        if match := _LOGGED.search(line):
            close()
            entry = (float(match[1]), match[2], [match[3]])
        elif _LOG_LINE.match(line):
            close()
            entry = None
        elif entry is not None:
            entry[2].append(line)
    close()
    return found


def _functions(samples: Mapping[str, Any], key: str, title: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(f"Executor, {title}", no_wrap=True)
    table.add_column("% of CPU", justify="right")
    for name, count in samples[key][:_SHOWN]:
        table.add_row(name, f"{100 * count / max(samples['samples'], 1):.1f}")
    return table


def _statement_table(statements: Mapping[str, Statement]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("PostgreSQL, per signal to 1,000", no_wrap=True)
    for name in ("ms", "times", "parse", "bind", "execute"):
        table.add_column(name, justify="right")
    ordered = sorted(statements.items(), key=lambda item: -item[1].total_ms)
    for words, statement in ordered[:_SHOWN]:
        steps = statement.steps_ms
        table.add_row(
            words[:_WORDS_MAX],
            f"{statement.total_ms / _SHOTS_LOGGED:.2f}",
            f"{statement.executed / _SHOTS_LOGGED:.1f}",
            f"{steps['parse'] / _SHOTS_LOGGED:.2f}",
            f"{steps['bind'] / _SHOTS_LOGGED:.2f}",
            f"{(steps['execute'] + steps['statement']) / _SHOTS_LOGGED:.2f}",
        )
    return table
