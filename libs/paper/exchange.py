"""The matching engine and its books: pure, deterministic, every instant given by the caller.

An order that is marketable when it arrives fills at the last price; any other rests and fills at
its own limit when the price is moved to or across it. A stop waits for its trigger, then trades
as a market or limit order. The exchange never closes: market phases are not its business.
"""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from libs.paper import margin, rules
from libs.paper.accounts import ZERO, PaperAccount
from libs.paper.errors import (
    InvalidTerms,
    OrderIsOver,
    UnknownAccount,
    UnknownInstrument,
    UnknownOrder,
)
from libs.paper.events import ExchangeListener
from libs.paper.fills import DueFill, FillScript, script_quantities
from libs.paper.instruments import BUILT_IN, PaperInstrument
from libs.paper.orders import OrderChange, OrderRequest, PaperOrder, PaperTrade
from libs.paper.settlement import hold_margin, settle
from libs.trading.orders import OrderStatus, OrderTerms, Validity


class PaperExchange:
    """Instruments with last prices, accounts with books. One instance is one market."""

    def __init__(self, instruments: Mapping[str, PaperInstrument] = BUILT_IN) -> None:
        """List these instruments at their opening prices."""
        self.instruments = instruments
        self.prices = {name: item.opening_price for name, item in instruments.items()}
        self.accounts: dict[str, PaperAccount] = {}
        self.fill_scripts: list[FillScript] = []
        self.orders_created = 0
        self._changes = 0
        self._working: dict[str, dict[int, PaperOrder]] = {name: {} for name in instruments}
        self._due: list[DueFill] = []
        self._orders: dict[int, PaperOrder] = {}
        self._listeners: list[ExchangeListener] = []

    def listen(self, listener: ExchangeListener) -> None:
        self._listeners.append(listener)

    def open_account(self, client_id: str, funds: Decimal) -> PaperAccount:
        """Open an account, or set an existing one's cash."""
        account = self.accounts.setdefault(client_id, PaperAccount(client_id=client_id, cash=funds))
        account.cash = funds
        return account

    def account(self, client_id: str) -> PaperAccount:
        if client_id not in self.accounts:
            raise UnknownAccount(f"no account {client_id}")
        return self.accounts[client_id]

    def order(self, client_id: str, number: int) -> PaperOrder:
        order = self.account(client_id).orders.get(number)
        if order is None:
            raise UnknownOrder(f"no order {number} in the book of {client_id}")
        return order

    def place(self, request: OrderRequest, at: datetime) -> PaperOrder:
        """Take an order. It comes back rejected, resting or filled; `PaperRefusal` leaves none."""
        account = self.account(request.client_id)
        instrument = self.instruments.get(request.instrument)
        if instrument is None:
            raise UnknownInstrument(f"{request.instrument} is not listed")
        if problem := rules.invalid(instrument, request.product, request.terms):
            raise InvalidTerms(problem)
        blocked, reason = self._admission(account, instrument, request)
        self.orders_created += 1
        order = PaperOrder(
            number=self.orders_created,
            request=request,
            terms=request.terms,
            created_at=at,
            updated_at=at,
        )
        account.orders[order.number] = self._orders[order.number] = order
        if reason:
            self._change(order, OrderStatus.REJECTED, at, reason)
            return order
        self._change(order, OrderStatus.ACKED, at)
        order.blocked = blocked
        account.blocked += blocked
        account.working[order.number] = order
        account.promise(order, order.remaining)
        self._working[request.instrument][order.number] = order
        self._change(order, OrderStatus.OPEN, at)
        self._match(order, at, arriving=True)
        return order

    def modify(self, client_id: str, number: int, terms: OrderTerms, at: datetime) -> PaperOrder:
        """Set absolute new terms. A refusal (`InvalidTerms`) leaves the order as it was."""
        order = self._working_order(client_id, number)
        account, request = self.account(client_id), order.request
        instrument = self.instruments[request.instrument]
        problem = rules.invalid(instrument, request.product, terms)
        if problem is None and terms.quantity <= order.filled_quantity:
            problem = f"quantity {terms.quantity} is not above the {order.filled_quantity} filled"
        if problem is None and not order.triggered:
            last_price = self.prices[request.instrument]
            problem = rules.rejected(instrument, request.side, terms, last_price)
        if problem:
            raise InvalidTerms(problem)
        self._reserve_again(account, order, terms)
        account.promise(order, terms.quantity - order.terms.quantity)
        order.terms = terms
        order.scripted = order.triggered = False
        status = OrderStatus.PARTIAL if order.filled_quantity else OrderStatus.OPEN
        self._change(order, status, at, "modified")
        self._match(order, at, arriving=True)
        return order

    def cancel(self, client_id: str, number: int, at: datetime) -> PaperOrder:
        order = self._working_order(client_id, number)
        self._end(order, OrderStatus.CANCELLED, at, "cancelled by user")
        return order

    def set_price(self, instrument: str, price: Decimal, at: datetime) -> None:
        """Move the last price; whatever it reaches or crosses fills, oldest order first."""
        listed = self.instruments.get(instrument)
        if listed is None:
            raise UnknownInstrument(f"{instrument} is not listed")
        if price <= 0 or price % listed.tick_size:
            raise InvalidTerms(f"price {price} is off the {listed.tick_size} tick")
        self.prices[instrument] = price
        for order in list(self._working[instrument].values()):
            if order.is_working:
                order.scripted = order.scripted and self._has_due_fill(order)
                self._match(order, at, arriving=False)

    def advance(self, at: datetime) -> None:
        """Carry out every scripted fill that has come due."""
        while self.next_due_at is not None and self.next_due_at <= at.timestamp():
            due = heapq.heappop(self._due)
            order = self._orders.get(due.number)
            if order is not None and order.is_working and order.scripted:
                self._fill(order, min(due.quantity, order.remaining), due.price, at)

    @property
    def next_due_at(self) -> float | None:
        return self._due[0].due_at if self._due else None

    def close_day(self, at: datetime) -> None:
        """End the trading day: orders lapse, intraday is squared off, delivery becomes holdings."""
        for account in self.accounts.values():
            for order in list(account.working.values()):
                self._end(order, OrderStatus.LAPSED, at, "the trading day ended")
            for position in list(account.positions.values()):
                name = position.instrument
                settle(account, position, self.instruments[name], self.prices[name])
            account.cash += account.realised
            account.realised = ZERO
            account.orders.clear()
            account.trades.clear()
        self._orders.clear()
        self._due.clear()

    def _admission(
        self, account: PaperAccount, instrument: PaperInstrument, request: OrderRequest
    ) -> tuple[Decimal, str | None]:
        """Return the margin to block and the reason to reject, if there is one."""
        terms, last_price = request.terms, self.prices[request.instrument]
        if reason := rules.rejected(instrument, request.side, terms, last_price):
            return ZERO, reason
        if missing := margin.missing_shares(account, request, terms.quantity):
            return ZERO, f"insufficient holdings: {missing} of {terms.quantity} shares are missing"
        price = terms.limit_price or terms.trigger_price or last_price
        blocked = margin.order_margin(account, instrument, request, terms.quantity, price)
        if blocked > account.available:
            return ZERO, (
                f"margin shortfall: {blocked:.2f} required, {account.available:.2f} available"
            )
        return blocked, None

    def _reserve_again(self, account: PaperAccount, order: PaperOrder, terms: OrderTerms) -> None:
        request, before = order.request, order.blocked
        price = terms.limit_price or terms.trigger_price or self.prices[request.instrument]
        quantity = terms.quantity - order.filled_quantity
        account.promise(order, -order.remaining)
        missing = margin.missing_shares(account, request, quantity)
        instrument = self.instruments[request.instrument]
        blocked = margin.order_margin(account, instrument, request, quantity, price)
        account.promise(order, order.remaining)
        if missing or blocked - before > account.available:
            raise InvalidTerms(f"margin shortfall: {blocked:.2f} required for the modified order")
        order.blocked = blocked
        account.blocked += blocked - before

    def _match(self, order: PaperOrder, at: datetime, *, arriving: bool) -> None:
        last_price = self.prices[order.request.instrument]
        side, terms = order.request.side, order.terms
        if not order.triggered and terms.order_type.has_trigger_price:
            if not rules.is_triggered(side, terms, last_price):
                self._lapse_if_immediate(order, at)
                return
            order.triggered = arriving = True
            self._change(order, order.status, at, "triggered")
        if not order.scripted and rules.is_marketable(side, terms, last_price):
            price = last_price if arriving or terms.limit_price is None else terms.limit_price
            self._execute(order, price, at)
        self._lapse_if_immediate(order, at)

    def _execute(self, order: PaperOrder, price: Decimal, at: datetime) -> None:
        script = next((item for item in self.fill_scripts if item.fits(order)), None)
        if script is None:
            self._fill(order, order.remaining, price, at)
            return
        script.orders -= 1
        self.fill_scripts = [item for item in self.fill_scripts if item.orders > 0]
        order.scripted = True
        lot_size = self.instruments[order.request.instrument].lot_size
        quantities = script_quantities(script, order, lot_size)
        for step, quantity in zip(script.steps, quantities, strict=True):
            if step.after_s <= 0:
                self._fill(order, quantity, price, at)
            else:
                due_at = (at + timedelta(seconds=step.after_s)).timestamp()
                heapq.heappush(self._due, DueFill(due_at, order.number, quantity, price))

    def _has_due_fill(self, order: PaperOrder) -> bool:
        return any(due.number == order.number for due in self._due)

    def _lapse_if_immediate(self, order: PaperOrder, at: datetime) -> None:
        if order.request.validity is Validity.IOC and order.is_working:
            self._end(order, OrderStatus.CANCELLED, at, "IOC: what did not fill was cancelled")

    def _fill(self, order: PaperOrder, quantity: int, price: Decimal, at: datetime) -> None:
        if quantity <= 0:
            return
        account, request = self.accounts[order.request.client_id], order.request
        released = order.blocked * quantity / order.remaining
        order.blocked -= released
        account.blocked -= released
        account.promise(order, -quantity)
        order.filled_quantity += quantity
        order.filled_value += price * quantity
        trade = PaperTrade(
            order=order, number=len(order.trades) + 1, quantity=quantity, price=price, at=at
        )
        order.trades.append(trade)
        account.trades.append(trade)
        position = account.position(request.instrument, request.product)
        account.realised += position.take(request.side, quantity, price)
        hold_margin(account, position, self.instruments[request.instrument])
        for listener in self._listeners:
            listener.traded(trade)
        if order.remaining:
            self._change(order, OrderStatus.PARTIAL, at)
        else:
            self._end(order, OrderStatus.FILLED, at, "")
        for listener in self._listeners:
            listener.position_changed(account, position)

    def _end(self, order: PaperOrder, status: OrderStatus, at: datetime, message: str) -> None:
        account = self.accounts[order.request.client_id]
        account.blocked -= order.blocked
        order.blocked = ZERO
        account.working.pop(order.number, None)
        account.promise(order, -order.remaining)
        self._working[order.request.instrument].pop(order.number, None)
        self._change(order, status, at, message)

    def _change(
        self, order: PaperOrder, status: OrderStatus, at: datetime, message: str = ""
    ) -> None:
        order.status = status
        order.updated_at = at
        order.message = message
        self._changes += 1
        order.changes.append(
            OrderChange(
                sequence=self._changes,
                at=at,
                status=status,
                terms=order.terms,
                filled_quantity=order.filled_quantity,
                filled_value=order.filled_value,
                message=message,
            )
        )
        for listener in self._listeners:
            listener.order_changed(order)

    def _working_order(self, client_id: str, number: int) -> PaperOrder:
        order = self.order(client_id, number)
        if not order.is_working:
            raise OrderIsOver(order.status)
        return order
