"""What the REST endpoints show of an account: field names and shapes of the v3 reference."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.brokers.fyers.simulator import order_ids
from libs.brokers.fyers.simulator.catalogue import catalogue
from libs.brokers.fyers.simulator.codes import (
    PRODUCT_OF,
    SIDE_OF,
    STATUS_OF,
    TYPE_OF,
    VALIDITY_OF,
)
from libs.paper.accounts import PaperAccount, PaperHolding, PaperPosition
from libs.paper.exchange import PaperExchange
from libs.paper.orders import PaperOrder, PaperTrade
from libs.trading.calendar import IST

Payload = dict[str, Any]
UNTAGGED = "2:Untagged"


def number(value: Decimal | None) -> float:
    """Round to four decimals: averages of fills are longer, prices never are."""
    return round(float(value), 4) if value else 0.0


def book_time(at: datetime) -> str:
    return at.astimezone(IST).strftime("%d-%b-%Y %H:%M:%S")


def echoed_tag(tag: str) -> str:
    """Show a caller's tag with its prefix `1:`, FYERS's own for an order without one."""
    return f"1:{tag}" if tag else UNTAGGED


def source_of(order: PaperOrder) -> str:
    """Tell the API's orders from those of the owner's telephone."""
    return "M" if order.request.by_owner else "ITS"


def order_row(
    order: PaperOrder, row: int, *, tag: str, last_price: Decimal, change: Decimal
) -> Payload:
    """Show one order as the order book does; `tag` is what the broker has kept of the caller's."""
    request, terms = order.request, order.terms
    symbol = catalogue().by_name[request.instrument]
    order_id, status = order_ids.order_id(order), STATUS_OF[order.status]
    opened = last_price - change
    return {
        "clientId": request.client_id,
        "id": order_id,
        "id_fyers": order_ids.uuid_of(order),
        "exchOrdId": order_ids.exchange_order_id(order) if status not in {4, 5} else "",
        "qty": terms.quantity,
        "remainingQuantity": order.remaining if order.is_working else 0,
        "filledQty": order.filled_quantity,
        "discloseQty": 0,
        "disclosedQty": 0,
        "dqQtyRem": 0,
        "limitPrice": number(terms.limit_price),
        "stopPrice": number(terms.trigger_price),
        "tradedPrice": number(order.average_price),
        "type": TYPE_OF[terms.order_type],
        "fyToken": symbol.fy_token,
        "exchange": symbol.exchange,
        "segment": symbol.segment,
        "symbol": symbol.ticker,
        "instrument": symbol.instrument_type,
        "message": order.message,
        "offlineOrder": False,
        "orderDateTime": book_time(order.created_at),
        "orderValidity": VALIDITY_OF[request.validity],
        "pan": "",
        "productType": PRODUCT_OF[request.product],
        "side": SIDE_OF[request.side],
        "status": status,
        "source": source_of(order),
        "ex_sym": symbol.short_name,
        "description": symbol.description,
        "ch": number(change),
        "chp": number(change * 100 / opened),
        "lp": number(last_price),
        "slNo": row,
        "orderNumStatus": f"{order_id}:{status}",
        "orderTag": echoed_tag(tag),
    }


def trade_row(trade: PaperTrade, row: int, *, tag: str) -> Payload:
    request = trade.order.request
    symbol = catalogue().by_name[request.instrument]
    return {
        "clientId": request.client_id,
        "orderDateTime": book_time(trade.at),
        "orderNumber": order_ids.order_id(trade.order),
        "exchangeOrderNo": order_ids.exchange_order_id(trade.order),
        "exchange": symbol.exchange,
        "side": SIDE_OF[request.side],
        "segment": symbol.segment,
        "orderType": TYPE_OF[trade.order.terms.order_type],
        "fyToken": symbol.fy_token,
        "productType": PRODUCT_OF[request.product],
        "tradedQty": trade.quantity,
        "tradePrice": number(trade.price),
        "tradeValue": number(trade.value),
        "tradeNumber": order_ids.trade_number(trade),
        "row": row,
        "symbol": symbol.ticker,
        "orderTag": echoed_tag(tag),
    }


def position_row(position: PaperPosition, row: int, last_price: Decimal) -> Payload:
    symbol = catalogue().by_name[position.instrument]
    product = PRODUCT_OF[position.product]
    unrealised = position.unrealised(last_price)
    buy_average, sell_average = averages(position)
    return {
        "netQty": position.net,
        "qty": abs(position.net),
        "avgPrice": number(position.average),
        "netAvg": number(position.average),
        "side": position_side(position),
        "productType": product,
        "realized_profit": number(position.realised),
        "unrealized_profit": number(unrealised),
        "pl": number(position.realised + unrealised),
        "ltp": number(last_price),
        "buyQty": position.buy_quantity,
        "buyAvg": number(buy_average),
        "buyVal": number(position.buy_value),
        "sellQty": position.sell_quantity,
        "sellAvg": number(sell_average),
        "sellVal": number(position.sell_value),
        "slNo": row,
        "fyToken": symbol.fy_token,
        "crossCurrency": "N",
        "rbiRefRate": 1.0,
        "qtyMulti_com": 1.0,
        "segment": symbol.segment,
        "symbol": symbol.ticker,
        "id": f"{symbol.ticker}-{product}",
        "cfBuyQty": max(position.carried, 0),
        "cfSellQty": max(-position.carried, 0),
        "dayBuyQty": position.buy_quantity,
        "daySellQty": position.sell_quantity,
        "exchange": symbol.exchange,
    }


def position_side(position: PaperPosition) -> int:
    return (position.net > 0) - (position.net < 0)


def averages(position: PaperPosition) -> tuple[Decimal, Decimal]:
    """Compute what was paid and got on average today."""
    return (
        position.buy_value / (position.buy_quantity or 1),
        position.sell_value / (position.sell_quantity or 1),
    )


def positions(account: PaperAccount, exchange: PaperExchange) -> Payload:
    rows = [
        position_row(position, row, exchange.prices[position.instrument])
        for row, position in enumerate(account.positions.values(), 1)
    ]
    realised = sum(row["realized_profit"] for row in rows)
    unrealised = sum(row["unrealized_profit"] for row in rows)
    return {
        "netPositions": rows,
        "overall": {
            "count_total": len(rows),
            "count_open": sum(row["netQty"] != 0 for row in rows),
            "pl_total": round(realised + unrealised, 4),
            "pl_realized": round(realised, 4),
            "pl_unrealized": round(unrealised, 4),
        },
    }


def holding_row(holding: PaperHolding, row: int, last_price: Decimal) -> Payload:
    symbol = catalogue().by_name[holding.instrument]
    return {
        "holdingType": "HLD",
        "quantity": holding.quantity,
        "costPrice": number(holding.average),
        "marketVal": number(last_price * holding.quantity),
        "remainingQuantity": holding.quantity,
        "pl": number((last_price - holding.average) * holding.quantity),
        "ltp": number(last_price),
        "id": row,
        "fyToken": symbol.fy_token,
        "exchange": symbol.exchange,
        "symbol": symbol.ticker,
        "segment": symbol.segment,
        "isin": symbol.isin,
        "qty_t1": 0,
        "remainingPledgeQuantity": 0,
        "collateralQuantity": 0,
    }


def holdings(account: PaperAccount, exchange: PaperExchange) -> Payload:
    rows = [
        holding_row(holding, row, exchange.prices[holding.instrument])
        for row, holding in enumerate(account.holdings.values(), 1)
    ]
    invested = sum(row["costPrice"] * row["quantity"] for row in rows)
    worth = sum(row["marketVal"] for row in rows)
    return {
        "holdings": rows,
        "overall": {
            "count_total": len(rows),
            "total_investment": round(invested, 4),
            "total_current_value": round(worth, 4),
            "total_pl": round(worth - invested, 4),
            "pnl_perc": round((worth - invested) * 100 / invested, 4) if invested else 0.0,
        },
    }


def funds(account: PaperAccount) -> list[Payload]:
    """Show the ten rows of `fund_limit`; the paper account keeps all money in equity."""
    zero = Decimal(0)
    rows: Iterable[tuple[str, Decimal]] = (
        ("Total Balance", account.cash + account.realised),
        ("Utilized Amount", account.used + account.blocked),
        ("Clear Balance", account.cash),
        ("Realized Profit and Loss", account.realised),
        ("Collaterals", zero),
        ("Fund Transfer", zero),
        ("Receivables", zero),
        ("Adhoc Limit", zero),
        ("Limit at start of the day", account.cash),
        ("Available Balance", account.available),
    )
    return [
        {"id": row, "title": title, "equityAmount": number(amount), "commodityAmount": 0.0}
        for row, (title, amount) in enumerate(rows, 1)
    ]


def profile(client_id: str) -> Payload:
    """Show who the client is; personal fields are masked as FYERS masks them since Sep 2025."""
    return {
        "name": f"PAPER {client_id}",
        "display_name": None,
        "fy_id": client_id,
        "image": None,
        "email_id": f"{client_id[:2].lower()}****@paper.invalid",
        "PAN": "XXXXX0000X",
        "pin_change_date": "01-01-2026 09:00:00",
        "pwd_change_date": None,
        "mobile_number": "XXXXXX0000",
        "totp": True,
        "pwd_to_expire": 90,
        "ddpi_enabled": False,
        "mtf_enabled": False,
    }
