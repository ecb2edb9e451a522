"""Sizes of followers, as libs/trading/sizing.py works them out."""

from libs.trading.sizing import sized_quantity

__all__ = ["sized_quantity"]
