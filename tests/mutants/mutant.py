"""A safety clause taken away by exact words, and the tests that must notice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """The code has changed under a mutant: its words must be written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replaces `old`, which stands in the file exactly once; `everywhere` allows more."""

    file: str
    old: str
    new: str
    everywhere: bool = False

    def applied(self, root: Path) -> str:
        """Return the file's text with the edit. Raise `DoesNotApply`."""
        path = root / self.file
        text = path.read_text() if path.exists() else ""
        found = text.count(self.old)
        if not found or (found > 1 and not self.everywhere):
            raise DoesNotApply(f"{self.file} has {found} times {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`why` says which promise falls; `tests` are the files and folders that must notice."""

    name: str
    why: str
    edits: Sequence[Edit]
    tests: Sequence[str]

    def apply(self, root: Path) -> dict[Path, str]:
        """Write the edits; return what stood there before. Raise `DoesNotApply`, nothing done."""
        for edit in self.edits:
            edit.applied(root)
        before: dict[Path, str] = {}
        for edit in self.edits:
            path = root / edit.file
            before.setdefault(path, path.read_text())
            path.write_text(edit.applied(root))
        return before
