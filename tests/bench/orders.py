"""The requests that floors and baselines send: the same head and body as the product's adapter."""

import secrets
from collections.abc import Sequence
from decimal import Decimal

from libs.brokers.fyers import wire
from libs.trading.orders import OrderIntent, OrderTerms, OrderType, Product, Side, Validity

INSTRUMENT = "NSE:SBIN"
PRICE = Decimal("812.50")
QUANTITY = 10
PATH = "/api/v3/orders/sync"
APP_ID = "LOCKSTEP01-100"
# As long as a broker's signed token.
_TOKEN_CHARACTERS = 300
_TAG_HERE = b"@@@@@"


def access_token(account_id: str) -> str:
    """Make the session of one account; the bare broker reads the account off its beginning."""
    return account_id.replace("-", "").ljust(_TOKEN_CHARACTERS, "x")


def tags(n: int) -> list[str]:
    """Make tags in bulk. The capital tells them from the product's, which are [a-z0-9]."""
    words = secrets.token_hex(7 * n)
    return [f"F{words[14 * at : 14 * at + 14]}" for at in range(n)]


def bodies(order_tags: Sequence[str]) -> list[bytes]:
    """Write what differs into a body made once: nothing can be barer."""
    before, after = _template()
    return [before + tag.encode() + after for tag in order_tags]


def heads(account_ids: Sequence[str]) -> list[dict[str, str]]:
    """Build the headers per account, once: a floor prepares what does not change."""
    return [
        {**wire.COMMON_HEADERS, **wire.authorization(APP_ID, access_token(account_id))}
        for account_id in account_ids
    ]


def _template() -> tuple[bytes, bytes]:
    intent = OrderIntent(
        client_order_id=_TAG_HERE.decode(),
        account_id="",
        instrument=INSTRUMENT,
        side=Side.BUY,
        product=Product.INTRADAY,
        validity=Validity.DAY,
        terms=OrderTerms(order_type=OrderType.LIMIT, quantity=QUANTITY, limit_price=PRICE),
    )
    before, _, after = wire.place_payload(intent, "NSE:SBIN-EQ").partition(_TAG_HERE)
    return before, after
