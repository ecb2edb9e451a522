"""A small paper market for tests: one exchange, an account, requests with few words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from libs.paper.accounts import PaperAccount, PaperPosition
from libs.paper.exchange import PaperExchange
from libs.paper.orders import OrderRequest, PaperOrder, PaperTrade
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity

NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
SBIN = "NSE:SBIN"  # Opens at 812.50, tick 0.05, circuit 650.00 to 975.00.
FUTURE = "NFO:NIFTY:2026-12-29:FUT"
CALL = "NFO:NIFTY:2026-12-29:24500:CE"
CLIENT = "XB00001"


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def an_exchange(funds: str = "1000000") -> PaperExchange:
    exchange = PaperExchange()
    exchange.open_account(CLIENT, Decimal(funds))
    return exchange


def terms(quantity: int = 10, limit: str | None = None, trigger: str | None = None) -> OrderTerms:
    """Guess the order type from the prices that are given."""
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    return OrderTerms(
        order_type=kinds[limit is not None, trigger is not None],
        quantity=quantity,
        limit_price=Decimal(limit) if limit else None,
        trigger_price=Decimal(trigger) if trigger else None,
    )


def a_request(
    asked: OrderTerms | None = None,
    *,
    instrument: str = SBIN,
    side: Side = Side.BUY,
    product: Product = Product.INTRADAY,
    validity: Validity = Validity.DAY,
    client_id: str = CLIENT,
) -> OrderRequest:
    return OrderRequest(
        client_id=client_id,
        instrument=instrument,
        side=side,
        product=product,
        validity=validity,
        terms=asked or terms(),
        tag="k3v9q0m2x7b1a4z",
    )


class Ear:
    """Writes down what the exchange tells, as short words."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def order_changed(self, order: PaperOrder) -> None:
        self.heard.append(f"{order.status} {order.filled_quantity}")

    def traded(self, trade: PaperTrade) -> None:
        self.heard.append(f"trade {trade.number}: {trade.quantity} at {trade.price}")

    def position_changed(self, account: PaperAccount, position: PaperPosition) -> None:
        self.heard.append(f"position {position.net} of {account.client_id}")
