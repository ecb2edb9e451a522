"""Where the time goes: functions of the executor by CPU, statements of PostgreSQL by duration."""

import asyncio
import json
import os
import re
import signal
import time
from collections import defaultdict
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
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(slots=True)
class Statement:
    """One statement's share: protocol steps are counted apart, their times together."""

    executed: int = 0
    total_ms: float = 0.0
    steps_ms: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


async def profile(bench: Bench, console: Console) -> None:
    """Fire signals to the largest group under the sampler, then some with statements logged."""
    bench.begin("profile")
    await bench.product.scale(1, bench.pool)
    await bench.warm_up()
    pid = bench.product.executor_pid()
    pids = {**bench.product.pids(), "bare broker": bench.meter.broker.pid}
    before, threads, wal = cpu_s(pids), threads_s(pid), await _written(bench)
    os.kill(pid, signal.SIGUSR1)
    for shot in range(_SHOTS):
        await bench.shot("product", LARGEST, _BROKER_MS)
        bench.note(f"sampled signal {shot + 1} of {_SHOTS}")
    os.kill(pid, signal.SIGUSR2)
    after, threads_after, wal_after = cpu_s(pids), threads_s(pid), await _written(bench)
    samples = await asyncio.to_thread(_samples, bench.product.profile_file)
    statements = await _statements(bench)
    await bench.check()
    bench.end()
    for title, key in (("own time", "own"), ("time with all below", "below")):
        console.print(_functions(samples, key, title))
    console.print(_statement_table(statements))
    for name in sorted(before.keys() & after.keys()):
        console.print(f"{name}: {_each(after[name] - before[name])}")
    main, others = (now - was for was, now in zip(threads, threads_after, strict=True))
    console.print(f"executor's main thread: {_each(main)}, its other threads: {_each(others)}")
    console.print(
        f"PostgreSQL: {(wal_after[0] - wal[0]) / (_SHOTS * LARGEST):.0f} bytes of log per order,"
        f" {(wal_after[1] - wal[1]) / _SHOTS:.0f} transactions per signal"
    )


def _each(seconds: float) -> str:
    return f"{seconds / (_SHOTS * LARGEST) * 1e6:.0f} µs CPU per order"


async def _written(bench: Bench) -> tuple[int, int]:
    """Read how far the write-ahead log is, and how many transactions were committed."""
    row = await bench.pool.fetchrow(
        """SELECT (pg_current_wal_lsn() - '0/0')::bigint AS wal, xact_commit
        FROM pg_stat_database WHERE datname = current_database()"""
    )
    return (row["wal"], row["xact_commit"]) if row else (0, 0)


def _samples(file: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + _WAIT_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    samples: Mapping[str, Any] = json.loads(file.read_text())
    return samples


async def _statements(bench: Bench) -> Mapping[str, Statement]:
    """Let PostgreSQL log every duration for some signals, and read its log."""
    log = bench.product.log / "postgres.log"
    await _log_durations(bench, "0")
    start = log.stat().st_size
    for shot in range(_SHOTS_LOGGED):
        await bench.shot("product_logged", LARGEST, _BROKER_MS)
        bench.note(f"logged signal {shot + 1} of {_SHOTS_LOGGED}")
    await _log_durations(bench, "-1")
    with log.open(errors="replace") as file:
        file.seek(start)
        return _read(file)


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
