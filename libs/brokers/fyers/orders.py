"""Place, modify, cancel and find orders at FYERS (API v3 reference, orders; `/orders/sync`).

Writes and reads have separate connections, so that a slow book never keeps a cancel waiting.
"""

from collections import Counter
from collections.abc import Sequence

from libs.brokers.errors import AmbiguousMatch, NotSent, OutcomeUnknown
from libs.brokers.fyers import wire
from libs.brokers.fyers.instruments import load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.brokers.http import HTTPReply, OrderTransport, PyreqwestTransport, TransportLimits
from libs.brokers.protocol import BrokerAddresses, BrokerSession
from libs.trading.orders import OrderIntent, OrderReport


class FyersOrders:
    """The order door of every FYERS account in this process."""

    def __init__(
        self,
        addresses: BrokerAddresses,
        *,
        writes: OrderTransport | None = None,
        reads: OrderTransport | None = None,
    ) -> None:
        limits = TransportLimits(idle_s=MANIFEST.idle_connection_s)
        self._addresses = addresses
        self._api = addresses.urls["api"]
        self._orders_url = f"{self._api}/orders"
        self._write_url = f"{self._api}/orders/sync"
        self._instruments = load_instruments(addresses)
        self._headers: dict[str, tuple[BrokerSession, dict[str, str]]] = {}
        self._writes = writes or PyreqwestTransport(addresses, wire.COMMON_HEADERS, limits)
        self._reads = reads or PyreqwestTransport(addresses, wire.COMMON_HEADERS, limits)

    async def warm(self, sessions: Sequence[BrokerSession]) -> None:
        """Open connections without a session, so that no account's budget is touched."""
        await self._writes.warm(self._api, Counter(session.egress for session in sessions))
        await self._reads.warm(self._api, {None: 1})

    async def place_order(
        self, session: BrokerSession, intent: OrderIntent, *, not_after: float | None = None
    ) -> OrderReport:
        symbol = self._instruments.symbol_of(intent.instrument)
        if symbol is None:
            raise NotSent(f"{intent.instrument} is not listed here, or not clearly")
        body = wire.place_payload(intent, symbol)
        reply = await self._write(session, "POST", body, not_after)
        return wire.read_order_reply(reply, client_order_id=intent.client_order_id)

    async def modify_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        body = wire.modify_payload(broker_order_id, intent.terms)
        return await self._change(session, "PATCH", body, broker_order_id, intent, not_after)

    async def cancel_order(
        self,
        session: BrokerSession,
        broker_order_id: str,
        intent: OrderIntent,
        *,
        not_after: float | None = None,
    ) -> OrderReport:
        body = wire.cancel_payload(broker_order_id)
        return await self._change(session, "DELETE", body, broker_order_id, intent, not_after)

    async def find_order(self, session: BrokerSession, client_order_id: str) -> OrderReport | None:
        reports = await self._book(session, wire.order_tag_query(client_order_id))
        # Not every server filters: only the tag decides.
        found = [report for report in reports if report.client_order_id == client_order_id]
        if len(found) > 1:
            raise AmbiguousMatch(f"{len(found)} orders carry the tag {client_order_id}")
        return found[0] if found else None

    async def order_book(self, session: BrokerSession) -> list[OrderReport]:
        return await self._book(session)

    async def aclose(self) -> None:
        await self._writes.aclose()
        await self._reads.aclose()

    async def _change(
        self,
        session: BrokerSession,
        method: str,
        body: bytes,
        broker_order_id: str,
        intent: OrderIntent,
        not_after: float | None,
    ) -> OrderReport:
        reply = await self._write(session, method, body, not_after)
        try:
            return wire.read_order_reply(reply, client_order_id=intent.client_order_id)
        except wire.AlreadyOver as refusal:
            # The refusal does not say how much was filled; the book does.
            for report in await self._book(session, wire.order_id_query(broker_order_id)):
                if report.broker_order_id == broker_order_id:
                    return report
            raise OutcomeUnknown(f"{refusal}, but it is not in the book") from refusal

    async def _book(self, session: BrokerSession, query: str = "") -> list[OrderReport]:
        self._addresses.admit(session)
        url = f"{self._orders_url}?{query}" if query else self._orders_url
        reply = await self._reads.send("GET", url, headers=wire.authorization_of(session))
        rows = wire.read_rows(reply, "orderBook")
        return [wire.order_in_book(row, self._instruments.name_of) for row in rows]

    def _headers_of(self, session: BrokerSession) -> dict[str, str]:
        """Make the headers of a session once, not for every order."""
        known = self._headers.get(session.account_id)
        if known is None or known[0] is not session:
            known = self._headers[session.account_id] = (session, wire.authorization_of(session))
        return known[1]

    async def _write(
        self, session: BrokerSession, method: str, body: bytes, not_after: float | None
    ) -> HTTPReply:
        self._addresses.admit_order(session)
        return await self._writes.send(
            method,
            self._write_url,
            headers=self._headers_of(session),
            body=body,
            egress=session.egress,
            not_after=not_after,
        )
