"""What the exchange tells those who listen."""

from typing import Protocol

from libs.paper.accounts import PaperAccount, PaperPosition
from libs.paper.orders import PaperOrder, PaperTrade


class ExchangeListener(Protocol):
    """Called in the middle of a change, in the order things happen.

    The objects live on and change: read what is needed at once, keep no reference for later.
    """

    def order_changed(self, order: PaperOrder) -> None: ...

    def traded(self, trade: PaperTrade) -> None: ...

    def position_changed(self, account: PaperAccount, position: PaperPosition) -> None: ...
