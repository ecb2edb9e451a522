"""Single values of the FYERS wire: numbers without rounding, Indian clock times, tags, codes.

FYERS API v3 reference, appendix (enumerations) and order book.
"""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from libs.brokers.errors import AnswerUnreadable
from libs.trading.calendar import IST
from libs.trading.orders import OrderType, Product, Side, Validity

SIDES: Mapping[Side, int] = {Side.BUY: 1, Side.SELL: -1}
ORDER_TYPES: Mapping[OrderType, int] = {
    OrderType.LIMIT: 1,
    OrderType.MARKET: 2,
    OrderType.STOP: 3,
    OrderType.STOP_LIMIT: 4,
}
PRODUCTS: Mapping[Product, str] = {
    Product.DELIVERY: "CNC",
    Product.INTRADAY: "INTRADAY",
    Product.CARRY_FORWARD: "MARGIN",
    Product.MTF: "MTF",
}
VALIDITIES: Mapping[Validity, str] = {Validity.DAY: "DAY", Validity.IOC: "IOC"}

SIDE_OF: Mapping[object, Side] = {code: side for side, code in SIDES.items()}
VALIDITY_OF: Mapping[object, Validity] = {code: validity for validity, code in VALIDITIES.items()}
ORDER_TYPE_OF: Mapping[object, OrderType] = {
    code: order_type for order_type, code in ORDER_TYPES.items()
}
# Cover and bracket orders are intraday; only other platforms' orders can still be of these kinds.
PRODUCT_OF: Mapping[object, Product] = {
    **{code: product for product, code in PRODUCTS.items()},
    "CO": Product.INTRADAY,
    "BO": Product.INTRADAY,
}

_Meaning = TypeVar("_Meaning")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def meaning_of(table: Mapping[object, _Meaning], code: object) -> _Meaning | None:
    """Look a code up; None for one that is not in the table, or is no code at all."""
    return table.get(code) if isinstance(code, Hashable) else None


def decimal_of(value: object) -> Decimal:
    """Read a number of a JSON answer exactly: 812.5 is 812.5. Absent is 0.

    The shortest text that makes the same float is what the broker wrote, up to 15 digits.
    """
    if value is None or value == "":
        return Decimal(0)
    try:
        number = Decimal(value if isinstance(value, str) else repr(value))
    except InvalidOperation as error:
        raise AnswerUnreadable(f"{value!r} is not a number") from error
    if not number.is_finite() or isinstance(value, bool):
        raise AnswerUnreadable(f"{value!r} is not a number")
    return number


def whole_of(value: object) -> int:
    """Read a quantity. Raise `OutcomeUnknown` for a fraction: half a share is a misreading."""
    number = decimal_of(value)
    if number != number.to_integral_value():
        raise AnswerUnreadable(f"{value!r} is not a whole quantity")
    return int(number)


def price_of(value: object) -> Decimal | None:
    """Read a price; 0 or absent is no price."""
    return decimal_of(value) or None


def text_of(value: object) -> str | None:
    """Read an id: a string or a number; empty, 0 and "NA" are none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return None if value in ("", "0", 0, "NA") else str(value)


def tag_of(value: object) -> str | None:
    """Read an order tag. `1:` stands before a caller's tag, `2:` before the broker's own."""
    owner, colon, tag = str(value or "").rpartition(":")
    if (colon and owner != "1") or tag in {"", "Untagged"}:
        return None
    return tag


def instant_of(epoch: object, text: object) -> datetime | None:
    """Read when something was: epoch seconds if given, else `DD-Mon-YYYY HH:MM:SS` in India."""
    try:
        if isinstance(epoch, int) and epoch:
            return datetime.fromtimestamp(epoch, UTC)
        day, clock = str(text or "").split(" ")
        day_of_month, month, year = day.split("-")
        hour, minute, second = (int(part) for part in clock.split(":"))
        month_number = int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1
        at = datetime(int(year), month_number, int(day_of_month), hour, minute, second, tzinfo=IST)
    except (ValueError, OverflowError, OSError):
        return None
    return at.astimezone(UTC)
