"""The JSON that people send: its shape, each field judged alone, each message with the fix."""

import re
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from libs.trading.follows import Sizing, SizingMode
from libs.trading.instruments import parse_instrument
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.signals import SignalAction
from services.signal.proposal import Proposal

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?")
_INSTRUMENT = re.compile(r"[A-Z0-9&._:-]{3,64}")
_QUANTITY_MAX = 1_000_000_000


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
    """POST /signals. Which fields an action takes is judged in `proposal.check`."""

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
        )


class StrategyBody(Body):
    name: Name
    description: Description = ""


class StrategyChangeBody(Body):
    name: Name | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "StrategyChangeBody":
        if self.name is None and self.description is None:
            raise ValueError("give a new name, a new description or both")
        return self


class SizingBody(Body):
    """Which values suit a mode is judged in `sizing.check_sizing`."""

    mode: SizingMode
    value: DecimalText

    def sizing(self) -> Sizing:
        return Sizing(mode=self.mode, value=self.value)


class FollowBody(Body):
    strategy_id: UUID
    account_id: UUID
    sizing: SizingBody


class FollowChangeBody(Body):
    sizing: SizingBody | None = None
    paused: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FollowChangeBody":
        if self.sizing is None and self.paused is None:
            raise ValueError("give a new sizing, paused or both")
        return self
