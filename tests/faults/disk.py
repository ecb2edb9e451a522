"""A small disk of Kafka's own that can be filled: a tmpfs in a mount namespace of this run.

A holder process keeps the namespace; when it ends, the disk is gone with it.
"""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local.program import Program, Tier

_SIZE_MB = 256
_NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount")
# The folder was formatted before: what it holds moves onto the disk.
_HOLD = """
cp -a "$1/." "$2" && mount -t tmpfs -o size=$3m,mode=0700 tmpfs "$1" && cp -a "$2/." "$1" &&
touch "$2.ready" && exec sleep 1000000
"""


@dataclass(slots=True)
class Disk:
    """`why_not` says why this machine has none; Kafka then lives in its ordinary folder."""

    folder: Path
    why_not: str = ""
    pid: int = 0

    @staticmethod
    def possible(folder: Path) -> "Disk":
        missing = [tool for tool in ("unshare", "nsenter", "mount") if not shutil.which(tool)]
        if missing:
            return Disk(folder, why_not=f"there is no {', '.join(missing)} here")
        probe = subprocess.run(  # noqa: S603  # Our own words.
            [*_NAMESPACES, "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$1"', "sh", "/mnt"],
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode:
            words = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
            return Disk(folder, why_not=f"mounting a tmpfs is refused here: {words}")
        return Disk(folder)

    def means(self) -> dict[str, str]:
        """Say how the disk is made full in this run."""
        made = f"a tmpfs of {_SIZE_MB} MB in a mount namespace of its own"
        return {"disk full": self.why_not or made}

    def holder(self) -> Program:
        """Build the program that makes and keeps the disk."""
        seed = self.folder.with_name(f"{self.folder.name}.seed")
        seed.mkdir(mode=0o700)
        ready = seed.with_name(f"{seed.name}.ready")
        words = ("sh", "-c", _HOLD, "sh", str(self.folder), str(seed), str(_SIZE_MB))
        return Program(
            name="kafka-disk",
            command=(*_NAMESPACES, *words),
            tier=Tier.SERVER,
            ready=ready.exists,
        )

    def inside(self, program: Program) -> Program:
        """Run a program where the disk is."""
        enter = ("nsenter", f"--target={self.pid}", "--user", "--mount", "--preserve-credentials")
        return replace(program, command=(*enter, *program.command))

    def fill(self) -> None:
        """Leave no byte."""
        block = bytes(1024 * 1024)
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(block)
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                file.write(b"\0" * 512)

    def make_room(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        # The disk is mounted in the holder's namespace only; /proc shows it to us.
        return Path(f"/proc/{self.pid}/root{os.fspath(self.folder)}/ballast")
