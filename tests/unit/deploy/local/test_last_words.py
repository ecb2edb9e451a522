from pathlib import Path

from deploy.local.last_words import last_words


def test_the_last_error_counts_more_than_what_came_after_it(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(
        '{"event":"cannot_start","level":"error","error":"no key"}\n'
        '{"event":"stopping","level":"info"}\n'
    )

    assert last_words(log) == "cannot_start: no key"


def test_plain_text_speaks_for_itself(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("starting\nAddress already in use\n\n")

    assert last_words(log) == "Address already in use"


def test_of_a_traceback_only_the_end_is_told(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(
        '{"event":"failed","level":"error","exception":"Traceback\\n  x\\nKeyError: 1"}\n'
    )

    assert last_words(log) == "failed: KeyError: 1"


def test_a_program_that_said_nothing_is_quoted_with_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "missing.log") == ""
