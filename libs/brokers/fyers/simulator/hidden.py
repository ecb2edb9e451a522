"""Orders the visibility knob keeps out of book and feed for a while. A restart shows them all."""

from dataclasses import dataclass, field
from datetime import timedelta

from libs.paper.orders import PaperOrder
from libs.paper.server.desk import Clock


@dataclass(slots=True)
class HiddenOrders:
    clock: Clock
    _until: dict[int, float] = field(default_factory=dict)

    def hide(self, order: PaperOrder, lag_s: float) -> None:
        until = order.created_at + timedelta(seconds=lag_s)
        self._until[order.number] = until.timestamp()

    def is_hidden(self, order: PaperOrder) -> bool:
        return bool(self._until) and self.left_s(order) > 0

    def left_s(self, order: PaperOrder) -> float:
        """Tell how long the order stays hidden, 0 when it is not."""
        until = self._until.get(order.number)
        if until is None:
            return 0
        left = until - self.clock().timestamp()
        if left <= 0:
            del self._until[order.number]
        return max(left, 0)

    def clear(self) -> None:
        self._until.clear()
