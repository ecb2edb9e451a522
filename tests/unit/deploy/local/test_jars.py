import hashlib
from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.jars import Jar


def a_jar(content: bytes) -> Jar:
    digest = hashlib.sha256(content).hexdigest()
    return Jar(group="org.example", name="thing", version="1.0", sha256=digest)


def put(jar: Jar, cache: Path, content: bytes) -> Path:
    path = jar.path(cache / "maven")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_the_lock_pins_a_version_and_a_checksum_of_every_jar() -> None:
    locked = jars.read_lock()

    assert {jar.version for jar in locked if jar.group == "org.apache.kafka"} == {jars.KAFKA}
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert "http" not in jars.LOCK_FILE.read_text()


def test_jars_in_the_cache_are_used_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = a_jar(b"right")
    path = put(jar, tmp_path, b"right")
    monkeypatch.setattr(jars, "read_lock", lambda: [jar])

    assert jars.fetch(tmp_path) == str(path)


def test_a_jar_with_another_checksum_is_fetched_again_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = a_jar(b"right")
    path = put(jar, tmp_path, b"tampered")
    asked: list[Jar] = []
    monkeypatch.setattr(jars, "read_lock", lambda: [jar])
    monkeypatch.setattr(jars, "_download", lambda missing, *_: asked.extend(missing))

    jars.fetch(tmp_path)

    assert asked == [jar]
    assert not path.exists()
