"""What a program said last, for the one line that tells why it does not start."""

import json
from pathlib import Path

_LINES = 40
_LENGTH_MAX = 200


def last_words(log: Path) -> str:
    """Return the last error of a log, else its last line. Services log JSON, others plain text."""
    if not log.exists():
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()[-_LINES:]]
    said = [_read(line) for line in lines if line]
    errors = [words for words, bad in said if bad]
    return (errors or [words for words, _ in said] or [""])[-1][:_LENGTH_MAX]


def _read(line: str) -> tuple[str, bool]:
    """Split a line into its words and whether it says that something went wrong."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line, False
    if not isinstance(entry, dict):
        return line, False
    words = [str(entry[key]) for key in ("event", "error") if entry.get(key)]
    if text := str(entry.get("exception", "")).strip():
        words.append(text.splitlines()[-1])
    return ": ".join(words) or line, entry.get("level") in ("error", "critical")
