"""How a failing request looks on the wire, kind by kind; the broker spells what is its own.

ASGI has no word for a cut line: uvicorn's `send` is a method of the object that owns the transport.
"""

import asyncio
import contextlib
import random
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache
from typing import Protocol

from starlette.types import Receive, Send

from libs.paper.server.knobs import MIB, Failure, Knob
from libs.paper.server.requests import Answer, Arrival

_FAILED = Answer(status=500, body=b"500 Internal Server Error\n", content_type=b"text/plain")
# What a web application firewall shows instead of the broker's answer.
_REJECTED_PAGE = Answer(
    status=200,
    body=b"<html><head><title>Request Rejected</title></head><body>The requested URL was "
    b"rejected. Please consult with your administrator.<br><br>Your support ID is: "
    b"7342811930655216</body></html>",
    content_type=b"text/html",
)
_GARBAGE = Answer(status=200, body=b"\xff\xfe\x00" + random.Random(7).randbytes(253))  # noqa: S311
_BOMB_MIB = 256
_GZIP_HEAD = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
_CHUNK = b" " * (64 * 1024)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LineCut(ConnectionError):
    """Raised where a knob cuts the line and the server has no connection to cut (in-process)."""


class Misspeaker(Protocol):
    """The broker's own ways to answer wrongly, in the shape of its answers."""

    def without_order_id(self, arrival: Arrival) -> Answer:
        """Say that it went well, without the one thing the caller needs."""

    def unknown_code(self, arrival: Arrival) -> Answer:
        """Refuse with a code that stands in no table."""


class Failures:
    """Answers requests that a knob lets fail. `acted` is the true answer, None if nothing was done.

    What is sent here is never the answer: the journal has it as not answered.
    """

    def __init__(self, broker: Misspeaker) -> None:
        """Borrow this broker's shapes."""
        self._broker = broker
        self._on_the_line: Mapping[Failure, Callable[[Receive, Send], Awaitable[None]]] = {
            Failure.DROP: cut_line,
            Failure.RST: _reset_line,
            Failure.HANG: _hang,
        }

    async def fail(
        self, arrival: Arrival, acted: Answer | None, receive: Receive, send: Send
    ) -> None:
        knob = arrival.knob
        if on_the_line := self._on_the_line.get(knob.failure):
            await on_the_line(receive, send)
        elif knob.failure is Failure.HUGE:
            await _stream(knob, receive, send)
        elif knob.failure is Failure.SLOW_LORIS:
            await _drip(acted or _FAILED, knob, receive, send)
        else:
            await send_answer(send, self._instead(arrival, acted))

    def _instead(self, arrival: Arrival, acted: Answer | None) -> Answer:
        match arrival.knob.failure:
            case Failure.HTML:
                return _REJECTED_PAGE
            case Failure.GARBAGE:
                return _GARBAGE
            case Failure.GZIP_BOMB:
                return _gzip_bomb()
            case Failure.NO_ORDER_ID:
                return self._broker.without_order_id(arrival)
            case Failure.UNKNOWN_CODE:
                return self._broker.unknown_code(arrival)
            case Failure.TRUNCATED:
                return _cut_short(acted or self._broker.without_order_id(arrival))
            case Failure.REDIRECT:
                return _redirect(arrival)
        return _FAILED


async def send_answer(send: Send, answer: Answer) -> None:
    await _send_head(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def cut_line(receive: Receive, send: Send) -> None:
    """Close the connection without a byte."""
    _transport_of(send).close()
    # Until the server has noticed: it would answer 500 for us if we returned before.
    await _gone(receive)


async def _reset_line(receive: Receive, send: Send) -> None:
    transport = _transport_of(send)
    line: socket.socket = transport.get_extra_info("socket")
    # Lingering for no time turns the close into a reset.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
    await _gone(receive)


async def _hang(receive: Receive, send: Send) -> None:
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stream(knob: Knob, receive: Receive, send: Send) -> None:
    """Send one long JSON text piece by piece; a caller that leaves ends it."""
    await _send_head(send, Answer(status=200, body=b""), with_length=False)
    await send({"type": "http.response.body", "body": b'{"message":"', "more_body": True})
    async with _watched(receive) as is_gone:
        for _ in range(knob.huge_mib * MIB // len(_CHUNK)):
            if is_gone():
                return
            await send({"type": "http.response.body", "body": _CHUNK, "more_body": True})
            knob.bytes_sent += len(_CHUNK)
            # A fast reader must not keep the whole simulator busy.
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b'"}'})


async def _drip(answer: Answer, knob: Knob, receive: Receive, send: Send) -> None:
    await _send_head(send, answer)
    async with _watched(receive) as is_gone:
        for value in answer.body[:-1]:
            await send({"type": "http.response.body", "body": bytes([value]), "more_body": True})
            knob.bytes_sent += 1
            await asyncio.sleep(1)
            if is_gone():
                return
    await send({"type": "http.response.body", "body": answer.body[-1:]})


@contextlib.asynccontextmanager
async def _watched(receive: Receive) -> AsyncIterator[Callable[[], bool]]:
    """Tell, while we send, whether the caller has left."""
    leaving = asyncio.create_task(_gone(receive))
    try:
        yield leaving.done
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def _send_head(send: Send, answer: Answer, *, with_length: bool = True) -> None:
    headers = [(b"content-type", answer.content_type)]
    if with_length:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    headers.extend(answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


@cache
def _gzip_bomb() -> Answer:
    """Pack very much into little; nobody asked for a packed answer."""
    packer, mib = zlib.compressobj(wbits=-15), bytes(MIB)
    # After a full flush the next block begins anew: one is packed, the others are the same bytes.
    block = packer.compress(mib) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(_BOMB_MIB):
        check = zlib.crc32(mib, check)
    tail = zlib.compressobj(wbits=-15).flush() + struct.pack("<II", check, _BOMB_MIB * MIB)
    return Answer(
        status=200,
        body=_GZIP_HEAD + block * _BOMB_MIB + tail,
        headers=((b"content-encoding", b"gzip"),),
    )


def _cut_short(answer: Answer) -> Answer:
    half = answer.body[: len(answer.body) // 2]
    return Answer(status=answer.status, body=half, content_type=answer.content_type)


def _redirect(arrival: Arrival) -> Answer:
    query = f"?{arrival.query}" if arrival.query else ""
    target = f"{arrival.knob.redirect_to}{arrival.path}{query}"
    headers = ((b"location", target.encode()),)
    return Answer(status=307, body=b"", content_type=b"text/plain", headers=headers)


def _transport_of(send: Send) -> asyncio.Transport:
    transport: asyncio.Transport | None = getattr(
        getattr(send, "__self__", None), "transport", None
    )
    if transport is None:
        raise LineCut("the simulator cut the line on purpose")
    return transport
