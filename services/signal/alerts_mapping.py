"""A master's mapping: which field or constant of an alert gives each part of a signal. Pure."""

import re
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from libs.contracts.fields import Body, InstrumentText
from libs.runtime.problems import problem_of
from libs.trading.orders import OrderType, Product, Side, Validity
from libs.trading.signals import SignalAction
from services.signal.alerts import AlertRefused, Entry, quoted
from services.signal.alerts_symbols import canonical
from services.signal.bodies import SignalBody
from services.signal.lifetime import lifetime_problem
from services.signal.proposal import Proposal

_WORDS_MAX = 30
_SYMBOLS_MAX = 500
_WHOLE = re.compile(r"([0-9]{1,10})(\.0+)?")
_FIELD = re.compile(r"[\w .-]{1,64}")
# An alert does not know the signal that a change would refer to.
_ACTIONS = (SignalAction.PLACE, SignalAction.EXIT)
_CHOICES: dict[str, tuple[StrEnum, ...]] = {
    "action": _ACTIONS,
    "side": tuple(Side),
    "product": tuple(Product),
    "order_type": tuple(OrderType),
    "validity": tuple(Validity),
}


def _field_name(text: str) -> str:
    if not _FIELD.fullmatch(text):
        raise ValueError("must be the name of a field of the alert, as order.action")
    return text


def _plain(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of text")
    return text.strip()


def _upper(text: str) -> str:
    return _plain(text).upper()


Text = Annotated[str, AfterValidator(_plain), Field(max_length=64)]
Upper = Annotated[str, AfterValidator(_upper), Field(max_length=64)]


class SourceBody(Body):
    """Where a value comes from: a field of the alert, or always the same.

    `words` translates what the alert says, in any case: {"flat": "EXIT", "long": "PLACE"}.
    """

    field: Annotated[str, AfterValidator(_field_name)] | None = None
    constant: Text | None = None
    words: dict[Upper, Text] = Field(default_factory=dict, max_length=_WORDS_MAX)

    @model_validator(mode="after")
    def _one_of_both(self) -> "SourceBody":
        if (self.field is None) == (self.constant is None):
            raise ValueError("give either a field or a constant")
        if self.constant is not None and self.words:
            raise ValueError("words: a constant needs none, leave them out")
        return self

    def value(self, name: str, entry: Entry) -> str:
        """Find the value in an alert. Raise `AlertRefused` when it is not there."""
        if self.field is None:
            return self.constant or ""
        said = entry.get(self.field)
        if not said:
            raise AlertRefused(f"{name}: the alert has no field {self.field!r} with a value")
        return self.words.get(said.upper(), said)


PLACED = SourceBody(constant=SignalAction.PLACE.value)
AT_MARKET = SourceBody(constant=OrderType.MARKET.value)


class MappingBody(Body):
    """How alerts become signals. An alert may enter (PLACE) and leave (EXIT), never change."""

    action: SourceBody = PLACED
    instrument: SourceBody
    exchange: SourceBody | None = None
    symbols: dict[Upper, InstrumentText] = Field(default_factory=dict, max_length=_SYMBOLS_MAX)
    side: SourceBody
    product: SourceBody
    order_type: SourceBody = AT_MARKET
    quantity: SourceBody
    held_quantity: SourceBody | None = None
    limit_price: SourceBody | None = None
    trigger_price: SourceBody | None = None
    validity: SourceBody | None = None
    alerted_at: SourceBody | None = None
    expires_in_s: Annotated[int, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "MappingBody":
        problem = lifetime_problem(SignalAction.PLACE, self.expires_in_s)
        if problem:
            raise ValueError(f"expires_in_s: {problem}")
        if self.held_quantity and self.held_quantity.field is None:
            raise ValueError("held_quantity: must be a field, it changes with every exit")
        if self.alerted_at and self.alerted_at.field is None:
            raise ValueError("alerted_at: must be a field, the same moment for ever is none")
        try:
            self._judge_constants()
        except AlertRefused as error:
            raise ValueError(str(error)) from error
        return self

    def proposal(self, strategy_id: str, entry: Entry, *, at: datetime | None) -> Proposal:
        """Make one entry of an alert a proposal. Raise `AlertRefused`."""
        action, order_type = self._choice("action", entry), self._choice("order_type", entry)
        body = {
            "strategy_id": strategy_id,
            "action": action,
            "instrument": self._instrument(entry),
            "side": self._choice("side", entry),
            "product": self._choice("product", entry),
            "validity": self._choice("validity", entry) if self.validity else None,
            "terms": {"order_type": order_type, **self._amounts(OrderType(order_type), entry)},
            # A way out has its own, longer time.
            "expires_in_s": self.expires_in_s if action == SignalAction.PLACE else None,
        }
        if action == SignalAction.EXIT and self.held_quantity:
            held = self.held_quantity.value("held_quantity", entry)
            body["held_quantity"] = _quantity("held_quantity", held)
        try:
            proposal = SignalBody.model_validate(body).proposal()
        except ValidationError as error:
            raise AlertRefused(problem_of(error.errors()[0])["message"]) from error
        return replace(proposal, broker_event_at=at)

    def _instrument(self, entry: Entry) -> str:
        exchange = self.exchange.value("exchange", entry).upper() if self.exchange else None
        symbol = self.instrument.value("instrument", entry)
        return canonical(symbol, exchange, self.symbols)

    def _amounts(self, order_type: OrderType, entry: Entry) -> dict[str, object]:
        """Read quantity and the prices this type of order has; an alert may carry more."""
        amounts: dict[str, object] = {
            "quantity": _quantity("quantity", self.quantity.value("quantity", entry))
        }
        prices = (
            ("limit_price", order_type.has_limit_price, self.limit_price),
            ("trigger_price", order_type.has_trigger_price, self.trigger_price),
        )
        for name, wanted, source in prices:
            if wanted and source is None:
                raise AlertRefused(f"{name}: a {order_type} order needs one, the mapping has none")
            if wanted and source is not None:
                amounts[name] = source.value(name, entry)
        return amounts

    def _choice(self, name: str, entry: Entry) -> str:
        source: SourceBody = getattr(self, name)
        return _chosen(name, source.value(name, entry))

    def _judge_constants(self) -> None:
        """Judge now what no alert will change any more."""
        for name in _CHOICES:
            source: SourceBody | None = getattr(self, name)
            if source is not None:
                for word in (*source.words.values(), *filter(None, [source.constant])):
                    _chosen(name, word)
        if self.quantity.field is None:
            _quantity("quantity", self.quantity.value("quantity", {}))
        sources = (self.instrument, self.exchange)
        if all(source is None or source.field is None for source in sources):
            self._instrument({})


def _chosen(name: str, said: str) -> str:
    word = said.upper().replace("-", "_").replace(" ", "_")
    if word not in _CHOICES[name]:
        raise AlertRefused(
            f"{name}: {quoted(said)} is none of {', '.join(_CHOICES[name])}: translate it in the "
            "mapping's words"
        )
    return word


def _quantity(name: str, text: str) -> int:
    whole = _WHOLE.fullmatch(text)
    if whole is None or int(whole[1]) == 0:
        raise AlertRefused(
            f"{name}: {quoted(text)} is no whole number above 0, in shares or contracts"
        )
    return int(whole[1])
