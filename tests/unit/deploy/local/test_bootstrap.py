import pytest

from deploy.local import bootstrap


def test_the_installer_itself_is_pinned_by_hash() -> None:
    pinned = bootstrap.pins()["uv"]

    assert pinned.startswith("uv==")
    assert "--hash=sha256:" in pinned


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("error sending request for url (x)\n dns error", "No network"),
        ("NewConnectionError: Failed to establish", "No network"),
        ("ERROR: Could not find a version that satisfies uv (from versions: none)", "No network"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("The virtual environment was not created: ensurepip is not available", "-venv"),
        ("something else\nhash mismatch", 'Installing failed: "hash mismatch"'),
    ],
)
def test_what_an_installer_says_becomes_one_line_with_the_remedy(said: str, words: str) -> None:
    line = bootstrap.remedy(said)

    assert words in line
    assert "\n" not in line
    assert "same command again" in line
