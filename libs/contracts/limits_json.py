"""Limits as JSON, as one column keeps them and the API shows them: only what is set."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import time
from decimal import Decimal
from enum import Enum
from typing import Any

from libs.trading.instruments import Segment
from libs.trading.limits import Limits
from libs.trading.orders import Product


def limits_json(limits: Limits) -> dict[str, Any]:
    """Write money as a decimal string, times as 09:30, sets in order."""
    return {
        item.name: _written(value)
        for item in fields(limits)
        if item.init and (value := getattr(limits, item.name)) != item.default
    }


def limits_of(known: Mapping[str, Any]) -> Limits:
    """Read limits back. Raise `ValueError` for one nobody knows: it must not go unnoticed."""
    strange = known.keys() - _READ.keys()
    if strange:
        raise ValueError(f"not a limit: {', '.join(sorted(strange))}")
    return Limits(**{name: _READ[name](value) for name, value in known.items()})


def _written(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, time):
        return value.isoformat("minutes")
    if isinstance(value, frozenset):
        return sorted(one.value if isinstance(one, Enum) else one for one in value)
    return value


def _segments(names: list[str]) -> frozenset[Segment]:
    return frozenset(Segment(name) for name in names)


_READ: dict[str, Callable[[Any], Any]] = {
    "order_value_max": Decimal,
    "order_quantity_max": int,
    "open_positions_max": int,
    "orders_per_day_max": int,
    "loss_per_day_max": Decimal,
    "instruments_allowed": frozenset,
    "instruments_denied": frozenset,
    "segments_allowed": _segments,
    "segments_denied": _segments,
    "products_allowed": lambda names: frozenset(Product(name) for name in names),
    "trading_from_ist": time.fromisoformat,
    "trading_until_ist": time.fromisoformat,
    "price_distance_bps_max": int,
    "short_allowed": bool,
    "after_market_allowed": bool,
}
