"""The REST endpoints under `/api/v3`, one short method each, and the table that finds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qs

from libs.brokers.fyers.simulator import order_ids, order_requests, payloads
from libs.brokers.fyers.simulator.hidden import HiddenOrders
from libs.brokers.fyers.simulator.replies import Refused, answer, ok, rejected
from libs.brokers.fyers.simulator.sessions import Sessions
from libs.paper.accounts import PaperAccount
from libs.paper.errors import InvalidTerms, OrderIsOver, UnknownInstrument, UnknownOrder
from libs.paper.orders import PaperOrder
from libs.paper.server.desk import Desk
from libs.paper.server.knobs import Knobs, Operation
from libs.paper.server.requests import Answer, Arrival, NotJSON
from libs.trading.orders import OrderStatus

API = "/api/v3"
# Codes of the v2 era that still surface for orders that are over.
_OVER = {
    OrderStatus.CANCELLED: (-161, "Order is already cancelled"),
    OrderStatus.FILLED: (-162, "Order is already traded"),
    OrderStatus.REJECTED: (-164, "Order is already rejected"),
    OrderStatus.LAPSED: (-161, "Order has already expired"),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`needs_session` False is for the calls that make sessions."""

    operation: Operation
    handle: Callable[[Arrival], Answer]
    needs_session: bool = True


class Endpoints:
    """Acts on the desk for the client the arrival was identified as."""

    def __init__(self, desk: Desk, knobs: Knobs, sessions: Sessions, hidden: HiddenOrders) -> None:
        """Serve this desk's books to those who have a session."""
        self._desk = desk
        self._knobs = knobs
        self._sessions = sessions
        self._hidden = hidden
        self._table: Mapping[tuple[str, str], Endpoint] = {
            ("POST", f"{API}/orders/sync"): Endpoint(Operation.PLACE, self.place),
            ("PATCH", f"{API}/orders/sync"): Endpoint(Operation.MODIFY, self.modify),
            ("DELETE", f"{API}/orders/sync"): Endpoint(Operation.CANCEL, self.cancel),
            ("GET", f"{API}/orders"): Endpoint(Operation.BOOK, self.orders),
            ("GET", f"{API}/tradebook"): Endpoint(Operation.TRADES, self.trades),
            ("GET", f"{API}/positions"): Endpoint(Operation.ACCOUNT, self.positions),
            ("GET", f"{API}/holdings"): Endpoint(Operation.ACCOUNT, self.holdings),
            ("GET", f"{API}/funds"): Endpoint(Operation.ACCOUNT, self.funds),
            ("GET", f"{API}/profile"): Endpoint(Operation.ACCOUNT, self.profile),
            ("POST", f"{API}/logout"): Endpoint(Operation.LOGIN, self.logout),
            ("POST", f"{API}/validate-authcode"): Endpoint(
                Operation.LOGIN, self.exchange, needs_session=False
            ),
            ("POST", f"{API}/validate-refresh-token"): Endpoint(
                Operation.LOGIN, self.refresh, needs_session=False
            ),
        }

    def find(self, method: str, path: str) -> Endpoint | None:
        endpoint = self._table.get((method, path))
        if endpoint is None and method == "DELETE" and _id_in_path(path):
            return Endpoint(Operation.CANCEL, self.cancel_by_path)
        return endpoint

    def place(self, arrival: Arrival) -> Answer:
        client_id = _client(arrival)
        request = order_requests.placed(order_requests.body_of(_json(arrival)), client_id)
        try:
            order = self._desk.place(request)
        except UnknownInstrument as error:
            raise Refused(-300, str(error)) from error
        except InvalidTerms as error:
            raise Refused(-50, f"Invalid parameters: {error}") from error
        if arrival.knob.visibility_lag_s:
            self._hidden.hide(order, arrival.knob.visibility_lag_s)
        order_id = order_ids.order_id(order)
        if order.status is OrderStatus.REJECTED:
            return rejected(f"RMS: {order.message}", order_id)
        message = f"Order submitted successfully. Your Order Ref. No.{order_id}"
        return answer(ok(message, code=1101, id=order_id), order_id=order_id)

    def modify(self, arrival: Arrival) -> Answer:
        client_id = _client(arrival)
        body = order_requests.body_of(_json(arrival))
        order = self._order(client_id, order_requests.order_id_in(body))
        terms = order_requests.modified(body, order.terms)
        order_id = order_ids.order_id(order)
        try:
            self._desk.modify(client_id, order.number, terms)
        except OrderIsOver as error:
            raise Refused(*_OVER[error.status]) from error
        except InvalidTerms as error:
            raise Refused(-50, f"Invalid parameters: {error}") from error
        return answer(ok("Successfully modified order", code=1102, id=order_id), order_id=order_id)

    def cancel(self, arrival: Arrival) -> Answer:
        body = order_requests.body_of(_json(arrival))
        return self._cancel(arrival, order_requests.order_id_in(body))

    def cancel_by_path(self, arrival: Arrival) -> Answer:
        return self._cancel(arrival, _id_in_path(arrival.path))

    def orders(self, arrival: Arrival) -> Answer:
        account, query = self._account(arrival), parse_qs(arrival.query)
        wanted = {part for given in query.get("id", []) for part in given.split(",")}
        tags = set(query.get("order_tag", []))
        rows = [
            self._order_row(order, row)
            for row, order in enumerate(account.orders.values(), 1)
            if not self._hidden.is_hidden(order)
            and (not wanted or order_ids.order_id(order) in wanted)
            and (not tags or payloads.echoed_tag(self._tag(order)) in tags)
        ]
        return answer(ok(orderBook=rows), journalled=False)

    def trades(self, arrival: Arrival) -> Answer:
        account = self._account(arrival)
        tags = set(parse_qs(arrival.query).get("order_tag", []))
        rows = [
            payloads.trade_row(trade, row, tag=self._tag(trade.order))
            for row, trade in enumerate(account.trades, 1)
            if not self._hidden.is_hidden(trade.order)
            and (not tags or payloads.echoed_tag(self._tag(trade.order)) in tags)
        ]
        return answer(ok(tradeBook=rows), journalled=False)

    def positions(self, arrival: Arrival) -> Answer:
        account = self._account(arrival)
        return answer(ok(**payloads.positions(account, self._desk.exchange)), journalled=False)

    def holdings(self, arrival: Arrival) -> Answer:
        account = self._account(arrival)
        return answer(ok(**payloads.holdings(account, self._desk.exchange)), journalled=False)

    def funds(self, arrival: Arrival) -> Answer:
        return answer(ok(fund_limit=payloads.funds(self._account(arrival))), journalled=False)

    def profile(self, arrival: Arrival) -> Answer:
        return answer(ok(data=payloads.profile(_client(arrival))), journalled=False)

    def logout(self, arrival: Arrival) -> Answer:
        app_id = arrival.authorization.partition(":")[0]
        self._sessions.end(_client(arrival), app_id)
        return answer(ok("you are successfully logged out"))

    def exchange(self, arrival: Arrival) -> Answer:
        body = order_requests.body_of(_json(arrival))
        if body.get("grant_type") != "authorization_code":
            raise Refused(-50, "Invalid parameters: grant_type must be authorization_code")
        access_token, refresh_token, session = self._sessions.exchange(
            body.get("appIdHash"), body.get("code")
        )
        arrival.client_id = session.client_id
        return answer(ok(access_token=access_token, refresh_token=refresh_token), journalled=False)

    def refresh(self, _: Arrival) -> Answer:
        """Refuse, as FYERS does since 1 April 2026."""
        raise Refused(
            -16,
            "Refresh token API is currently disabled to comply with SEBI regulations.",
            http_status=400,
        )

    def _cancel(self, arrival: Arrival, order_id: str) -> Answer:
        client_id = _client(arrival)
        order = self._order(client_id, order_id)
        try:
            self._desk.cancel(client_id, order.number)
        except OrderIsOver as error:
            raise Refused(*_OVER[error.status]) from error
        return answer(ok("Successfully cancelled order", code=1103, id=order_id), order_id=order_id)

    def _order(self, client_id: str, order_id: str) -> PaperOrder:
        number = order_ids.number_of(order_id)
        try:
            order = self._desk.exchange.order(client_id, number or 0)
        except UnknownOrder as error:
            raise Refused(-51, f"Invalid order id {order_id}") from error
        if order_ids.order_id(order) != order_id:
            raise Refused(-51, f"Invalid order id {order_id}")
        return order

    def _order_row(self, order: PaperOrder, row: int) -> payloads.Payload:
        exchange, name = self._desk.exchange, order.request.instrument
        last_price: Decimal = exchange.prices[name]
        change = last_price - exchange.instruments[name].opening_price
        return payloads.order_row(
            order, row, tag=self._tag(order), last_price=last_price, change=change
        )

    def _tag(self, order: PaperOrder) -> str:
        """Give what the broker kept of the caller's tag: nothing under the knob that loses them."""
        request = order.request
        return request.tag if self._knobs.echoes_tags(request.client_id) else ""

    def _account(self, arrival: Arrival) -> PaperAccount:
        return self._desk.exchange.account(_client(arrival))


def _client(arrival: Arrival) -> str:
    if arrival.client_id is None:
        raise Refused(-16, "Could not authenticate the user")
    return arrival.client_id


def _json(arrival: Arrival) -> object:
    try:
        return arrival.json()
    except NotJSON as error:
        raise Refused(-50, f"Invalid parameters: the body is not JSON ({error})") from error


def _id_in_path(path: str) -> str:
    """Read the id of `/orders/{id}/sync`, empty for any other path."""
    head, tail = f"{API}/orders/", "/sync"
    middle = path[len(head) : -len(tail)]
    return middle if path == f"{head}{middle}{tail}" and "/" not in middle else ""
