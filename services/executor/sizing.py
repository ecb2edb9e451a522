"""How many a follower gets of what the master traded. Pure."""

from decimal import ROUND_DOWN, Decimal

from libs.trading.follows import Sizing, SizingMode


def sized_quantity(master_quantity: int, sizing: Sizing, lot_size: int) -> int:
    """Scale to whole lots; 0 when the share is less than one lot."""
    wanted = (
        sizing.value if sizing.mode is SizingMode.FIXED_QUANTITY else master_quantity * sizing.value
    )
    # Round down: a follower may never hold more than their share.
    lots = (wanted / lot_size).to_integral_value(ROUND_DOWN)
    return int(max(lots, Decimal(0))) * lot_size
