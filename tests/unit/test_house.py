"""The house rules: sizes, file names, who is called what. CONTRIBUTING.md says why."""

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.brokers.registry import BROKERS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("libs", "services", "deploy", "tests")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
GENERATED = ("libs/contracts/v1/",)
SERVICE_FILES = {"__init__.py", "__main__.py", "app.py", "settings.py"}
BROKER_FILES = {
    "__init__.py", "manifest.py", "login", "orders", "feed", "account", "instruments", "wire",
    "simulator", "README.md",
}  # fmt: skip
NO_ROOMS = {"utils", "util", "common", "core", "shared", "misc", "helpers"}
ASKED_FOR = {
    "faststream", "aiokafka", "fastapi", "asyncpg", "redis", "cryptography", "httpx", "websockets",
    "structlog", "testcontainers", "pytest_asyncio",
}  # fmt: skip
# The browser application names no broker either, but for the texts of tests and the lock of npm.
TYPESCRIPT = ROOT / "services" / "web" / "app" / "src"


def python_files() -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if not place.startswith(GENERATED) and "node_modules" not in place:
                yield path


def place_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in python_files():
        yield path, ast.parse(path.read_text())


def test_files_stay_small() -> None:
    too_long = {
        place_of(path): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }

    assert too_long == {}


def test_functions_stay_small() -> None:
    too_long = {
        f"{place_of(path)}:{node.name}": (node.end_lineno or 0) - node.lineno
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    }

    assert too_long == {}


def test_every_file_says_what_it_owns() -> None:
    silent = [
        place_of(path)
        for path, tree in trees()
        if not place_of(path).startswith("tests/") and ast.get_docstring(tree) is None
    ]

    assert silent == []


def test_packages_hold_nothing_but_their_docstring_and_names_they_pass_on() -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    guilty = [
        place_of(path)
        for path, tree in trees()
        if path.name == "__init__.py"
        and not place_of(path).startswith("tests/")
        and not all(isinstance(node, allowed) for node in tree.body)
    ]

    assert guilty == []


@pytest.mark.parametrize("service", ["auth", "signal", "executor", "streaming", "simulator", "web"])
def test_every_service_reads_the_same(service: str) -> None:
    files = {path.name for path in (ROOT / "services" / service).iterdir()}

    assert files >= SERVICE_FILES
    if service not in {"simulator", "web"}:
        assert {"flow.py", "migrations"} <= files
        assert any(name.startswith("routes") for name in files)
        assert any(name.startswith("repository") for name in files)


@pytest.mark.parametrize("broker", BROKERS)
def test_every_broker_folder_holds_the_same_files(broker: str) -> None:
    # Any of them may be a package of the same name.
    files = {
        path.name if path.suffix == ".md" or path.name.startswith(("__", "manifest")) else path.stem
        for path in (ROOT / "libs" / "brokers" / broker).iterdir()
    }

    assert files >= BROKER_FILES


def test_every_broker_folder_is_registered() -> None:
    folders = {
        path.name
        for path in (ROOT / "libs" / "brokers").iterdir()
        if path.is_dir() and (path / "manifest.py").exists()
    }

    assert folders == set(BROKERS)


def test_no_broker_is_named_outside_its_folder_its_tests_and_deployment() -> None:
    names = re.compile("|".join(BROKERS), re.IGNORECASE)
    sources = [*python_files(), *TYPESCRIPT.rglob("*.ts"), *TYPESCRIPT.rglob("*.tsx")]
    at_home = ("libs/brokers/", "tests/", "deploy/")
    named = [
        place_of(path)
        for path in sources
        if not place_of(path).startswith(at_home)
        and ".test." not in path.name
        and names.search(path.read_text())
    ]

    assert named == []


def test_shared_broker_files_name_no_broker_but_in_the_registry() -> None:
    names = re.compile("|".join(BROKERS), re.IGNORECASE)
    shared = [path for path in (ROOT / "libs" / "brokers").glob("*.py") if path.stem != "registry"]

    assert [place_of(path) for path in shared if names.search(path.read_text())] == []


def test_there_is_no_room_for_odds_and_ends() -> None:
    guilty = [
        place_of(path)
        for path in python_files()
        if NO_ROOMS & {path.stem, *path.relative_to(ROOT).parent.parts}
    ]

    assert guilty == []


def test_what_was_asked_for_is_required_and_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    lines = [*project["project"]["dependencies"], *groups["dev"], *groups["local"]]
    required = {re.split(r"[\[<>=!~;]", line)[0].strip().replace("-", "_") for line in lines}
    imported = {
        name.split(".")[0]
        for _, tree in trees()
        for node in ast.walk(tree)
        for name in _imported(node)
    }

    assert required >= ASKED_FOR
    # pytest-asyncio is used by running: it collects every coroutine test.
    assert imported >= ASKED_FOR - {"pytest_asyncio"}
    assert importlib.metadata.version("pytest-asyncio")


def test_nothing_reads_the_environment_but_settings_and_deployment() -> None:
    guilty = [
        place_of(path)
        for path in python_files()
        if place_of(path).startswith(("libs/", "services/"))
        and re.search(r"os\.(environ|getenv)", path.read_text())
    ]

    assert guilty == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []
