"""What a person sees while the stack starts: one line per step, with a spinner and its time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from deploy.local.problems import Problem


class Screen:
    """Steps may run at the same time. Without a terminal each one is a plain line when it ends."""

    def __init__(self, console: Console | None = None) -> None:
        # Standard output belongs to results (addresses as JSON): progress goes beside it.
        self.console = console or Console(stderr=True, highlight=False)
        self._progress = _progress(self.console)
        self._lock = Lock()
        self._began: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._quiet()

    def _quiet(self) -> None:
        # Stopping what was never started would print an empty line.
        if self._progress.live.is_started:
            self._progress.stop()
            self._progress = _progress(self.console)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.begin(name)
        yield
        self.end(name)

    def begin(self, name: str, note: str = "") -> None:
        with self._lock:
            if self.console.is_terminal and not self._progress.live.is_started:
                self._progress.start()
            task = self._progress.add_task(name, total=1, note=note)
            self._began[name] = (task, time.monotonic())

    def note(self, name: str, note: str) -> None:
        with self._lock:
            self._progress.update(self._began[name][0], note=note)

    def end(self, name: str, note: str = "") -> None:
        with self._lock:
            task, began = self._began[name]
            words = f"{time.monotonic() - began:.1f} s{f', {note}' if note else ''}"
            self._progress.update(task, completed=1, note=words)
            if not self.console.is_terminal:
                self.console.print(f"✓ {name:<22} {words}", soft_wrap=True)

    def say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)

    def welcome(self, address: str, rows: Sequence[tuple[str, str]]) -> None:
        """Say where it is and who can sign in; standard output, so that it can be kept."""
        self._quiet()
        table = Table(show_header=False, box=box.SIMPLE, pad_edge=False)
        table.add_column(style="bold")
        table.add_column()
        table.add_row("Lockstep", f"[link={address}]{address}[/]")
        for name, value in rows:
            table.add_row(name, value)
        Console(highlight=False).print(table)

    def problem(self, problem: Problem) -> None:
        self.console.print("[red]✗[/]", end=" ")
        # A path or a log line may hold brackets: those are no markup.
        self.console.print(str(problem), markup=False, soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<22}"),
        TextColumn("[dim]{task.fields[note]}[/]"),
        console=console,
    )
