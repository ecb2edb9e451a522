"""Writes `libs/contracts/v1` from `proto/v1`; with --check it only compares."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.layout import ROOT

_GENERATED = Path("libs/contracts/v1")


def main() -> int:
    if "--check" not in sys.argv[1:]:
        _generate(ROOT)
        return 0
    with TemporaryDirectory() as scratch:
        _generate(Path(scratch))
        wanted, found = _files(Path(scratch)), _files(ROOT)
    stale = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: not what proto/v1 says. Run: make proto\n")
    return int(bool(stale))


def _generate(target: Path) -> None:
    sources = sorted((ROOT / "proto" / "v1").glob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc"]
    # The mapped path makes the generated files import each other under the name they have here.
    command += [f"--proto_path={_GENERATED}={ROOT / 'proto' / 'v1'}"]
    command += [f"--python_out={target}", f"--pyi_out={target}"]
    command += [str(_GENERATED / source.name) for source in sources]
    subprocess.run(command, check=True, cwd=target)


def _files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in (root / _GENERATED).iterdir()
        if path.name.endswith(("_pb2.py", "_pb2.pyi"))
    }


if __name__ == "__main__":
    sys.exit(main())
