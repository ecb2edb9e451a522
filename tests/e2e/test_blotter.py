"""The blotter on the whole product: a follower looks while their master trades."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.follows import MOMENTUM, STRATEGIES
from tests.e2e.browser import watched_page
from tests.e2e.live import LiveStack

# One browser for all: it outlives a test, and so must its loop. A start from nothing takes minutes.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

FOLLOWER, MASTER = "follower1@lockstep.local", "master1@lockstep.local"
FILL_MS_MAX = 20_000


async def sign_in_by_keyboard(page: Page, stack: LiveStack, email: str) -> None:
    await page.goto(stack.web_url)
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(stack.password)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Orders")).to_be_visible()


async def trade(stack: LiveStack) -> str:
    """Let the master buy at the market; return the signal's id."""
    async with stack.visitor(MASTER) as master:
        await master.sign_in(MASTER, stack.password)
        strategies = (await master.call("GET", "/strategies"))["strategies"]
        ids = {strategy["name"]: strategy["strategy_id"] for strategy in strategies}
        accepted = await master.emit(
            {
                "strategy_id": ids[STRATEGIES[MOMENTUM].name],
                "action": "PLACE",
                "instrument": "NSE:SBIN",
                "side": "BUY",
                "product": "INTRADAY",
                "terms": {"order_type": "MARKET", "quantity": 10},
            }
        )
    return str(accepted["signal_id"])


async def order_of(stack: LiveStack, signal_id: str) -> str:
    """Ask the ledger for the follower's order of a signal, as soon as it is planned."""
    async with stack.visitor(FOLLOWER) as follower:
        await follower.sign_in(FOLLOWER, stack.password)
        for _ in range(200):
            orders = (await follower.call("GET", "/orders"))["orders"]
            for order in orders:
                if order["signal_id"] == signal_id:
                    return str(order["order_id"])
            await asyncio.sleep(0.1)
    raise AssertionError(f"signal {signal_id} was never planned for {FOLLOWER}")


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)], ids=["desk", "phone"])
async def test_a_followers_blotter_fills_while_the_master_trades(
    browser: Browser, stack: LiveStack, width: int, dark: bool
) -> None:
    async with watched_page(browser, width=width, dark=dark) as watched:
        page = watched.page
        await sign_in_by_keyboard(page, stack, FOLLOWER)
        assert await watched.axe() == []
        # The socket has spoken: from here on nothing is loaded anew, orders come by themselves.
        await expect(page.locator("[data-fresh=true]")).to_be_visible()

        order_id = await order_of(stack, await trade(stack))

        row = page.locator(f'[data-order="{order_id}"]')
        await expect(row).to_contain_text("Filled", timeout=FILL_MS_MAX)
        await expect(row).to_contain_text("PAPER")
        await row.get_by_role("link").click()
        panel = page.get_by_role("dialog")
        for state in ("Signal accepted", "Sent", "Accepted", "Filled"):
            await expect(panel).to_contain_text(state)

        assert await watched.axe() == []
        assert await watched.sideways() <= 0
        assert await watched.violations() == []
        assert watched.errors == []


async def test_a_master_sees_every_followers_order_of_a_signal(
    browser: Browser, stack: LiveStack
) -> None:
    async with watched_page(browser) as watched:
        page = watched.page
        await sign_in_by_keyboard(page, stack, MASTER)
        await expect(page.locator("[data-fresh=true]")).to_be_visible()
        signal_id = await trade(stack)

        await order_of(stack, signal_id)
        async with stack.visitor(MASTER) as master:
            await master.sign_in(MASTER, stack.password)
            orders = (await master.call("GET", "/orders"))["orders"]
        copies = [order["order_id"] for order in orders if order["signal_id"] == signal_id]
        assert len(copies) > 1
        for order_id in copies[:3]:
            await expect(page.locator(f'[data-order="{order_id}"]')).to_be_visible()
        await expect(page.get_by_role("columnheader", name="Follower")).to_be_visible()
        assert await watched.axe() == []
        assert await watched.violations() == []
