"""The JSON that people send: its shape, each field judged alone, each message with the fix."""

import re
from datetime import time
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.instruments import DERIVATIVE_EXCHANGES, Segment, parse_instrument
from libs.trading.limits import Limits
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.signals import SignalAction
from services.signal.proposal import Proposal

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?")
_INSTRUMENT = re.compile(r"[A-Z0-9&._:-]{3,64}")
_QUANTITY_MAX = 1_000_000_000
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_COUNT_MAX = 10_000
_NAMES_MAX = 200


def _decimal(value: object) -> Decimal:
    """Take exact numbers only: a float has lost what was written before it arrives here."""
    if isinstance(value, float):
        raise ValueError('must be a decimal in quotes, as "812.50": a bare number loses digits')  # noqa: TRY004  # pydantic reports ValueError
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _NUMBER.fullmatch(text):
        raise ValueError('must be a decimal in quotes with up to 4 decimals, as "812.50"')
    return Decimal(f"{Decimal(text).normalize():f}")


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _QUANTITY_MAX:
        raise ValueError("must be a whole number above 0, in shares or contracts, as 10")
    return value


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise ValueError("must be a whole number of seconds, as 30")  # noqa: TRY004  # pydantic reports ValueError
    return value


def _instrument(name: str) -> str:
    if not _INSTRUMENT.fullmatch(name):
        raise ValueError("must be a name in capitals, as NSE:SBIN or NFO:NIFTY:2026-12-29:24500:CE")
    instrument = parse_instrument(name)
    if instrument.strike is not None and not (
        instrument.strike.is_finite() and instrument.strike > 0
    ):
        raise ValueError("the strike must be above 0, as NFO:NIFTY:2026-12-29:24500:CE")
    return str(instrument)


def _instruments(name: str) -> str:
    """Take an instrument, or what many are written below: an underlying, one of its expiries."""
    exchange, _, underlying = name.partition(":")
    try:
        if exchange in DERIVATIVE_EXCHANGES and underlying.count(":") < 2:
            _instrument(f"{name}:FUT" if ":" in underlying else f"{name}:2000-01-01:FUT")
            return name
        return _instrument(name)
    except ValueError as error:
        raise ValueError(
            "must be an instrument as NSE:SBIN, or an underlying as NFO:NIFTY for all that is on it"
        ) from error


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _COUNT_MAX:
        raise ValueError(f"must be a whole number from 1 to {_COUNT_MAX}, as 20")
    return value


def _rupees(value: object) -> Decimal:
    amount = _decimal(value)
    if amount <= 0:
        raise ValueError('must be rupees above 0 in quotes, as "5000.00"')
    return amount


def _time_of_day(value: object) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError('must be a time in India in quotes, as "09:30"')
    return time.fromisoformat(value)


def _text(value: str) -> str:
    """Trim, and refuse what no screen shows: control characters hide what a name says."""
    trimmed = value.strip()
    if not all(character.isprintable() or character == "\n" for character in trimmed):
        raise ValueError("must be plain text, leave out control characters")
    return trimmed


DecimalText = Annotated[
    Decimal,
    BeforeValidator(_decimal, json_schema_input_type=str),
    Field(json_schema_extra={"examples": ["812.50"]}),
]
Quantity = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int)]
Rupees = Annotated[
    Decimal,
    BeforeValidator(_rupees, json_schema_input_type=str),
    Field(json_schema_extra={"examples": ["5000.00"]}),
]
Count = Annotated[int, BeforeValidator(_count, json_schema_input_type=int)]
TimeInIndia = Annotated[
    time,
    BeforeValidator(_time_of_day, json_schema_input_type=str),
    Field(json_schema_extra={"examples": ["09:30"]}),
]
Instruments = Annotated[
    frozenset[Annotated[str, AfterValidator(_instruments)]],
    Field(max_length=_NAMES_MAX, examples=[["NSE:SBIN", "NFO:NIFTY"]]),
]
InstrumentText = Annotated[str, AfterValidator(_instrument), Field(examples=["NSE:SBIN"])]
Name = Annotated[str, AfterValidator(_text), Field(min_length=1, max_length=80)]
Description = Annotated[str, AfterValidator(_text), Field(max_length=2000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TermsBody(Body):
    order_type: OrderType
    quantity: Quantity
    limit_price: DecimalText | None = None
    trigger_price: DecimalText | None = None

    def terms(self) -> OrderTerms:
        return OrderTerms(
            order_type=self.order_type,
            quantity=self.quantity,
            limit_price=self.limit_price,
            trigger_price=self.trigger_price,
        )


class SignalBody(Body):
    """POST /signals. Which fields an action takes is judged in `proposal.check`.

    `master_price` is what the master traded at: followers' price guards compare with it.
    """

    strategy_id: UUID
    action: SignalAction
    instrument: InstrumentText | None = None
    side: Side | None = None
    product: Product | None = None
    validity: Validity | None = None
    terms: TermsBody | None = None
    parent_signal_id: UUID | None = None
    expires_in_s: Annotated[
        int | None, BeforeValidator(_seconds, json_schema_input_type=int | None)
    ] = None
    master_price: DecimalText | None = None

    def proposal(self) -> Proposal:
        return Proposal(
            strategy_id=str(self.strategy_id),
            action=self.action,
            instrument=self.instrument,
            side=self.side,
            product=self.product,
            validity=self.validity,
            terms=self.terms.terms() if self.terms else None,
            parent_signal_id=str(self.parent_signal_id) if self.parent_signal_id else None,
            expires_in_s=self.expires_in_s,
            master_price=self.master_price,
        )


class StrategyBody(Body):
    """`equity` is what the master trades the strategy with, in rupees: followers size by it."""

    name: Name
    description: Description = ""
    equity: Rupees | None = None


class StrategyChangeBody(Body):
    name: Name | None = None
    description: Description | None = None
    equity: Rupees | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "StrategyChangeBody":
        if self.name is None and self.description is None and self.equity is None:
            raise ValueError("give a new name, a new description or a new equity")
        return self


class SizingBody(Body):
    """Which values suit a mode is judged in `sizing.check_sizing`."""

    mode: SizingMode
    value: DecimalText
    when_small: WhenSmall = WhenSmall.SKIP

    def sizing(self) -> Sizing:
        return Sizing(mode=self.mode, value=self.value, when_small=self.when_small)


class LimitsBody(Body):
    """What may be copied at most. What is left out is not limited; exits and cancels never are.

    Money is in rupees, times are Indian. Shorts and after-market orders must be allowed here.
    """

    order_value_max: Rupees | None = None
    order_quantity_max: Quantity | None = None
    open_positions_max: Count | None = None
    orders_per_day_max: Count | None = None
    loss_per_day_max: Rupees | None = None
    instruments_allowed: Instruments = frozenset()
    instruments_denied: Instruments = frozenset()
    segments_allowed: frozenset[Segment] = frozenset()
    segments_denied: frozenset[Segment] = frozenset()
    products_allowed: frozenset[Product] = frozenset()
    trading_from_ist: TimeInIndia | None = None
    trading_until_ist: TimeInIndia | None = None
    price_distance_bps_max: Count | None = None
    short_allowed: Annotated[bool, Field(strict=True)] = False
    after_market_allowed: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _leaves_something(self) -> "LimitsBody":
        opens, closes = self.trading_from_ist, self.trading_until_ist
        if opens is not None and closes is not None and opens >= closes:
            raise ValueError("trading_until_ist: must be later than trading_from_ist, as 15:00")
        for what in ("instruments", "segments"):
            allowed, denied = getattr(self, f"{what}_allowed"), getattr(self, f"{what}_denied")
            both = ", ".join(sorted(str(name) for name in allowed & denied))
            if both:
                raise ValueError(f"{what}_denied: {both} is allowed too, leave it out of one")
        return self

    def limits(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in type(self).model_fields})


class FollowBody(Body):
    strategy_id: UUID
    account_id: UUID
    sizing: SizingBody
    limits: LimitsBody = LimitsBody()


class FollowChangeBody(Body):
    """`limits` stand in for all the limits there were; `{}` takes them away."""

    sizing: SizingBody | None = None
    limits: LimitsBody | None = None
    paused: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FollowChangeBody":
        if self.sizing is None and self.limits is None and self.paused is None:
            raise ValueError("give a new sizing, new limits, paused or several of them")
        return self
