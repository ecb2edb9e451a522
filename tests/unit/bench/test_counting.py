"""The bench must see an order that is lost or doubled, and must stamp heads, not bodies."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.bench import orders
from tests.bench.bench import Options
from tests.bench.broker import Line, Tape
from tests.bench.crowd import Group
from tests.bench.figures import Figures, last, parts_of, spread
from tests.bench.meter import judge
from tests.bench.targets import ratios_of, targets_of

ACCOUNT = "0190aaaa-0000-7000-8000-000000000001"
OTHER = "0190aaaa-0000-7000-8000-000000000002"

Ask = Callable[[bytes], Awaitable[bytes]]


def a_request(tag: str, account_id: str = ACCOUNT) -> tuple[bytes, bytes]:
    body = b'{"symbol":"NSE:SBIN-EQ","qty":10,"orderTag":"%s"}' % tag.encode()
    head = (
        f"POST {orders.PATH} HTTP/1.1\r\nHost: broker\r\n"
        f"Authorization: {orders.APP_ID}:{orders.access_token(account_id)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def an_arrival(account_id: str, number: int = 1) -> tuple[str, str, int, int]:
    return f"tag{number}", account_id.replace("-", ""), number, number


@asynccontextmanager
async def a_line(tape: Tape) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await asyncio.get_running_loop().create_server(lambda: Line(tape), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def test_an_order_is_stamped_when_its_head_arrives_and_answered_later() -> None:
    tape = Tape(delay_s=0.05)
    head, body = a_request("tag1")

    async with a_line(tape) as (reader, writer):
        writer.write(head)
        await asyncio.sleep(0.05)
        head_was_there_ns = time.monotonic_ns()
        writer.write(body)
        answer = await reader.readuntil(b"\r\n\r\n")

    ((tag, who, at_ns, number),) = tape.arrivals
    assert (tag, who, number) == (b"tag1", ACCOUNT.replace("-", "").encode(), 1)
    assert at_ns < head_was_there_ns
    assert time.monotonic_ns() - head_was_there_ns >= 0.05e9
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_tag_that_comes_twice_is_seen_even_after_a_reset() -> None:
    tape = Tape(delay_s=0)
    head, body = a_request("tag1")

    async with a_line(tape) as (reader, writer):
        for _ in range(2):
            tape.arrivals = []
            writer.write(head + body)
            await reader.readuntil(b"}")

    assert tape.doubled == [b"tag1"]


def test_one_order_per_follower_is_neither_lost_nor_doubled() -> None:
    group = Group(strategy_id="s", account_ids=(ACCOUNT, OTHER))

    assert judge(group, [an_arrival(ACCOUNT), an_arrival(OTHER, 2)], "1") == ([], [])


def test_a_missing_order_is_lost_and_a_second_one_is_doubled() -> None:
    group = Group(strategy_id="s", account_ids=(ACCOUNT, OTHER))

    doubled, lost = judge(group, [an_arrival(ACCOUNT), an_arrival(ACCOUNT, 2)], "1")

    assert len(doubled) == 1
    assert ACCOUNT.replace("-", "") in doubled[0]
    assert len(lost) == 1
    assert OTHER.replace("-", "") in lost[0]


def test_an_order_for_somebody_who_does_not_follow_is_told() -> None:
    doubled, lost = judge(
        Group(strategy_id="s", account_ids=(ACCOUNT,)),
        [an_arrival(ACCOUNT), an_arrival(OTHER, 2)],
        "1",
    )

    assert len(doubled) == 1
    assert lost == []


def test_the_spread_of_a_figure_keeps_every_round() -> None:
    found = spread([3.0, 1.0, 2.0, 5.0])

    assert (found["min"], found["median"], found["max"]) == (1.0, 2.5, 5.0)
    assert (found["p25"], found["p75"]) == (1.75, 3.5)
    assert found["rounds"] == [3.0, 1.0, 2.0, 5.0]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("product_last_of_1000_broker_5ms", ("product", "last", 1000, 5)),
        ("cold_planned_first_of_10_broker_60ms", ("cold", "planned_first", 10, 60)),
        ("sustained_orders_per_s", None),
    ],
)
def test_names_of_stages_are_read_back(name: str, parts: tuple[str, str, int, int] | None) -> None:
    assert parts_of(name) == parts


def test_a_target_is_met_missed_or_not_measured() -> None:
    figures = Figures()
    for value in (30.0, 32.0, 31.0):
        figures.add(last("product", 1000, 5), value)
        figures.add(last("floor", 1000, 5), 20.0)

    by_name = {t.name: t.verdict for t in targets_of(figures, Options(quick=True, rounds=3))}

    assert ratios_of(figures) == {"last_of_1000_to_floor": 1.55}
    assert by_name["last of 1,000 to floor"] == "met"
    assert by_name["last of 1,000 to floor (aim)"] == "not met"
    assert by_name["sequential requests to product"] == "not measured"
