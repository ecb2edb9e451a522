import re

from libs.trading.tags import is_ours, mint_client_order_id

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_tag_fits_every_broker_and_is_recognised_by_its_key_alone() -> None:
    tags = {mint_client_order_id(KEY) for _ in range(2_000)}

    assert len(tags) == 2_000
    assert all(re.fullmatch("[a-z0-9]{15}", tag) for tag in tags)
    assert all(is_ours(KEY, tag) for tag in tags)
    assert not any(is_ours(OTHER, tag) for tag in list(tags)[:100])


def test_foreign_tags_are_not_ours() -> None:
    for tag in (None, "", "Untagged", "k3v9q0m2x7b1a4z", "K" * 15, mint_client_order_id(KEY) + "a"):
        assert not is_ours(KEY, tag)
