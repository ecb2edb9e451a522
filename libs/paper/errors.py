"""Everything the paper exchange refuses without creating or changing an order.

PaperRefusal
+- UnknownAccount      no such client
+- UnknownInstrument   not listed here
+- UnknownOrder        no such order in this account's book of today
+- InvalidTerms        the request contradicts itself or the instrument's lot and tick
+- OrderIsOver         filled, cancelled, rejected or lapsed: nothing left to change
"""

from libs.trading.orders import OrderStatus


class PaperRefusal(Exception):
    """The exchange did nothing; the message says why."""


class UnknownAccount(PaperRefusal):
    """No such client."""


class UnknownInstrument(PaperRefusal):
    """Not listed here."""


class UnknownOrder(PaperRefusal):
    """No such order in this account's book of today."""


class InvalidTerms(PaperRefusal):
    """The request contradicts itself or the instrument's lot and tick."""


class OrderIsOver(PaperRefusal):
    """Nothing is left of the order to modify or cancel; `status` says how it ended."""

    def __init__(self, status: OrderStatus) -> None:
        """Keep how the order ended."""
        super().__init__(f"the order is already {status.lower()}")
        self.status = status
