import pytest

from libs.trading.instruments import parse_instrument


@pytest.mark.parametrize(
    "name",
    ["NSE:SBIN", "NSE:M&M", "BSE:ACC", "NFO:NIFTY:2026-12-29:FUT", "NFO:NIFTY:2026-12-29:24500:CE",
     "MCX:GOLD:2026-12-04:81000.5:PE"],
)  # fmt: skip
def test_a_canonical_name_reads_and_writes_the_same(name: str) -> None:
    assert str(parse_instrument(name)) == name


@pytest.mark.parametrize(
    "name",
    ["", "SBIN", "NSE:", "NSE:SBIN-EQ:X", "LSE:VOD", "NFO:NIFTY", "NFO:NIFTY:2026-13-01:FUT",
     "NFO:NIFTY:2026-12-29:CE", "NFO:NIFTY:2026-12-29:24500:FUT", "NFO:NIFTY:2026-12-29:x:CE",
     "NSE:NIFTY:2026-12-29:FUT"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not|has no strike"):
        parse_instrument(name)
