import errno
import os

import pytest

from deploy.local.problems import of_os_error, port_in_use


def test_a_problem_is_one_line_with_the_remedy() -> None:
    said = str(port_in_use("web", 8080, "WEB_PORT", "nginx (process 7)"))

    assert said == (
        "Port 8080 (web) is already in use by nginx (process 7). "
        "Stop that process, or choose another port: WEB_PORT=9080."
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission"), (errno.EROFS, "No permis")],
)
def test_what_the_system_refuses_becomes_a_line(number: int, words: str) -> None:
    problem = of_os_error(OSError(number, os.strerror(number), "/data/x"))

    assert problem is not None
    assert words in str(problem)
    assert "/data/x" in str(problem)


def test_what_nobody_expected_stays_an_error() -> None:
    assert of_os_error(OSError(errno.EBADF, "bad")) is None
