"""The order websocket `/trade/v3`: ping and pong as text, subscriptions, pushes to one account.

A message leaves only after what it tells is in the journal. A client that does not read is cut
off when its queue is full; it re-reads the books after it has connected again.
"""

import asyncio
from collections.abc import Callable, Iterator

import orjson
from prometheus_client import Gauge
from starlette.types import Receive, Scope, Send

from libs.brokers.fyers.simulator import messages
from libs.brokers.fyers.simulator.replies import Refused
from libs.brokers.fyers.simulator.sessions import Session, Sessions
from libs.paper.accounts import PaperAccount, PaperPosition
from libs.paper.orders import PaperOrder, PaperTrade
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Knobs
from libs.paper.server.outages import FeedOutages

_QUEUE_MAX = 10_000
_CONNECTED = Gauge("lockstep_simulator_order_sockets", "Order websockets that are open now.")
_DROPPED = 1012  # "Service restart" of the websocket close codes.
_PATIENCE_S = 10
_ACK = {1: "Successfully subscribed", -1: "Successfully unsubscribed"}


class _Line:
    """One connected client: what it subscribed to and what waits to be sent; None ends it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.kinds: set[str] = set()
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE_MAX)
        self.is_gone = False
        self.is_over = False
        self.close_code = 1000

    def push(self, text: str | None) -> None:
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.cut()

    async def push_patiently(self, text: str) -> bool:
        """Wait for room in the queue; tell whether the text went in."""
        if self.is_over:
            return False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self.queue.put(text)
        except TimeoutError:
            self.cut()
            return False
        return True

    def cut(self, close_code: int = 1000) -> None:
        self.is_over = True
        self.close_code = close_code
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class OrderSockets:
    """All connected clients; listens to the exchange."""

    def __init__(
        self,
        desk: Desk,
        knobs: Knobs,
        sessions: Sessions,
        hidden_for_s: Callable[[PaperOrder], float],
    ) -> None:
        """Push what this desk's exchange tells; `hidden_for_s` holds a hidden order's news back."""
        self._desk = desk
        self._knobs = knobs
        self._sessions = sessions
        self._hidden_for_s = hidden_for_s
        self._outages = FeedOutages(desk.clock)
        self._lines: dict[str, set[_Line]] = {}
        self._held: dict[int, list[Callable[[], None]]] = {}
        self._filling: PaperOrder | None = None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # "websocket.connect"
        header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        try:
            session = self._sessions.of_header(header)
        except Refused:
            await self._note("denied", None)
            await send({"type": "websocket.close", "code": 1008})  # Before accept: HTTP 403.
            return
        if self._outages.holds(session.client_id):
            await self._note("refused", session.client_id)
            await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        line = _Line(session)
        self._lines.setdefault(session.client_id, set()).add(line)
        _CONNECTED.inc()
        reader = asyncio.create_task(_read(receive, line))
        try:
            await self._note("connected", session.client_id)
            await send({"type": "websocket.accept"})
            await _write(send, line)
        except OSError:  # The client went away while we wrote; nothing is left to tell it.
            return
        finally:
            _CONNECTED.dec()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._drop(line)

    def cut_dead(self) -> int:
        """Close the lines whose session has ended; return how many there were."""
        lines = [
            line
            for several in self._lines.values()
            for line in several
            if not self._sessions.is_alive(line.session)
        ]
        for line in lines:
            line.cut()
        return len(lines)

    def drop(self, client_id: str | None, for_s: float) -> int:
        """Close the lines of one client or of all, and refuse new ones for that long."""
        until = self._outages.begin(client_id, for_s)
        lines = [
            line
            for owner, several in self._lines.items()
            if client_id in {None, owner}
            for line in several
        ]
        for line in lines:
            line.cut(_DROPPED)
        self._desk.write(
            "feed", event="dropped", client_id=client_id, sockets=len(lines), until=until
        )
        return len(lines)

    async def replay(self, client_id: str | None, *, is_reversed: bool, times: int) -> int:
        """Send the day's order messages again; return how many went out."""
        await self._desk.journal.durable()
        accounts = [
            account
            for owner, account in self._desk.exchange.accounts.items()
            if client_id in {None, owner} and owner in self._lines
        ]
        # Together: one who does not read holds nobody up.
        sent = sum(await asyncio.gather(*(self._retell(it, times, is_reversed) for it in accounts)))
        self._desk.write("feed", event="replayed", client_id=client_id, messages=sent)
        return sent

    async def _retell(self, account: PaperAccount, times: int, is_reversed: bool) -> int:
        texts = [
            self._order_text(order.as_of(change))
            for order, change in account.changes()
            if self._hidden_for_s(order) <= 0
        ]
        sent = 0
        for text in (texts[::-1] if is_reversed else texts) * times:
            for line in self._listening(account.client_id, "orders"):
                sent += await line.push_patiently(text)
        return sent

    def forget(self) -> None:
        """Start over: no outage, nothing held back."""
        self._outages.clear()
        self._held.clear()

    @property
    def count(self) -> int:
        return sum(map(len, self._lines.values()))

    def order_changed(self, order: PaperOrder) -> None:
        if lines := self._listening(order.request.client_id, "orders"):
            self._push(lines, self._order_text(order), order)

    def traded(self, trade: PaperTrade) -> None:
        # The position's change follows in the same breath, and is as hidden as its order.
        self._filling = trade.order
        if lines := self._listening(trade.order.request.client_id, "trades"):
            text = messages.trade_message(trade, tag=self._tag(trade.order))
            self._push(lines, text, trade.order)

    def position_changed(self, account: PaperAccount, position: PaperPosition) -> None:
        if lines := self._listening(account.client_id, "positions"):
            last_price = self._desk.exchange.prices[position.instrument]
            self._push(lines, messages.position_message(position, last_price), self._filling)

    def _order_text(self, order: PaperOrder) -> str:
        instrument = self._desk.exchange.instruments[order.request.instrument]
        return messages.order_message(
            order,
            tag=self._tag(order),
            tick_size=instrument.tick_size,
            lot_size=instrument.lot_size,
        )

    def _tag(self, order: PaperOrder) -> str:
        request = order.request
        return request.tag if self._knobs.echoes_tags(request.client_id) else ""

    async def _note(self, event: str, client_id: str | None) -> None:
        """Have it on disk before the client hears of it."""
        self._desk.write("feed", event=event, client_id=client_id)
        await self._desk.journal.durable()

    def _listening(self, client_id: str, kind: str) -> list[_Line]:
        return [line for line in self._lines.get(client_id, ()) if kind in line.kinds]

    def _push(self, lines: list[_Line], text: str, order: PaperOrder | None) -> None:
        def deliver() -> None:
            for line in lines:
                line.push(text)

        def after_commit() -> None:
            # Asked only now: the knob hides an order right after the exchange took it.
            lag_s = self._hidden_for_s(order) if order is not None else 0
            if order is not None and (lag_s > 0 or order.number in self._held):
                self._hold(order.number, lag_s, deliver)
            else:
                deliver()

        self._desk.journal.after_commit(after_commit)

    def _hold(self, number: int, lag_s: float, deliver: Callable[[], None]) -> None:
        """Keep a hidden order's news back, all of it together and in its order."""
        if number not in self._held:
            self._held[number] = []
            asyncio.get_running_loop().call_later(lag_s, self._release, number)
        self._held[number].append(deliver)

    def _release(self, number: int) -> None:
        for deliver in self._held.pop(number, ()):
            deliver()

    def _drop(self, line: _Line) -> None:
        several = self._lines[line.session.client_id]
        several.discard(line)
        if not several:
            del self._lines[line.session.client_id]


async def _write(send: Send, line: _Line) -> None:
    while (text := await line.queue.get()) is not None:
        await send({"type": "websocket.send", "text": text})
    if not line.is_gone:
        await send({"type": "websocket.close", "code": line.close_code})


async def _read(receive: Receive, line: _Line) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            line.is_gone = True
            line.cut()
            return
        reply = _reply(message.get("text") or "", line)
        if reply is not None:
            line.push(reply)


def _reply(text: str, line: _Line) -> str | None:
    if text == "ping":
        return "pong"
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(request, dict) or request.get("T") != "SUB_ORD":
        return None
    direction = request.get("SUB_T")
    if not isinstance(direction, int) or direction not in _ACK:
        return None
    kinds = set(_flat(request.get("SLIST"), levels=2))
    line.kinds = line.kinds | kinds if direction == 1 else line.kinds - kinds
    return orjson.dumps({"code": 1605, "message": _ACK[direction], "s": "ok"}).decode()


def _flat(kinds: object, levels: int) -> Iterator[str]:
    """Read the kinds of a list; the official SDK nests one inside when it unsubscribes."""
    if isinstance(kinds, str):
        yield kinds
    elif isinstance(kinds, list) and levels:
        for item in kinds:
            yield from _flat(item, levels - 1)
