"""Ready-made trading terms: a test spells only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from libs.trading.accounts import Account, AccountKind, Environment, Regime, SessionState
from libs.trading.events import BrokerUpdate, OrderChanged, UpdateSource
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.instruments import Segment
from libs.trading.limits import Limits
from libs.trading.orders import (
    OrderIntent,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from libs.trading.signals import Signal, SignalAction, Stamps
from libs.trading.states import OrderState

NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # 12:00 in India, a Monday.


def some_terms(**changes: Any) -> OrderTerms:
    return replace(
        OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=Decimal("812.50")),
        **changes,
    )


def a_signal(**changes: Any) -> Signal:
    signal = Signal(
        signal_id="0193a000-0000-7000-8000-000000000001",
        master_id="master-1",
        strategy_id="strategy-1",
        seq=1,
        action=SignalAction.PLACE,
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        validity=Validity.DAY,
        terms=some_terms(),
        expires_at=NOON + timedelta(seconds=30),
        stamps=Stamps(accepted_at=NOON),
    )
    return replace(signal, **changes)


def a_follow(**changes: Any) -> Follow:
    follow = Follow(
        follow_id="follow-1",
        strategy_id="strategy-1",
        master_id="master-1",
        user_id="user-1",
        account_id="account-1",
        broker="fyers",
        sizing=Sizing(mode=SizingMode.MULTIPLIER, value=Decimal(1)),
        from_seq=0,
        version=1,
    )
    return replace(follow, **changes)


def every_limit(**changes: Any) -> Limits:
    limits = Limits(
        order_value_max=Decimal("50000.5"),
        order_quantity_max=100,
        open_positions_max=3,
        orders_per_day_max=20,
        loss_per_day_max=Decimal(2000),
        instruments_allowed=frozenset({"NSE:SBIN", "NFO:NIFTY"}),
        instruments_denied=frozenset({"NSE:YESBANK"}),
        segments_allowed=frozenset({Segment.EQUITY, Segment.OPTIONS}),
        segments_denied=frozenset({Segment.COMMODITY}),
        products_allowed=frozenset({Product.INTRADAY, Product.DELIVERY}),
        trading_from_ist=time(9, 30),
        trading_until_ist=time(15, 0),
        price_distance_bps_max=50,
        short_allowed=True,
        after_market_allowed=True,
    )
    return replace(limits, **changes)


def an_account(**changes: Any) -> Account:
    account = Account(
        account_id="account-1",
        user_id="user-1",
        broker="fyers",
        kind=AccountKind.CLIENT,
        version=1,
        session_state=SessionState.CONNECTED,
        environment=Environment.PAPER,
        regime=Regime.PAPER,
        broker_client_id="XB00001",
        session_expires_at=NOON + timedelta(hours=12),
    )
    return replace(account, **changes)


def an_intent(**changes: Any) -> OrderIntent:
    intent = OrderIntent(
        client_order_id="k3v9q0m2x7b1a4z",
        account_id="account-1",
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        validity=Validity.DAY,
        terms=some_terms(),
    )
    return replace(intent, **changes)


def a_report(**changes: Any) -> OrderReport:
    report = OrderReport(
        status=OrderStatus.OPEN,
        broker_order_id="26112300000001",
        client_order_id="k3v9q0m2x7b1a4z",
    )
    return replace(report, **changes)


def a_broker_update(**changes: Any) -> BrokerUpdate:
    update = BrokerUpdate(
        account_id="account-1",
        broker="fyers",
        source=UpdateSource.FEED,
        received_at=NOON,
        report=a_report(),
    )
    return replace(update, **changes)


def an_order_changed(**changes: Any) -> OrderChanged:
    changed = OrderChanged(
        order_id="0193a000-0000-7000-8000-00000000000a",
        version=1,
        change_id=7,
        at=NOON,
        state=OrderState.PLANNED,
        signal_id="0193a000-0000-7000-8000-000000000001",
        strategy_id="strategy-1",
        follow_id="follow-1",
        master_id="master-1",
        user_id="user-1",
        account_id="account-1",
        broker="fyers",
        client_order_id="k3v9q0m2x7b1a4z",
        instrument="NSE:SBIN",
        side=Side.BUY,
        product=Product.INTRADAY,
        terms=some_terms(),
        planned_at=NOON,
        accepted_at=NOON,
    )
    return replace(changed, **changes)
