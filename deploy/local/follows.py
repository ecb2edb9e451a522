"""What the demo's masters offer, and by which rules each demo follower follows it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from libs.trading.sizing import SIZED_BY_MONEY

FOLLOWERS = 25
# Their places in `STRATEGIES`.
MOMENTUM, LARGE_CAPS, OPTIONS = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStrategy:
    """`master` is the number of the person whose it is; without `equity` nobody said it."""

    name: str
    master: int
    equity: str | None = None
    copy_mode: str = "ORDERS"


STRATEGIES = (
    DemoStrategy(name="Index momentum", master=1, equity="1000000"),
    DemoStrategy(name="Large caps", master=2, equity="1000000"),
    DemoStrategy(name="Options, fill by fill", master=1, copy_mode="FILLS"),
)

# The last of every twenty-five followers have rules of their own, so that a newcomer sees what
# they do: all five ways to size, and a limit each.
_RULES: dict[int, dict[str, Any]] = {
    10: {"sizing": {"mode": "FIXED_QUANTITY", "value": "5"}},
    11: {"sizing": {"mode": "FIXED_VALUE", "value": "20000"}},
    12: {"sizing": {"mode": "FUNDS_SHARE", "value": "5"}},
    13: {"sizing": {"mode": "EQUITY_PROPORTIONAL", "value": "1"}},
    14: {"sizing": {"mode": "MULTIPLIER", "value": "0.01"}},
    15: {"limits": {"order_value_max": "1000"}},
    16: {"limits": {"order_quantity_max": 3}},
    17: {"limits": {"orders_per_day_max": 1}},
    18: {"limits": {"instruments_denied": ["NSE:TCS", "NSE:RELIANCE"]}},
    19: {"limits": {"segments_denied": ["EQUITY"]}},
    20: {"limits": {"products_allowed": ["DELIVERY"]}},
    21: {"limits": {"trading_from_ist": "00:00", "trading_until_ist": "00:01"}},
    22: {"limits": {"price_distance_bps_max": 1}},
    23: {"limits": {"open_positions_max": 1}},
    24: {"limits": {"loss_per_day_max": "1000"}},
}
# Limits that ask for positions.
_COUNTED = frozenset({"open_positions_max", "loss_per_day_max"})
_ACCOUNT_LIMITS: dict[int, dict[str, Any]] = {9: {"order_value_max": "15000"}}
# Who copies options: the smallest sizes, rupees given as contracts, a size that needs the equity
# nobody said, and one who leaves out shares.
_OPTIONS: dict[int, dict[str, Any]] = {
    **{place: {} for place in range(1, 6)},
    10: {"sizing": {"mode": "FIXED_QUANTITY", "value": "500000"}},
    13: {},
    19: {"sizing": {"mode": "MULTIPLIER", "value": "1"}},
}


def follows_of(number: int) -> dict[int, dict[str, Any]]:
    """Tell by place in `STRATEGIES` what a follower follows, and by which sizing and limits.

    Everybody follows the first one, every second follower the second one too.
    """
    place = _place(number)
    # 0.25, 0.5, … 6.25: everybody's own share.
    share = {"sizing": {"mode": "MULTIPLIER", "value": str(Decimal(place) / 4)}}
    rules = share | _RULES.get(place, {})
    follows = {MOMENTUM: rules}
    if number % 2 == 0:
        follows[LARGE_CAPS] = rules
    if place in _OPTIONS:
        follows[OPTIONS] = rules | _OPTIONS[place]
    return follows


def account_limits_of(number: int) -> dict[str, Any] | None:
    """Tell what a follower limits for the whole account, None where nothing."""
    return _ACCOUNT_LIMITS.get(_place(number))


def needs_money(number: int) -> bool:
    """Tell whether a follower's rules ask for the account's money or positions."""
    return any(
        rules["sizing"]["mode"] in SIZED_BY_MONEY
        or not _COUNTED.isdisjoint(rules.get("limits", {}))
        for rules in follows_of(number).values()
    )


def _place(number: int) -> int:
    return number % FOLLOWERS or FOLLOWERS
