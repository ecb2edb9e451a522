from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.problems import Problem
from deploy.local.screen import Screen
from deploy.local.stack import Stack


def open_stack(state: Path) -> Stack:
    return Stack.open({"LOCKSTEP_STATE_DIR": str(state)}, Screen(Console(quiet=True)))


def test_a_folder_with_other_files_is_never_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(Problem, match="holds other files"):
        open_stack(tmp_path)


def test_a_stack_keeps_its_identity_and_its_folder_is_closed(tmp_path: Path) -> None:
    first = open_stack(tmp_path / "state")
    second = open_stack(tmp_path / "state")

    assert first.supervisor.stack_id == second.supervisor.stack_id
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_two_stacks_have_two_identities(tmp_path: Path) -> None:
    stacks = [open_stack(tmp_path / name) for name in ("one", "two")]

    assert len({stack.supervisor.stack_id for stack in stacks}) == 2


def test_a_second_start_in_the_same_folder_is_told_to_wait_its_turn(tmp_path: Path) -> None:
    running, late = open_stack(tmp_path / "state"), open_stack(tmp_path / "state")

    with (
        running.locked("run.lock"),
        pytest.raises(Problem, match="already runs"),
        late.locked("run.lock", wait=False),
    ):
        pass


def test_a_dead_stack_forgets_its_ports(tmp_path: Path) -> None:
    stack = open_stack(tmp_path / "state")
    stack.remember(ports=dict.fromkeys(("web", "auth"), 30_000))

    assert open_stack(tmp_path / "state").layout.ports.web == 8080
