"""What trades explain of a position, and what they do not."""

from decimal import Decimal

from libs.trading.orders import Position, Product, Side, Trade
from services.executor.executions import net_of, unexplained


def a_position(quantity: int, product: Product) -> Position:
    nothing = Decimal(0)
    return Position(
        instrument="NSE:SBIN",
        product=product,
        net_quantity=quantity,
        average_price=nothing,
        last_price=nothing,
        realised=nothing,
        unrealised=nothing,
    )


def a_trade(quantity: int, side: Side) -> Trade:
    return Trade(
        trade_id="T",
        broker_order_id="B",
        instrument="NSE:SBIN",
        side=side,
        quantity=quantity,
        price=Decimal(800),
    )


def test_a_position_converted_to_another_product_is_still_the_same_quantity() -> None:
    held = [a_position(7, Product.INTRADAY), a_position(3, Product.DELIVERY)]

    assert net_of(held) == {"NSE:SBIN": 10}


def test_only_what_was_neither_traded_nor_carried_is_unexplained() -> None:
    trades = [a_trade(10, Side.BUY), a_trade(4, Side.SELL)]

    assert unexplained({"NSE:SBIN": 6}, trades, {}) == {}
    assert unexplained({"NSE:SBIN": 9}, trades, {"NSE:SBIN": 3}) == {}
    assert unexplained({"NSE:SBIN": 9}, trades, {}) == {"NSE:SBIN": 3}
    assert unexplained({}, trades, {}) == {"NSE:SBIN": -6}
    assert unexplained({}, [], {"NSE:INFY": 5}) == {"NSE:INFY": -5}
