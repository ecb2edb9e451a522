import configparser
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from deploy.local.problems import Problem
from deploy.local.program import Program, Tier
from deploy.local.supervision import Supervisor, section


def a_program(**environment: str) -> Program:
    return Program(
        name="auth",
        command=("/a folder/python", "-m", "services.auth"),
        tier=Tier.SERVICE,
        ready=lambda: True,
        environment=environment,
    )


def read(program: Program) -> configparser.SectionProxy:
    """Read it as supervisord does: comments in a line, and %% for a percent sign."""
    parser = configparser.ConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(section(program))
    return parser["program:auth"]


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a,b",
        '{"fyers":"http://127.0.0.1:9701"}',
        "100%",
        "p=q==",
        "it's",
        "redis://:x@y#1",
    ],
)
def test_a_program_gets_the_value_that_was_meant(value: str) -> None:
    written = read(a_program(A=value, B="2"))["environment"]
    found = dict_of_key_value_pairs(written)  # type: ignore[no-untyped-call]  # It has no types.

    assert found == {"A": value, "B": "2"}


@pytest.mark.parametrize("value", ["both ' and \"", "a ; comment", "a # comment", "two\nlines"])
def test_a_value_that_would_arrive_mangled_is_refused(value: str) -> None:
    with pytest.raises(Problem, match="A holds a value"):
        section(a_program(A=value))


def test_a_folder_with_a_space_stays_one_word() -> None:
    assert read(a_program())["command"] == "'/a folder/python' -m services.auth"


def test_a_deep_folder_gets_its_socket_in_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 5)

    socket = Supervisor(deep, "0123456789abcdef").socket

    assert len(str(socket)) <= 90
    assert "0123456789ab" in str(socket)
    socket.parent.rmdir()
