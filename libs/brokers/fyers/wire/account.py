"""Profile, funds, positions, trades and holdings on the FYERS wire (API v3 reference, user)."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from libs.brokers.errors import AnswerUnreadable
from libs.brokers.fyers.wire.values import (
    PRODUCT_OF,
    SIDE_OF,
    decimal_of,
    instant_of,
    meaning_of,
    tag_of,
    text_of,
    whole_of,
)
from libs.trading.orders import Funds, Holding, Position, Profile, Trade

NameOf = Callable[[str], str | None]

# Rows of the funds answer, by id.
_TOTAL, _USED, _AVAILABLE = 1, 2, 10


def read_profile(payload: Mapping[str, Any]) -> Profile:
    data = payload.get("data")
    client_id = text_of(data.get("fy_id")) if isinstance(data, dict) else None
    if not isinstance(data, dict) or client_id is None:
        raise AnswerUnreadable("a profile without fy_id")
    return Profile(
        broker_client_id=client_id, name=str(data.get("display_name") or data.get("name") or "")
    )


def read_funds(rows: Sequence[Mapping[str, Any]]) -> Funds:
    by_id = {whole_of(row.get("id")): row for row in rows}
    if _AVAILABLE not in by_id:
        raise AnswerUnreadable("funds without the available balance")

    def amount(row_id: int, segment: str) -> Decimal:
        return decimal_of(by_id.get(row_id, {}).get(f"{segment}Amount"))

    return Funds(
        available=amount(_AVAILABLE, "equity"),
        total=amount(_TOTAL, "equity"),
        used=amount(_USED, "equity"),
        commodity_available=amount(_AVAILABLE, "commodity"),
    )


def read_positions(rows: Sequence[Mapping[str, Any]], name_of: NameOf) -> list[Position]:
    return [_position(row, name_of) for row in rows]


def read_holdings(rows: Sequence[Mapping[str, Any]], name_of: NameOf) -> list[Holding]:
    return [
        Holding(
            instrument=_name(row, name_of),
            quantity=whole_of(row.get("quantity")),
            average_price=decimal_of(row.get("costPrice")),
            last_price=decimal_of(row.get("ltp")),
        )
        for row in rows
    ]


def read_trades(rows: Sequence[Mapping[str, Any]], name_of: NameOf) -> list[Trade]:
    return [_trade(row, name_of) for row in rows]


def _trade(row: Mapping[str, Any], name_of: NameOf) -> Trade:
    side = meaning_of(SIDE_OF, row.get("side"))
    trade_id, order_id = text_of(row.get("tradeNumber")), text_of(row.get("orderNumber"))
    if side is None or trade_id is None or order_id is None:
        raise AnswerUnreadable("a trade without its number, its order or its side")
    return Trade(
        trade_id=trade_id,
        broker_order_id=order_id,
        client_order_id=tag_of(row.get("orderTag")),
        instrument=_name(row, name_of),
        side=side,
        quantity=whole_of(row.get("tradedQty")),
        price=decimal_of(row.get("tradePrice")),
        at=instant_of(None, row.get("orderDateTime")),
    )


def _position(row: Mapping[str, Any], name_of: NameOf) -> Position:
    product = meaning_of(PRODUCT_OF, row.get("productType"))
    if product is None:
        raise AnswerUnreadable(f"a position of product {row.get('productType')!r}")
    # `side` is 1 long, -1 short, 0 closed; whether netQty has a sign is not written anywhere.
    net_quantity, side = whole_of(row.get("netQty")), whole_of(row.get("side"))
    return Position(
        instrument=_name(row, name_of),
        product=product,
        net_quantity=abs(net_quantity) * side if side else net_quantity,
        average_price=decimal_of(row.get("netAvg")),
        last_price=decimal_of(row.get("ltp")),
        realised=decimal_of(row.get("realized_profit")),
        unrealised=decimal_of(row.get("unrealized_profit")),
    )


def _name(row: Mapping[str, Any], name_of: NameOf) -> str:
    """Name it our way, else keep the broker's spelling: what is owned is never left out."""
    symbol = str(row.get("symbol", ""))
    return name_of(symbol) or symbol
