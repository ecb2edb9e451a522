"""Fill scripts: how the next orders are filled when a test wants more than all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from libs.paper.orders import PaperOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class FillStep:
    """Fill `percent` of the order's quantity `after_s` seconds after it became marketable."""

    percent: int
    after_s: float = 0


@dataclass(slots=True, kw_only=True)
class FillScript:
    """Steps for the next `orders` orders that become marketable; None in a filter means any.

    What the steps leave open rests until the instrument's price is set again.
    """

    steps: Sequence[FillStep]
    orders: int = 1
    client_id: str | None = None
    instrument: str | None = None

    def fits(self, order: PaperOrder) -> bool:
        return (
            self.orders > 0
            and self.client_id in {None, order.request.client_id}
            and self.instrument in {None, order.request.instrument}
        )


@dataclass(frozen=True, slots=True, order=True)
class DueFill:
    """A later step of a script, in the order they come due."""

    due_at: float
    number: int
    quantity: int
    price: Decimal


def script_quantities(script: FillScript, order: PaperOrder, lot_size: int) -> list[int]:
    """Turn percents into whole lots; the steps together never exceed what remains."""
    left, total, quantities = order.remaining, 0, []
    for step in script.steps:
        total += step.percent
        lots = order.terms.quantity * step.percent // (100 * lot_size)
        quantity = left if total >= 100 else min(left, max(lots, 1) * lot_size)
        quantities.append(quantity)
        left -= quantity
    return quantities
