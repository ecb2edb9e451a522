"""FYERS payloads to trading terms and back. Pure: no file here opens a connection."""

from libs.brokers.fyers.wire.account import (
    read_funds,
    read_holdings,
    read_positions,
    read_profile,
    read_trades,
)
from libs.brokers.fyers.wire.feed import (
    PING,
    PONG,
    SUBSCRIBE,
    opens_feed,
    order_of,
    read_message,
)
from libs.brokers.fyers.wire.market import depth_query, quotes_query, read_depth, read_quotes
from libs.brokers.fyers.wire.orders import (
    cancel_payload,
    modify_payload,
    order_id_query,
    order_in_book,
    order_tag_query,
    place_payload,
)
from libs.brokers.fyers.wire.replies import (
    AlreadyOver,
    read_listed,
    read_login,
    read_order_reply,
    read_payload,
    read_rows,
)
from libs.brokers.fyers.wire.session import COMMON_HEADERS, authorization, authorization_of

__all__ = [
    "COMMON_HEADERS",
    "PING",
    "PONG",
    "SUBSCRIBE",
    "AlreadyOver",
    "authorization",
    "authorization_of",
    "cancel_payload",
    "depth_query",
    "modify_payload",
    "opens_feed",
    "order_id_query",
    "order_in_book",
    "order_of",
    "order_tag_query",
    "place_payload",
    "quotes_query",
    "read_depth",
    "read_funds",
    "read_holdings",
    "read_listed",
    "read_login",
    "read_message",
    "read_order_reply",
    "read_payload",
    "read_positions",
    "read_profile",
    "read_quotes",
    "read_rows",
    "read_trades",
]
