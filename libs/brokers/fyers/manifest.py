"""What FYERS can do, where it is, and which factories open its doors.

Addresses, limits and products: FYERS API v3 reference (9 Jul 2026) and SDK 3.2.0, read Nov 2026.
"""

from libs.brokers.manifest import BrokerManifest
from libs.trading.orders import OrderType, Product, Validity

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
    exchanges=frozenset({"NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"}),
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
