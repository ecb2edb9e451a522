"""Profile, funds, positions, trades and holdings, exact to the paisa."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from libs.brokers.errors import OutcomeUnknown
from libs.brokers.fyers import wire
from libs.trading.orders import Funds, Holding, Position, Product, Profile, Side, Trade
from tests.unit.libs.brokers.fyers.payloads import payload

NAMES = {"NSE:SBIN-EQ": "NSE:SBIN"}


def test_profile_is_read() -> None:
    data = {"fy_id": "XB00001", "name": "A FOLLOWER", "display_name": None, "PAN": "****"}

    assert wire.read_profile({"data": data}) == Profile(
        broker_client_id="XB00001", name="A FOLLOWER"
    )


@pytest.mark.parametrize("data", [None, [], {}, {"fy_id": ""}, {"name": "A FOLLOWER"}])
def test_profile_without_a_client_id_is_no_profile(data: object) -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_profile({"data": data})


def test_funds_are_read() -> None:
    assert wire.read_funds(payload("funds")["fund_limit"]) == Funds(
        available=Decimal("100000.5"),
        total=Decimal("125000.75"),
        used=Decimal("25000.25"),
        commodity_available=Decimal("0.1"),
    )


def test_funds_without_the_available_balance_are_no_funds() -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_funds([])


def test_positions_are_signed_and_none_is_left_out() -> None:
    positions = wire.read_positions(payload("positions")["netPositions"], NAMES.get)

    assert positions[0] == Position(
        instrument="NSE:SBIN",
        product=Product.INTRADAY,
        net_quantity=-10,
        average_price=Decimal("812.5"),
        last_price=Decimal("814.05"),
        realised=Decimal(0),
        unrealised=Decimal("-15.5"),
    )
    assert (positions[1].instrument, positions[1].net_quantity) == ("NSE:NOWHERE-EQ", 5)
    assert (positions[2].product, positions[2].net_quantity) == (Product.INTRADAY, 0)


@pytest.mark.parametrize(
    ("net_quantity", "side", "expected"),
    [(10, -1, -10), (-10, -1, -10), (10, None, 10), (-3, 0, -3)],
)
def test_short_position_is_negative_however_it_is_written(
    net_quantity: int, side: int | None, expected: int
) -> None:
    row = payload("positions")["netPositions"][0] | {"netQty": net_quantity, "side": side}

    assert wire.read_positions([row], NAMES.get)[0].net_quantity == expected


# A row of the reference, its personal fields left out.
TRADE = {
    "orderDateTime": "07-Aug-2020 13:51:12",
    "orderNumber": "120080789075",
    "exchangeOrderNo": "1200000009204725",
    "exchange": 10,
    "side": 1,
    "segment": 10,
    "orderType": 2,
    "productType": "INTRADAY",
    "tradedQty": 10,
    "tradePrice": 812.55,
    "tradeNumber": "52605023",
    "symbol": "NSE:SBIN-EQ",
    "orderTag": "1:k3v9q0m2x7b1a4z",
}


def test_trades_are_read() -> None:
    assert wire.read_trades([TRADE], NAMES.get) == [
        Trade(
            trade_id="52605023",
            broker_order_id="120080789075",
            instrument="NSE:SBIN",
            side=Side.BUY,
            quantity=10,
            price=Decimal("812.55"),
            client_order_id="k3v9q0m2x7b1a4z",
            at=datetime(2020, 8, 7, 8, 21, 12, tzinfo=UTC),
        )
    ]


def test_trade_of_a_foreign_instrument_is_kept_under_the_brokers_name() -> None:
    [trade] = wire.read_trades([TRADE | {"symbol": "NSE:NOWHERE-EQ", "side": -1}], NAMES.get)

    assert (trade.instrument, trade.signed_quantity) == ("NSE:NOWHERE-EQ", -10)


@pytest.mark.parametrize("gap", [{"side": 9}, {"orderNumber": ""}, {"tradeNumber": None}])
def test_trade_that_cannot_be_told_apart_is_no_trade(gap: dict[str, object]) -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_trades([TRADE | gap], NAMES.get)


def test_holdings_are_read() -> None:
    row = {"symbol": "NSE:SBIN-EQ", "quantity": 3, "costPrice": 800.15, "ltp": 812.5, "id": 1}

    assert wire.read_holdings([row], NAMES.get) == [
        Holding(
            instrument="NSE:SBIN",
            quantity=3,
            average_price=Decimal("800.15"),
            last_price=Decimal("812.5"),
        )
    ]
