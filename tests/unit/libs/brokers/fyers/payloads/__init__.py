"""FYERS answers as its reference shows them, scrubbed; read by name."""

from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parent


def payload(name: str) -> Any:
    return orjson.loads((FOLDER / f"{name}.json").read_bytes())
