from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from libs.runtime.vault import BadKey, DataKey, KeyRing, Place, Unreadable

PLACE = Place("broker_credentials", "access_token", "account-1", "fyers", "access_token")
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
CANARY = "s3cret"


def a_ring(*keys: str) -> KeyRing:
    return KeyRing.from_setting(SecretStr(",".join(keys)))


def a_key() -> DataKey:
    ring = a_ring(OLD)
    return ring.unwrap(ring.new_data_key())


def every_bit_flip(text: str) -> list[str]:
    raw = text.encode()
    flipped = []
    for at in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            flipped.append(changed.decode("latin-1"))
    return flipped


def test_what_is_sealed_opens_at_its_place_and_reads_as_the_form_says() -> None:
    key = a_key()

    sealed = key.seal(CANARY, PLACE)

    assert key.open(sealed, PLACE) == CANARY
    version, algorithm, kid, _payload = sealed.split(".")
    assert (version, algorithm, len(kid)) == ("v1", "fernet", 8)
    assert CANARY not in sealed


def test_the_same_text_twice_is_sealed_differently() -> None:
    key = a_key()

    assert key.seal(CANARY, PLACE) != key.seal(CANARY, PLACE)


# The length decides how many bits of the last base64 character mean nothing.
@pytest.mark.parametrize("text", ["x", "x" * 16, "x" * 32])
def test_no_single_bit_of_a_sealed_value_may_change(text: str) -> None:
    key = a_key()
    sealed = key.seal(text, PLACE)
    flips = every_bit_flip(sealed)

    readable = [text for text in flips if opens(key, text)]

    assert len(flips) == 8 * len(sealed)
    assert readable == []


def test_no_single_bit_of_a_wrapped_key_may_change() -> None:
    ring = a_ring(OLD)
    wrapped = ring.new_data_key()

    readable = [text for text in every_bit_flip(wrapped) if unwraps(ring, text)]

    assert readable == []


@pytest.mark.parametrize("field", ["table", "column", "account_id", "broker", "field"])
def test_a_value_opens_at_no_other_place(field: str) -> None:
    key = a_key()
    sealed = key.seal(CANARY, PLACE)

    with pytest.raises(Unreadable, match="another place"):
        key.open(sealed, replace(PLACE, **{field: "elsewhere"}))


def test_two_rows_that_swap_their_values_are_both_unreadable() -> None:
    key = a_key()
    other = replace(PLACE, field="refresh_token")
    first, second = key.seal("one", PLACE), key.seal("two", other)

    with pytest.raises(Unreadable):
        key.open(second, PLACE)
    with pytest.raises(Unreadable):
        key.open(first, other)


def test_a_value_of_another_account_does_not_open_even_when_its_key_id_is_forged() -> None:
    mine, theirs = a_key(), a_key()
    sealed = theirs.seal(CANARY, PLACE)
    kid = mine.seal("", PLACE).split(".")[2]
    forged = ".".join(["v1", "fernet", kid, sealed.split(".")[3]])

    with pytest.raises(Unreadable, match="another key"):
        mine.open(sealed, PLACE)
    with pytest.raises(Unreadable, match="tampered"):
        mine.open(forged, PLACE)


@pytest.mark.parametrize(
    "stored", ["", "v1", "v2.fernet.00000000.aa", "v1.none.00000000.aa", "v1.fernet.0.aa", "é" * 40]
)
def test_other_forms_are_unreadable(stored: str) -> None:
    assert not opens(a_key(), stored)
    assert not unwraps(a_ring(OLD), stored)


def test_a_truncated_value_is_unreadable() -> None:
    key = a_key()
    sealed = key.seal(CANARY, PLACE)

    assert not any(opens(key, sealed[:end]) for end in range(len(sealed)))


def test_both_keys_read_during_a_rotation_and_the_old_one_may_go_after_it() -> None:
    wrapped = a_ring(OLD).new_data_key()
    sealed = a_ring(OLD).unwrap(wrapped).seal(CANARY, PLACE)
    both = a_ring(NEW, OLD)

    assert both.unwrap(wrapped).open(sealed, PLACE) == CANARY
    assert not both.is_current(wrapped)
    rotated = both.rotate(wrapped)

    assert both.is_current(rotated)
    assert a_ring(NEW).unwrap(rotated).open(sealed, PLACE) == CANARY
    assert not unwraps(a_ring(NEW), wrapped)
    assert not unwraps(a_ring(OLD), rotated)


def test_new_data_keys_are_wrapped_by_the_first_key() -> None:
    assert a_ring(NEW, OLD).is_current(a_ring(NEW).new_data_key())


@pytest.mark.parametrize("setting", ["", " , ", "short", f"{OLD},oops", OLD[:-1], OLD + "A"])
def test_a_setting_that_is_no_key_list_is_refused_without_showing_it(setting: str) -> None:
    with pytest.raises(BadKey) as refused:
        KeyRing.from_setting(SecretStr(setting))

    assert OLD[:10] not in str(refused.value)


def test_nothing_shows_a_key_or_a_text() -> None:
    ring, key = a_ring(OLD), a_key()
    sealed = key.seal(CANARY, PLACE)

    with pytest.raises(Unreadable) as unreadable:
        key.open(sealed, replace(PLACE, field="x"))

    for shown in (repr(ring), str(ring), repr(key), str(key), str(unreadable.value)):
        assert OLD not in shown
        assert CANARY not in shown
    assert not hasattr(key, "__dict__")
    assert unreadable.value.__cause__ is None


def opens(key: DataKey, text: str) -> bool:
    try:
        key.open(text, PLACE)
    except Unreadable:
        return False
    return True


def unwraps(ring: KeyRing, text: str) -> bool:
    try:
        ring.unwrap(text)
    except Unreadable:
        return False
    return True
