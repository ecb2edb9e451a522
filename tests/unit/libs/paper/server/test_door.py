from pathlib import Path
from typing import Any

import pytest

from libs.paper.server.desk import Desk
from libs.paper.server.door import Door
from libs.paper.server.journal import Journal
from libs.paper.server.knobs import Knobs, Operation
from libs.paper.server.requests import Answer, Arrival
from tests.factories import NOON

SCOPE: dict[str, Any] = {
    "method": "POST",
    "path": "/orders",
    "query_string": b"",
    "headers": [(b"authorization", b"app:token")],
}
OK = Answer(status=200, body=b'{"id":"1"}', order_id="1", journalled=True)


class BrokerThatBreaks:
    """Fails in the middle of an order, as a fault in our own program would."""

    def identify(self, arrival: Arrival) -> None:
        arrival.operation = Operation.PLACE

    def answer(self, arrival: Arrival) -> Answer:
        raise ZeroDivisionError(arrival.path)

    def without_order_id(self, arrival: Arrival) -> Answer:
        return OK

    def unknown_code(self, arrival: Arrival) -> Answer:
        return OK


class BrokerThatAccepts(BrokerThatBreaks):
    def answer(self, arrival: Arrival) -> Answer:
        return OK


class Caller:
    """Sends these pieces of a body, then hangs up."""

    def __init__(self, *pieces: bytes, whole: bool = True) -> None:
        self._pieces = list(pieces)
        self._whole = whole
        self.heard: list[Any] = []

    async def receive(self) -> Any:
        if not self._pieces:
            return {"type": "http.disconnect"}
        piece = self._pieces.pop(0)
        more = bool(self._pieces) or not self._whole
        return {"type": "http.request", "body": piece, "more_body": more}

    async def send(self, message: Any) -> None:
        self.heard.append(message)


async def served(tmp_path: Path, broker: BrokerThatBreaks, caller: Caller) -> dict[str, Any]:
    """Serve one request and return its line."""
    async with Journal(tmp_path / "j") as journal:
        desk = Desk(journal, lambda: NOON, lambda _: "1")
        await Door(desk, Knobs(), broker).serve(SCOPE, caller.receive, caller.send)
        [line] = journal.read()
        return line


async def test_arrival_is_written_down_even_when_answering_breaks(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await served(tmp_path, BrokerThatBreaks(), Caller(b"{}"))

    async with Journal(tmp_path / "j") as journal:
        [line] = journal.replay()
    assert (line["operation"], line["answered"], line["order_id"]) == ("place", False, None)


async def test_caller_who_leaves_in_the_middle_gets_nothing_done(tmp_path: Path) -> None:
    caller = Caller(b'{"qty":', whole=False)

    line = await served(tmp_path, BrokerThatAccepts(), caller)

    assert (line["whole"], line["answered"], line["body"]) == (False, False, '{"qty":')
    assert caller.heard == []


async def test_body_in_pieces_is_one_body(tmp_path: Path) -> None:
    caller = Caller(b'{"qty"', b":1}")

    line = await served(tmp_path, BrokerThatAccepts(), caller)

    assert (line["whole"], line["answered"], line["body"]) == (True, True, {"qty": 1})
    assert caller.heard[-1]["body"] == OK.body


async def test_body_too_large_is_refused_and_kept_in_part(tmp_path: Path) -> None:
    line = await served(tmp_path, BrokerThatAccepts(), Caller(b"x" * 50_000, b"x" * 50_000))

    assert (line["status"], line["order_id"], len(line["body"])) == (413, None, 4096)
