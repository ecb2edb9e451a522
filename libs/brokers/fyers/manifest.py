"""What FYERS can do, where it is, and which factories open its doors.

Addresses, limits and products: FYERS API v3 reference (9 Jul 2026) and SDK 3.2.0, read Nov 2026.
"""

from decimal import Decimal

from libs.brokers.manifest import BrokerManifest, SegmentRules, TagRules
from libs.trading.instruments import InstrumentClass
from libs.trading.orders import OrderType, Product, Validity
from libs.trading.protection import Band, Protection

# `CNC` and `MTF` are for shares, `MARGIN` is for derivatives, `INTRADAY` for all.
_SHARES = SegmentRules(products=frozenset({Product.DELIVERY, Product.INTRADAY, Product.MTF}))
_DERIVATIVES = SegmentRules(products=frozenset({Product.INTRADAY, Product.CARRY_FORWARD}))
# The exchange takes no IOC from software since April 2026.
_COMMODITIES = SegmentRules(products=_DERIVATIVES.products, validities=frozenset({Validity.DAY}))

# What FYERS does with a market order by itself (support article on market price protection, read
# Nov 2026): the same bands, set by us, so that every follower of a signal has the same worst price.
_STOCK_FUTURES = (
    Band(rupees=Decimal("0.75"), price_max=Decimal(50)),
    Band(basis_points=150),
)
_OPTIONS = (
    Band(rupees=Decimal("1.5"), price_max=Decimal(10)),
    Band(basis_points=1500, price_max=Decimal(20)),
    Band(basis_points=1000),
)
_PROTECTION = Protection(
    order_types=frozenset({OrderType.MARKET, OrderType.STOP}),
    bands={
        InstrumentClass.INDEX_FUTURE: (
            Band(rupees=Decimal(50), price_max=Decimal(10_000)),
            Band(basis_points=50),
        ),
        InstrumentClass.STOCK_FUTURE: _STOCK_FUTURES,
        InstrumentClass.INDEX_OPTION: _OPTIONS,
        InstrumentClass.STOCK_OPTION: _OPTIONS,
        InstrumentClass.COMMODITY_FUTURE: _STOCK_FUTURES,
        InstrumentClass.COMMODITY_OPTION: _OPTIONS,
        # The article has no row for these: choices of ours.
        InstrumentClass.CASH: (Band(basis_points=100),),
        InstrumentClass.CURRENCY_FUTURE: (Band(basis_points=50),),
        InstrumentClass.CURRENCY_OPTION: (Band(basis_points=1000),),
    },
    sent_plain_without_quote=True,
)

MANIFEST = BrokerManifest(
    name="fyers",
    title="FYERS",
    live_urls={
        "api": "https://api-t1.fyers.in/api/v3",
        "data": "https://api-t1.fyers.in/data",
        "order_feed": "wss://socket.fyers.in/trade/v3",
        "instruments": "https://public.fyers.in/sym_details",
    },
    paper_paths={
        "api": "/api/v3",
        "data": "/data",
        "order_feed": "/trade/v3",
        "instruments": "/sym_details",
    },
    simulator_port=9701,
    callback_path="/broker/callback",
    open_login="login:FyersLogin",
    open_orders="orders:FyersOrders",
    open_feed="feed:FyersFeed",
    open_account="account:FyersAccount",
    open_market="market:FyersMarket",
    load_instruments="instruments:load_instruments",
    build_simulator="simulator:build_simulator",
    order_types=frozenset(OrderType),
    products=frozenset(Product),
    validities=frozenset(Validity),
    segments={
        **dict.fromkeys(("NSE", "BSE"), _SHARES),
        **dict.fromkeys(("NFO", "BFO", "CDS", "BCD"), _DERIVATIVES),
        "MCX": _COMMODITIES,
    },
    protection=_PROTECTION,
    tags=TagRules(
        pattern="[A-Za-z0-9]{1,30}", forbidden=frozenset({"Untagged"}), may_be_client_id=False
    ),
    # Not documented; well below what exchanges bear with from one order.
    modifications_per_order_max=20,
    orders_per_second_max=10,
    requests_per_minute_max=200,
    quotes_per_request_max=50,
    # The broker's own keep-alive is not documented; 50 s is below every common proxy's.
    idle_connection_s=50,
    session_ends_at_ist="06:00",
    field_encryption="fernet",
    credential_fields=("access_token", "refresh_token", "app_id", "api_secret"),
    login_reply_fields=("auth_code", "s", "code", "message"),
    login_refusal_fields=("s", "code", "message"),
    texts={
        "connected": "Successfully connected to FYERS",
        "reconnect": "Please re-connect your broker.",
    },
)
