"""How PostgreSQL is started by root, as which it refuses to run: it runs as nobody.

A user namespace is the simplest: no new user, and folders closed to others stay readable. Where
namespaces are refused, another user runs a copy of the binaries in a folder that user can enter.
"""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import Problem

_NOBODY = 65534
_NAMESPACE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
_OTHER_USER = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`prefix` stands before each command. `moved` says the home must be open to another user."""

    prefix: tuple[str, ...] = ()
    moved: bool = False


@functools.cache
def account(forced: str = "") -> Account:
    """Find the way that works here. `forced` = "setpriv" tries the fallback on purpose."""
    root = os.geteuid() == 0
    if not root and _has_name():
        return Account()
    if forced != "setpriv" and _works(_NAMESPACE):
        return Account(prefix=_NAMESPACE)
    if root and _works(_OTHER_USER):
        return Account(prefix=_OTHER_USER, moved=True)
    raise Problem(
        "PostgreSQL runs neither as root nor as a user without a name, and this machine refuses "
        "user namespaces and setpriv",
        "Run make as another user, or set POSTGRES_DSN to a server of your own",
    )


def _has_name() -> bool:
    """Answer whether this user stands in the list of users: initdb asks for the name."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _works(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0


def open_home(home: Path, binaries: Path) -> Path:
    """Prepare a home that nobody owns with a copy of the binaries. Return the copy's path."""
    install = binaries.parent
    package = install.parent
    copy = home / package.name / install.name
    # The binaries look for their libraries beside the package: the copy keeps that shape.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name, dirs_exist_ok=True)
    if not (copy / "bin" / "postgres").exists():
        shutil.copytree(install, copy, dirs_exist_ok=True, symlinks=True)
    home.chmod(0o755)
    (home / "data").mkdir(exist_ok=True)
    os.chown(home / "data", _NOBODY, _NOBODY)
    return copy / "bin"
