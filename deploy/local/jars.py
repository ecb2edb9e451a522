"""Apache Kafka's jars: fetched by jgo into the cache, each one held against the committed lock.

`python -m deploy.local.jars` resolves anew and rewrites the lock (a new version of Kafka).
"""

import hashlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.problems import Problem, no_network

KAFKA = "4.3.1"
LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")

# slf4j-simple 1.7.36 is the log binding that leaves the tree as Maven resolves it. With
# log4j-slf4j-impl a bill of materials leaks in and kafka-clients becomes 3.9.1.
_COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    group: str
    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.jar"

    def path(self, cache: Path) -> Path:
        return cache.joinpath(*self.group.split("."), self.name, self.version, self.file)


def read_lock(lock: Path = LOCK_FILE) -> list[Jar]:
    return [
        Jar(
            group=entry["groupId"],
            name=entry["artifactId"],
            version=entry["version"],
            sha256=entry["sha256"],
        )
        for entry in tomllib.loads(lock.read_text())["dependencies"]
    ]


def fetch(cache: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> str:
    """Bring what is missing, verify all, and return the class path. Nothing unverified is used."""
    jars = read_lock()
    repository = cache / "maven"
    missing = [jar for jar in jars if not _verified(jar, repository)]
    if missing:
        _download(missing, repository, progress)
    return ":".join(str(jar.path(repository)) for jar in jars)


def _verified(jar: Jar, repository: Path) -> bool:
    path = jar.path(repository)
    if not path.exists():
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
        return True
    path.unlink()  # Half a download, or not what the lock means.
    return False


def _download(jars: Sequence[Jar], repository: Path, progress: Callable[[int, int], None]) -> None:
    from jgo.maven import MavenContext  # Slow to import and needed once per cache.

    repository.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=repository)

    def bring(jar: Jar) -> Jar:
        context.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()
        return jar

    try:
        with ThreadPoolExecutor(max_workers=6) as pool:
            for done, jar in enumerate(pool.map(bring, jars), start=1):
                if not _verified(jar, repository):
                    raise Problem(
                        f"{jar.file} is not the file that {LOCK_FILE.name} means",
                        "Somebody answered with another file: check the network and try again",
                    )
                progress(done, len(jars))
    except (OSError, RuntimeError) as error:
        # jgo's HTTP errors are OSErrors (requests), a 404 everywhere is its RuntimeError.
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            raise
        raise no_network("Apache Kafka (44 MB)") from error


def relock() -> int:
    """Resolve the coordinates in an empty cache and write versions and SHA-256 of every jar."""
    from jgo.env import LockFile
    from jgo.maven import MavenContext
    from jgo.parse import Endpoint

    with TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        wanted = [
            context.create_dependency(replace(coordinate, scope="compile"))
            for coordinate in Endpoint.parse(_COORDINATES).coordinates
        ]
        inputs, rest = context.resolver.resolve(wanted)
        needed = [*inputs, *(item for item in rest if item.scope in ("compile", "runtime"))]
        clients = [item.version for item in needed if item.artifactId == "kafka-clients"]
        if clients != [KAFKA]:
            sys.stderr.write(f"kafka-clients resolved to {clients}, not {KAFKA}: nothing written\n")
            return 1
        lock = LockFile.from_resolved_dependencies(
            sorted(needed, key=lambda item: (item.groupId, item.artifactId))
        )
        lock.save(LOCK_FILE)
    sys.stdout.write(f"{len(needed)} jars locked in {LOCK_FILE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(relock())
