"""What people write in JSON, each value judged alone, each message with the fix."""

import re
from datetime import time
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from libs.trading.instruments import DERIVATIVE_EXCHANGES, parse_instrument

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
InstrumentNames = Annotated[
    frozenset[Annotated[str, AfterValidator(_instruments)]],
    Field(max_length=_NAMES_MAX, examples=[["NSE:SBIN", "NFO:NIFTY"]]),
]
InstrumentText = Annotated[str, AfterValidator(_instrument), Field(examples=["NSE:SBIN"])]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
