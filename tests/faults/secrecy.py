"""Looks for secrets where none may be: logs, dead letters and every text column (I11)."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tests.faults.evidence import Ledger

_LEAST_LETTERS = 12
_TEXTS = """
SELECT c.table_schema AS schema, c.table_name AS name, c.column_name AS column
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE'
    AND c.table_schema IN ('auth', 'executor', 'signal', 'streaming', 'public')
    AND c.data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')
ORDER BY 1, 2, 3
"""


@dataclass(slots=True)
class Secrets:
    """`words` are what must not be found, by a name that may be told."""

    log: Path
    ledger: Ledger
    words: dict[str, str] = field(repr=False)
    pins: Sequence[str] = field(default=(), repr=False)
    _read_until: dict[Path, int] = field(default_factory=dict)
    _text: str = field(default="", repr=False)

    def begin(self) -> None:
        """Look only at what is logged from now on."""
        self._read_until = {path: path.stat().st_size for path in self.log.glob("*.log")}

    async def leaks(self) -> list[str]:
        """Search what was logged since `begin`."""
        return [
            f"{name} in {path.name}"
            for path in sorted(self.log.glob("*.log"))
            for name in self._found(self._since(path))
        ]

    async def unwritten_alarms(self) -> frozenset[str]:
        """Name the alarms that a service logged because the ledger could not take them."""
        found: set[str] = set()
        for path in self.log.glob("*.log"):
            for line in self._since(path).splitlines():
                if b"alarm_not_written" in line:
                    with_name = re.search(rb'"alarm": ?"(\w+)"', line)
                    found |= {with_name[1].decode()} if with_name else set()
        return frozenset(found)

    async def leaks_in_database(self) -> list[str]:
        """Search every text of every table, dead letters included."""
        found: list[str] = []
        columns = await self.ledger.fetch(_TEXTS)
        for column in columns:
            found += await self._leaks_in_column(column)
        return found

    def leaks_in(self, where: str, texts: Iterable[bytes]) -> list[str]:
        """Search texts from elsewhere."""
        return [f"{name} in {where}" for text in texts for name in self._found(text)]

    async def _leaks_in_column(self, column: asyncpg.Record) -> list[str]:
        place = f'"{column["schema"]}"."{column["name"]}"'
        rows = await self.ledger.fetch(
            f'SELECT "{column["column"]}"::text AS text FROM {place}'  # noqa: S608  # The catalogue's own names.
            f' WHERE "{column["column"]}" IS NOT NULL'
        )
        texts = "\n".join(_readable(row["text"]) for row in rows).encode()
        return [f"{name} in {place}.{column['column']}" for name in self._found(texts)]

    def _since(self, path: Path) -> bytes:
        with path.open("rb") as file:
            file.seek(self._read_until.get(path, 0))
            return file.read()

    def _found(self, text: bytes) -> list[str]:
        found = [
            name for name, word in self.words.items() if any(form in text for form in _forms(word))
        ]
        # Four digits are everywhere; beside the word they are a PIN.
        if any(re.search(rb"(?i)pin\W{1,6}%s\b" % pin.encode(), text) for pin in self.pins):
            found.append("a PIN")
        return found


def long_enough(words: dict[str, str]) -> dict[str, str]:
    """Leave out what is too short to be searched for by itself."""
    return {name: word for name, word in words.items() if len(word) >= _LEAST_LETTERS}


def _forms(word: str) -> set[bytes]:
    """Spell a secret as logs and addresses might: as it is, in base64, quoted, in JSON."""
    raw = word.encode()
    # Within a longer text base64 shifts by up to two bytes; the middle stays.
    shifted = {base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)}
    return {raw, quote(word, safe="").encode(), json.dumps(word)[1:-1].encode(), *shifted}


def _readable(text: str) -> str:
    """Turn what PostgreSQL shows of bytes into the letters among them."""
    if not text.startswith("\\x"):
        return text
    return bytes.fromhex(text[2:]).decode("latin-1")
