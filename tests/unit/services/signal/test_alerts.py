"""Bodies of alerts read into entries, and the moments they name."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signal.alerts import AlertFormat, AlertRefused, entries_of, moment_of, quoted

SECRET = "lsw_not-a-real-one"
# 12:00 UTC, half past five in India.
NOW = datetime(2026, 12, 29, 12, 0, tzinfo=UTC)


def tradingview(body: bytes) -> dict[str, str]:
    (entry,) = entries_of(AlertFormat.TRADINGVIEW, body, secret=SECRET)
    return dict(entry)


def chartink(**fields: str) -> list[dict[str, str]]:
    body = json.dumps(fields).encode()
    return [dict(entry) for entry in entries_of(AlertFormat.CHARTINK, body, secret=SECRET)]


def test_numbers_keep_every_digit_they_were_written_with() -> None:
    entry = tradingview(b'{"price": 812.50, "count": 10, "big": 123456789012345678901, "on": true}')

    assert entry == {
        "price": "812.50",
        "count": "10",
        "big": "123456789012345678901",
        "on": "true",
    }


def test_fields_within_fields_are_named_by_their_path_and_lists_are_no_values() -> None:
    entry = tradingview(b'{"order": {"action": " buy ", "id": null}, "all": [1, 2], "": "x"}')

    assert entry == {"order.action": "buy", "": "x"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"buy SBIN now", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a": 1, "a": 2}', "names a field twice"),
        (b'{"price": NaN}', "NaN, which is no number"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
        (b'{"a":' + b"[" * 60_000, "nested too deeply"),
        (json.dumps({f"f{n}": "1" for n in range(101)}).encode(), "more than 100 fields"),
    ],
)
def test_what_is_no_alert_is_refused_in_plain_words(body: bytes, words: str) -> None:
    with pytest.raises(AlertRefused, match=words):
        tradingview(body)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    for kind in AlertFormat:
        with contextlib.suppress(AlertRefused):
            entries_of(kind, body, secret=SECRET)


def test_the_secret_is_masked_wherever_a_body_repeats_it() -> None:
    entry = tradingview(
        json.dumps({"webhook_url": f"https://x.test/webhooks/1/{SECRET}", "a": SECRET}).encode()
    )

    assert SECRET not in str(entry)


def test_each_stock_is_an_entry_with_its_price() -> None:
    entries = chartink(
        stocks="SEPOWER, ASTEC,EDUCOMP,", trigger_prices="3.75,541.8,2.1", scan_name="Short term"
    )

    assert [(e["stock"], e["trigger_price"]) for e in entries] == [
        ("SEPOWER", "3.75"),
        ("ASTEC", "541.8"),
        ("EDUCOMP", "2.1"),
    ]
    assert {entry["scan_name"] for entry in entries} == {"Short term"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "must name stocks"),
        ({"stocks": " , "}, "must name stocks"),
        ({"stocks": "SBIN,,INFY"}, "must name stocks"),
        ({"stocks": "SBIN,SBIN"}, "names a stock twice"),
        ({"stocks": "SBIN,INFY", "trigger_prices": "1"}, "1 prices for 2 stocks"),
        ({"stocks": ",".join(f"S{n}" for n in range(51))}, "names 51 stocks, at most 50"),
    ],
)
def test_a_list_that_does_not_fit_together_is_refused_whole(
    fields: dict[str, str], words: str
) -> None:
    with pytest.raises(AlertRefused, match=words):
        chartink(**fields)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-29T12:00:00Z", NOW),
        ("2026-12-29T17:30:00+05:30", NOW),
        (str(int(NOW.timestamp())), NOW),
        (f"{int(NOW.timestamp())}000", NOW),
    ],
)
def test_a_moment_to_the_second_is_an_instant(text: str, instant: datetime) -> None:
    assert moment_of(text, NOW).instant == instant


@pytest.mark.parametrize("text", ["5:30 pm", "05:30 PM", "5:30pm"])
def test_a_time_of_day_is_a_minute_in_india_and_no_instant(text: str) -> None:
    moment = moment_of(text, NOW)

    assert moment.instant is None
    assert (moment.first, moment.last) == (NOW, NOW + timedelta(minutes=1))


@pytest.mark.parametrize(("text", "hour"), [("12:05 am", 0), ("12:05 pm", 12), ("1:05 am", 1)])
def test_noon_and_midnight_are_not_confused(text: str, hour: int) -> None:
    in_india = moment_of(text, NOW).first + timedelta(hours=5, minutes=30)

    assert (in_india.hour, in_india.minute) == (hour, 5)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-12-29T12:00:00", "2026-12-29", "13:05 pm", "17:30", "99999"]
)
def test_what_is_not_the_same_moment_for_everybody_is_refused(text: str) -> None:
    with pytest.raises(AlertRefused, match="is no moment"):
        moment_of(text, NOW)


@pytest.mark.parametrize(("late_s", "fits"), [(0, True), (300, True), (301, False), (-301, False)])
def test_a_moment_is_in_time_within_the_window(late_s: int, fits: bool) -> None:
    moment = moment_of("2026-12-29T12:00:00Z", NOW)

    assert moment.within(300, NOW + timedelta(seconds=late_s)) is fits


def test_a_quotation_is_short_and_shows_what_hides() -> None:
    assert quoted("a\nb\u202ec") == "'a?b?c'"
    assert len(quoted("x" * 10_000)) < 50
