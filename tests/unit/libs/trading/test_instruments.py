import pytest

from libs.trading.instruments import Segment, names_above, parse_instrument


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


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("NSE:SBIN", Segment.EQUITY),
        ("BSE:SBIN", Segment.EQUITY),
        ("NFO:NIFTY:2026-12-29:FUT", Segment.FUTURES),
        ("BFO:SENSEX:2026-12-31:84000:PE", Segment.OPTIONS),
        ("CDS:USDINR:2026-12-29:84:CE", Segment.CURRENCY),
        ("BCD:USDINR:2026-12-29:FUT", Segment.CURRENCY),
        ("MCX:GOLD:2026-12-04:FUT", Segment.COMMODITY),
    ],
)
def test_every_instrument_has_its_segment(name: str, segment: Segment) -> None:
    assert parse_instrument(name).segment is segment


def test_an_instrument_stands_below_its_underlying_and_its_expiry() -> None:
    assert names_above("NSE:SBIN") == {"NSE:SBIN"}
    assert names_above("NFO:NIFTY:2026-12-29:24500:CE") == {
        "NFO:NIFTY",
        "NFO:NIFTY:2026-12-29",
        "NFO:NIFTY:2026-12-29:24500",
        "NFO:NIFTY:2026-12-29:24500:CE",
    }
