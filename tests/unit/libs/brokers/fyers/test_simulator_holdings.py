"""What of a delivery can still be closed, as the account door reads it: over the nights too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.brokers.fyers import wire
from libs.brokers.fyers.instruments import load_instruments
from libs.brokers.fyers.manifest import MANIFEST
from libs.trading.accounts import Environment
from libs.trading.orders import Product
from tests.unit.libs.brokers.fyers.paper_fyers import MARKET_BUY, PaperFyers, a_paper_fyers

DELIVERY = MARKET_BUY | {"productType": "CNC"}
NAMES = load_instruments(MANIFEST.addresses(Environment.PAPER, None))


@pytest.fixture
async def paper(tmp_path: Path) -> AsyncIterator[PaperFyers]:
    async with a_paper_fyers(tmp_path) as paper:
        yield paper


async def closable(paper: PaperFyers, header: str) -> tuple[int, int]:
    """Tell what is held and what of DELIVERY is a position of today."""
    holdings = (await paper.ask("GET", "holdings", header=header)).json()["holdings"]
    positions = (await paper.ask("GET", "positions", header=header)).json()["netPositions"]
    return (
        sum(it.quantity for it in wire.read_holdings(holdings, NAMES.name_of)),
        sum(
            it.net_quantity
            for it in wire.read_positions(positions, NAMES.name_of)
            if it.product is Product.DELIVERY
        ),
    )


async def traded(paper: PaperFyers, header: str, quantity: int, side: int) -> int:
    body = DELIVERY | {"qty": quantity, "side": side}
    code: int = (await paper.ask("POST", "orders/sync", body, header)).json()["code"]
    return code


async def next_day(paper: PaperFyers) -> str:
    paper.clock.go_on(days=1)
    paper.simulator.desk.pass_time()
    return await paper.signed_in()


async def test_holdings_and_todays_sales_add_up_to_what_is_left(paper: PaperFyers) -> None:
    header = await paper.signed_in()
    await traded(paper, header, 10, 1)
    assert await closable(paper, header) == (0, 10)

    header = await next_day(paper)
    assert await closable(paper, header) == (10, 0)
    await traded(paper, header, 4, -1)
    assert await closable(paper, header) == (10, -4)
    assert await traded(paper, header, 7, -1) == -99

    header = await next_day(paper)
    assert await closable(paper, header) == (6, 0)
