"""What once travelled must stay readable: fields are added, never renumbered, retyped or removed.

After an intended addition: `python -m tests.unit.libs.contracts.test_wire_stays` writes it down.
"""

import json
from pathlib import Path
from typing import Any

from libs.contracts.v1 import common_pb2, notice_pb2, order_pb2, session_pb2, signal_pb2

SNAPSHOT = Path(__file__).with_name("wire.json")
FILES = (common_pb2, signal_pb2, session_pb2, order_pb2, notice_pb2)


def wire() -> dict[str, dict[str, list[Any]]]:
    """Describe every message and enumeration: name -> [number, type]."""
    described: dict[str, dict[str, list[Any]]] = {}
    for file in FILES:
        descriptor = file.DESCRIPTOR
        for name, message in descriptor.message_types_by_name.items():
            described[name] = {
                field.name: [field.number, _type(field), bool(field.is_repeated)]
                for field in message.fields
            }
        for name, enumeration in descriptor.enum_types_by_name.items():
            described[name] = {value.name: [value.number] for value in enumeration.values}
    return described


def _type(field: Any) -> str:
    named = field.message_type or field.enum_type
    return str(named.full_name if named else field.type)


def test_nothing_that_travelled_was_renumbered_retyped_or_removed() -> None:
    stored: dict[str, dict[str, list[Any]]] = json.loads(SNAPSHOT.read_text())
    now = wire()

    broken = [
        f"{message}.{field}"
        for message, fields in stored.items()
        for field, shape in fields.items()
        if now.get(message, {}).get(field) != shape
    ]

    assert broken == []


def test_every_addition_is_written_down() -> None:
    assert wire() == json.loads(SNAPSHOT.read_text())


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(wire(), indent=1) + "\n")
