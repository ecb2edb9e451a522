import stat
from pathlib import Path

from deploy.local.keys import keys_of


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = keys_of(tmp_path, {})
    second = keys_of(tmp_path, {})

    assert first == second
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_what_the_environment_gives_wins_and_is_not_stored(tmp_path: Path) -> None:
    given = keys_of(tmp_path, {"ENCRYPTION_KEY": "from-the-shell"})

    assert given.encryption_key == "from-the-shell"
    assert "from-the-shell" not in (tmp_path / "keys.json").read_text()


def test_no_secret_shows_when_keys_are_printed(tmp_path: Path) -> None:
    keys = keys_of(tmp_path, {})

    assert keys.encryption_key not in repr(keys)
    assert keys.postgres_password not in repr(keys)


def test_a_key_that_a_new_version_needs_is_added_to_the_old_ones(tmp_path: Path) -> None:
    before = keys_of(tmp_path, {})
    stored = (tmp_path / "keys.json").read_text()
    lines = [line for line in stored.splitlines() if "order_tag_key" not in line]
    (tmp_path / "keys.json").write_text("\n".join(lines))

    after = keys_of(tmp_path, {})

    assert after.encryption_key == before.encryption_key
    assert len(after.order_tag_key) == 64
