"""The bare loopback broker: takes place requests, answers late on purpose, keeps the time.

A process of its own on uvloop that does as little as possible per request, so that what is measured
is the sender. It speaks just enough of the FYERS wire for the product's adapter. Every figure of
the bench is counted and stamped here: CLOCK_MONOTONIC nanoseconds when a request's head arrived.
"""

import asyncio
import re
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import uvloop

from libs.runtime.server import raise_file_limit
from tests.bench.worker import serve, take_output

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ACCOUNT = re.compile(rb"authorization: *[^:\r]*:(\w{32})", re.IGNORECASE)
_TAG = re.compile(rb'"orderTag": *"([^"]*)"')
_BODY = b'{"s":"ok","code":1101,"message":"Order submitted successfully","id":"%016d"}'
_PLACED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_BODY % 0)).encode()
    + b"\r\n\r\n"
    + _BODY
)


@dataclass(slots=True)
class Tape:
    """What arrived: since the last reset in `arrivals`, since the start in `tags` and `book`."""

    delay_s: float = 0.005
    arrivals: list[tuple[bytes, bytes, int, int]] = field(default_factory=list)
    tags: set[bytes] = field(default_factory=set)
    doubled: list[bytes] = field(default_factory=list)
    book: defaultdict[bytes, list[tuple[int, bytes]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    last_order: int = 0
    wanted: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, head: bytes, body: bytes, at_ns: int) -> bytes:
        """Note one order and return its answer."""
        account = _ACCOUNT.search(head)
        tag = _TAG.search(body)
        if account is None or tag is None:
            return _plain(400, {"s": "error", "code": -50, "message": "no account or no tag"})
        name, who = tag[1], account[1]
        self.last_order += 1
        self.arrivals.append((name, who, at_ns, self.last_order))
        if name in self.tags:
            self.doubled.append(name)
        self.tags.add(name)
        self.book[who].append((self.last_order, body))
        if len(self.arrivals) == self.wanted:
            self.reached.set()
        return _PLACED % self.last_order


class Line(asyncio.Protocol):
    """One keep-alive connection."""

    __slots__ = ("_began_ns", "_buffer", "_loop", "_tape", "_transport")

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._began_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            # A client may send head and body apart: the head's arrival counts.
            self._began_ns = self._began_ns or now_ns
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            began_ns, self._began_ns = self._began_ns, 0
            self._answer(head, body, began_ns)

    def _answer(self, head: bytes, body: bytes, at_ns: int) -> None:
        if head.startswith(b"POST "):
            answer = self._tape.take(head, body, at_ns)
            self._loop.call_later(self._tape.delay_s, self._write, answer)
        elif head.startswith(b"GET "):
            self._write(_read(self._tape, head))
        else:
            self._write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _read(tape: Tape, head: bytes) -> bytes:
    """Answer a question about an account: every order was filled at its price at once."""
    account = _ACCOUNT.search(head)
    path = head.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2]
    taken = tape.book.get(account[1], []) if account else []
    orders = [(f"{number:016d}", orjson.loads(body)) for number, body in taken]
    answers: dict[bytes, dict[str, Any]] = {
        b"orders": {"orderBook": [_order(id_, order) for id_, order in orders]},
        b"tradebook": {"tradeBook": [_trade(id_, order) for id_, order in orders]},
        b"positions": {"netPositions": _positions([order for _, order in orders]), "overall": {}},
        b"holdings": {"holdings": [], "overall": {}},
    }
    return _plain(200, {"s": "ok", "code": 200, "message": "", **answers.get(path, {})})


def _order(order_id: str, order: dict[str, Any]) -> dict[str, Any]:
    return {
        **order,
        "id": order_id,
        "status": 2,
        "filledQty": order["qty"],
        "remainingQuantity": 0,
        "tradedPrice": order["limitPrice"],
        "orderTag": f"1:{order['orderTag']}",
    }


def _trade(order_id: str, order: dict[str, Any]) -> dict[str, Any]:
    return {
        "orderNumber": order_id,
        "tradeNumber": f"{order_id}-1",
        "symbol": order["symbol"],
        "side": order["side"],
        "productType": order["productType"],
        "tradedQty": order["qty"],
        "tradePrice": order["limitPrice"],
        "orderTag": f"1:{order['orderTag']}",
    }


def _positions(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add up: all orders of the bench buy one share on one product."""
    if not orders:
        return []
    return [
        {
            "symbol": orders[0]["symbol"],
            "productType": orders[0]["productType"],
            "netQty": sum(order["qty"] for order in orders),
            "side": 1,
            "netAvg": orders[0]["limitPrice"],
            "ltp": orders[0]["limitPrice"],
        }
    ]


def _plain(status: int, answer: dict[str, Any]) -> bytes:
    body = orjson.dumps(answer)
    head = f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Desk:
    """Answers the bench's questions."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    async def answer(self, question: dict[str, Any]) -> Any:
        tape = self._tape
        match question["op"]:
            case "reset":
                tape.delay_s = question["delay_ms"] / 1000
                tape.arrivals = []
                return None
            case "wait":
                await self._wait(question["n"], question["timeout_s"])
                return len(tape.arrivals)
            case "count":
                return len(tape.arrivals)
            case "tape":
                return [
                    [tag.decode(), who.decode(), ns, id_] for tag, who, ns, id_ in tape.arrivals
                ]
            case "tags":
                return {
                    "all": [tag.decode() for tag in tape.tags],
                    "doubled": [tag.decode() for tag in tape.doubled],
                }
        raise ValueError(question["op"])

    async def _wait(self, wanted: int, timeout_s: float) -> None:
        """Return when that many have arrived since the reset, or when the time is up."""
        tape = self._tape
        if len(tape.arrivals) >= wanted:
            return
        tape.wanted = wanted
        tape.reached.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await tape.reached.wait()


async def main(port: int) -> None:
    answers = take_output()
    raise_file_limit()
    tape = Tape()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(tape), "127.0.0.1", port, backlog=4096)
    async with server:
        await serve(answers, Desk(tape).answer)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
