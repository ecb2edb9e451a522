"""What of a position is ours, by ledger and by broker."""

from decimal import Decimal

from libs.trading.orders import Side, Trade
from services.executor.drift import Difference, differences


def a_trade(quantity: int, side: Side = Side.BUY, instrument: str = "NSE:SBIN") -> Trade:
    return Trade(
        trade_id="T",
        broker_order_id="B",
        instrument=instrument,
        side=side,
        quantity=quantity,
        price=Decimal(800),
    )


def test_what_the_owner_holds_and_trades_is_not_drift() -> None:
    found = differences(
        {"NSE:SBIN": 10},
        {"NSE:SBIN": 33, "NSE:INFY": 5},
        {"NSE:SBIN": 20, "NSE:INFY": 5},
        [a_trade(4), a_trade(1, Side.SELL)],
    )

    assert found == []


def test_both_figures_are_told_for_each_instrument() -> None:
    found = differences({"NSE:SBIN": 10}, {"NSE:SBIN": 7, "NSE:INFY": -2}, {}, [])

    assert found == [
        Difference(instrument="NSE:INFY", ledger=0, broker=-2),
        Difference(instrument="NSE:SBIN", ledger=10, broker=7),
    ]


def test_a_position_that_vanished_is_drift() -> None:
    assert differences({"NSE:SBIN": 10}, {}, {}, []) == [
        Difference(instrument="NSE:SBIN", ledger=10, broker=0)
    ]
