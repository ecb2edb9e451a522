import asyncio
import time
from pathlib import Path

import pytest

from libs.paper.server.journal import Journal, JournalBroken, StateInUse


async def written(path: Path, *words: str) -> Journal:
    journal = Journal(path)
    list(journal.replay())
    async with journal:
        for word in words:
            journal.append({"kind": "word", "word": word})
        await journal.durable()
    return journal


async def test_line_is_on_disk_before_durable_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path) as journal:
        journal.append({"kind": "word", "word": "first"})
        assert path.read_bytes() == b""

        await journal.durable()

        assert path.read_bytes() == b'{"n":1,"kind":"word","word":"first"}\n'


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    await written(tmp_path / "j", "one", "two")

    await written(tmp_path / "j", "three")

    lines = [record["n"] for record in Journal(tmp_path / "j").replay()]
    assert lines == [1, 2, 3]


async def test_torn_last_line_of_a_crash_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "j"
    await written(path, "one", "two")
    with path.open("ab") as file:
        file.write(b'{"n":3,"kind":"wo')

    await written(path, "three")

    words = [record["word"] for record in Journal(path).replay()]
    assert words == ["one", "two", "three"]


async def test_actions_run_after_their_lines_and_in_order(tmp_path: Path) -> None:
    path, seen = tmp_path / "j", []
    async with Journal(path) as journal:
        for word in ("one", "two"):
            journal.append({"kind": "word", "word": word})
            journal.after_commit(lambda word=word: seen.append((word, path.stat().st_size > 0)))  # type: ignore[misc]
        await journal.durable()

    assert seen == [("one", True), ("two", True)]


async def test_many_waiters_share_few_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr("os.fdatasync", syncs.append)
    async with Journal(tmp_path / "j") as journal:

        async def arrive(number: int) -> None:
            journal.append({"kind": "word", "word": str(number)})
            await journal.durable()

        await asyncio.gather(*map(arrive, range(500)))

        assert len(journal.read(limit=1000)) == 500
        assert len(syncs) < 10


async def test_reading_starts_after_a_cursor_and_keeps_to_the_kinds_asked_for(
    tmp_path: Path,
) -> None:
    async with Journal(tmp_path / "j") as journal:
        for number in range(1, 3001):
            journal.append({"kind": "even" if number % 2 == 0 else "odd"})
        await journal.durable()

        found = journal.read(after=1999, limit=2, kinds=["even"])

        assert [record["n"] for record in found] == [2000, 2002]
        assert journal.read(after=3000) == []


async def test_tail_of_a_long_journal_is_read_without_what_lies_before(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        journal.append({"kind": "order"})
        for _ in range(100_000):
            journal.append({"kind": "prices"})
        journal.append({"kind": "order"})
        await journal.durable()

        found, last = journal.lines(kinds=["order"])
        assert (len(found), last) == (2, 100_002)
        began_s = time.monotonic()
        for _ in range(200):
            assert journal.lines(after=last, kinds=["order"]) == ([], last)

        # From the start each of them would take a tenth of a second.
        assert time.monotonic() - began_s < 5


async def test_cursor_stops_where_the_page_was_full(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        for kind in ("order", "prices", "order", "prices"):
            journal.append({"kind": kind})
        await journal.durable()

        assert journal.lines(limit=1, kinds=["order"])[1] == 1
        assert journal.lines(after=1, limit=1, kinds=["order"])[1] == 3
        assert journal.lines(after=3, limit=1, kinds=["order"]) == ([], 4)


async def test_uncommitted_lines_are_not_read(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j") as journal:
        journal.append({"kind": "word"})

        assert journal.read() == []


async def test_second_writer_is_refused(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j"):
        with pytest.raises(StateInUse, match="stop it first"):
            Journal(tmp_path / "j")


async def test_failed_write_refuses_everything_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    async with Journal(tmp_path / "j") as journal:
        monkeypatch.setattr("os.fdatasync", full_disk)
        journal.append({"kind": "word"})

        with pytest.raises(JournalBroken):
            await journal.durable()
        with pytest.raises(JournalBroken):
            journal.append({"kind": "word"})
