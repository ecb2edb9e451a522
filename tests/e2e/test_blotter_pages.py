"""The blotter in a real browser, before services that do whatever a test needs."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from libs.brokers.registry import BROKERS
from services.web.app import build_app
from services.web.settings import WebSettings
from tests.e2e.browser import Watched, watched_page
from tests.e2e.fake_services import PASSWORD, FakeServices, Order, an_order, free_port, served

# One browser for all: it outlives a test, and so must its loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL = "follower1@lockstep.local"
PEOPLE = {
    email: {"user_id": f"u-{name}", "email": email, "display_name": name, "roles": [role]}
    for email, name, role in (
        (EMAIL, "Follower 1", "follower"),
        ("master1@lockstep.local", "Master 1", "master"),
    )
}
FIRST_LOAD_GZIP_BYTES_MAX = 260_000
SIZES = [(1440, 900), (768, 1024), (390, 844), (320, 640)]
SKIPPED: Order = {
    "state": "SKIPPED",
    "reason": "TOO_SMALL",
    "message": "",
    "filled_quantity": 0,
    "average_price": None,
    "broker_order_id": None,
    "sent_at": None,
    "version": 1,
    "instrument": "NFO:NIFTY:2026-12-29:24500:CE",
}
REJECTED: Order = {
    "state": "REJECTED",
    "message": "RED:Margin Shortfall:INR 1,04,312.50 " + "and so on " * 16,
    "filled_quantity": 0,
    "average_price": None,
}


@dataclass
class Site:
    services: FakeServices
    url: str


@pytest_asyncio.fixture(loop_scope="module")
async def site(built_application: Path) -> AsyncIterator[Site]:
    services = FakeServices(people=PEOPLE)
    services.put(
        an_order(640),
        an_order(641, **SKIPPED),
        an_order(642, **REJECTED),
        an_order(643, environment="LIVE", account_id="a-live", average_price="9999999999.99"),
        an_order(644, state="PARTIAL", filled_quantity=15),
    )
    async with served(services.app(), free_port()) as behind:
        settings = WebSettings(
            auth_url=behind,
            signal_url=behind,
            streaming_url=behind,
            executor_urls={broker: [behind] for broker in BROKERS},
            static_dir=built_application,
        )
        async with served(build_app(settings), free_port()) as url:
            yield Site(services, url)


async def sign_in_by_keyboard(page: Page, url: str, email: str = EMAIL) -> None:
    await page.goto(f"{url}/app/orders")
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Orders")).to_be_visible()


@asynccontextmanager
async def signed_in(browser: Browser, site: Site, **look: Any) -> AsyncIterator[Watched]:
    async with watched_page(browser, **look) as watched:
        await sign_in_by_keyboard(watched.page, site.url)
        yield watched
        assert watched.errors == []
        assert await watched.violations() == []


def rows(page: Page) -> Any:
    return page.locator("[data-order]")


async def test_a_failed_exit_is_tried_again_by_one_tap(browser: Browser, site: Site) -> None:
    site.services.put(an_order(645, **REJECTED, action="EXIT", side="SELL"))
    async with signed_in(browser, site, width=1440) as watched:
        await rows(watched.page).get_by_role("button", name="Try again").click()

        await expect(rows(watched.page)).to_have_count(7)
        await expect(watched.page.get_by_text("Tried again: accepted.")).to_be_visible()
        assert await watched.axe() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_every_size_and_theme_is_accessible_and_never_scrolls_sideways(
    browser: Browser, site: Site, width: int, height: int, dark: bool
) -> None:
    async with signed_in(browser, site, width=width, height=height, dark=dark) as watched:
        page = watched.page
        await expect(rows(page)).to_have_count(5)
        assert await watched.axe() == []
        assert await watched.sideways() <= 0

        await rows(page).nth(1).get_by_role("link").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Timeline")
        assert await watched.axe() == []
        assert await watched.sideways() <= 0
        await page.keyboard.press("Escape")

        await page.get_by_role("button", name="Notifications").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await watched.axe() == []


async def test_the_first_load_stays_within_its_budget(
    browser: Browser, site: Site, built_application: Path
) -> None:
    async with signed_in(browser, site) as watched:
        await expect(rows(watched.page).first).to_be_visible()
        names: list[str] = await watched.page.evaluate(
            "performance.getEntriesByType('resource').map((entry) => entry.name)"
        )

    files = {name.split("/app/")[-1] for name in names if re.search(r"\.(js|css)$", name)}
    sizes = {file: len(gzip.compress((built_application / file).read_bytes())) for file in files}
    assert sum(sizes.values()) <= FIRST_LOAD_GZIP_BYTES_MAX, sizes


async def test_a_wrong_password_is_said_in_the_form(browser: Browser, site: Site) -> None:
    async with watched_page(browser) as watched:
        page = watched.page
        await page.goto(f"{site.url}/app/sign-in")
        await page.get_by_label("E-mail").fill(EMAIL)
        await page.get_by_label("Password", exact=True).fill("wrong")
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
        assert await watched.axe() == []
        assert await watched.violations() == []


async def test_a_demo_sign_in_is_two_presses(browser: Browser, site: Site) -> None:
    async with watched_page(browser) as watched:
        page = watched.page
        await page.goto(f"{site.url}/app/sign-in")
        await page.get_by_role("button", name="Master 1").click()
        await expect(page.get_by_label("E-mail")).to_have_value("master1@lockstep.local")
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("columnheader", name="Follower")).to_be_visible()


async def test_an_order_appears_and_changes_while_one_looks(browser: Browser, site: Site) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(rows(page)).to_have_count(5)
        fresh = an_order(700, state="OPEN", filled_quantity=0, average_price=None, version=3)

        await site.services.push(fresh)
        await expect(rows(page).first).to_contain_text("Open")

        await site.services.push(fresh | {"state": "FILLED", "filled_quantity": 40, "version": 4})
        await expect(rows(page).first).to_contain_text("40 of 40")
        await site.services.push(fresh)
        await asyncio.sleep(0.3)
        await expect(rows(page).first).to_contain_text("Filled")


async def test_rows_hold_still_under_a_pointer_and_new_ones_wait(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        box = await rows(page).nth(2).bounding_box()
        assert box
        for step in range(3):
            await page.mouse.move(box["x"] + 40 + step, box["y"] + 10)
        before = await rows(page).nth(2).get_attribute("data-order")

        await site.services.push(an_order(701))
        await expect(page.get_by_role("button", name="1 new")).to_be_visible()
        assert await rows(page).nth(2).get_attribute("data-order") == before

        await expect(rows(page)).to_have_count(6)  # The pointer has rested.


async def test_a_skipped_order_says_why_and_a_rejected_one_keeps_the_brokers_words(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page

        skipped = page.locator("[data-order]", has_text="NIFTY 24500 CE")
        await expect(skipped).to_contain_text("Your share of this order is less than one lot.")
        await page.locator("[data-order]", has_text="Rejected").get_by_role("link").click()

        panel = page.get_by_role("dialog")
        await expect(panel.locator("q").first).to_have_text(REJECTED["message"].strip())
        await expect(panel).to_contain_text("Signal accepted")


async def test_filters_and_sort_live_in_the_url_and_survive_a_reload(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await page.get_by_role("button", name=re.compile("Not copied")).click()
        await expect(rows(page)).to_have_count(1)
        await expect(page).to_have_url(re.compile("state=not-copied"))
        await page.reload()
        await expect(rows(page)).to_have_count(1)

        await page.get_by_role("button", name=re.compile("^All")).click()
        await page.get_by_role("button", name="Average").click()
        await expect(page).to_have_url(re.compile("sort=-?average"))
        await page.get_by_label("Search orders").fill("nothing like it")
        await expect(page.get_by_text("No order matches these filters.")).to_be_visible()
        await page.get_by_role("button", name="Show all orders").click()
        await expect(rows(page)).to_have_count(5)


async def test_the_table_is_worked_by_keys_alone(browser: Browser, site: Site) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(rows(page)).to_have_count(5)
        for key in ("j", "j", "k", "j"):
            await page.keyboard.press(key)
        chosen = await rows(page).nth(1).get_attribute("data-order")
        focused = "document.activeElement.closest('[data-order]')?.dataset.order"
        assert await page.evaluate(focused) == chosen

        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await expect(page).to_have_url(re.compile(f"order={chosen}"))
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert await page.evaluate(focused) == chosen

        await page.keyboard.press("/")
        await page.keyboard.type("TCS")
        await expect(page.get_by_label("Search orders")).to_have_value("TCS")


async def test_a_silent_feed_is_said_and_nothing_is_missed_when_it_is_back(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(rows(page)).to_have_count(5)
        site.services.accept_sockets = False
        await site.services.cut(1001)
        await expect(page.get_by_text("Order feed silent since")).to_be_visible()
        await expect(page.get_by_text("Orders keep working")).to_be_visible()
        assert await watched.axe() == []

        site.services.put(an_order(702))
        site.services.accept_sockets = True
        await page.get_by_role("button", name=re.compile("Reconnect")).click()
        await expect(page.get_by_text("Order feed silent since")).to_have_count(0)
        await expect(rows(page)).to_have_count(6)


async def test_a_failing_ledger_is_said_with_its_reference_and_the_rows_stay(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(rows(page)).to_have_count(5)
        site.services.orders_status = 500
        await site.services.cut(4408)

        await expect(page.get_by_role("alert")).to_contain_text("Reference c0ffee-1")
        await expect(rows(page)).to_have_count(5)
        assert await watched.axe() == []

        site.services.orders_status = 200
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_sign_in_that_ends_is_asked_for_over_the_page(browser: Browser, site: Site) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await page.get_by_role("button", name=re.compile("Working")).click()
        await site.services.cut(4401)

        dialog = page.get_by_role("alertdialog")
        await expect(dialog).to_contain_text("Your sign-in has ended")
        assert await watched.axe() == []
        await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.keyboard.press("Enter")

        await expect(dialog).to_have_count(0)
        await expect(page).to_have_url(re.compile("state=working"))
        await site.services.push(an_order(703, state="OPEN", filled_quantity=0))
        await expect(rows(page)).to_have_count(2)


async def test_signing_out_in_one_tab_signs_out_the_other(browser: Browser, site: Site) -> None:
    async with signed_in(browser, site) as watched:
        other = await watched.page.context.new_page()
        await other.goto(f"{site.url}/app/orders")
        await expect(rows(other)).to_have_count(5)

        await watched.page.get_by_role("button", name="Follower 1").click()
        await watched.page.get_by_role("button", name="Sign out").click()

        for page in (watched.page, other):
            await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


async def test_notices_arrive_and_are_marked_as_read(browser: Browser, site: Site) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(page.get_by_role("button", name="Notifications")).to_be_visible()
        notice = {
            "notice_id": "n1",
            "kind": "NOTIFICATION",
            "code": "RECONNECT_BROKER",
            "subject": "account:a1",
            "at": an_order(700)["at"],
            "figures": {"broker_client_id": "XB00001"},
        }
        await page.wait_for_load_state("networkidle")
        await site.services.send({"type": "notice", "notice": notice})

        await page.get_by_role("button", name="Notifications, 1 unread").click()
        panel = page.get_by_role("dialog")
        await expect(panel).to_contain_text("Please re-connect your broker.")
        await panel.get_by_role("button", name="Mark as read").click()
        await expect(page.get_by_role("button", name="Notifications", exact=True)).to_be_visible()


async def test_the_theme_is_kept_and_set_before_the_first_paint(
    browser: Browser, site: Site
) -> None:
    async with signed_in(browser, site) as watched:
        page = watched.page
        await page.get_by_role("button", name="Dark theme").click()
        await page.goto(f"{site.url}/app/orders", wait_until="commit")

        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_of_ten_thousand_rows_only_those_in_sight_are_in_the_page(
    browser: Browser, site: Site
) -> None:
    site.services.put(*(an_order(n) for n in range(10_000)))
    async with signed_in(browser, site) as watched:
        page = watched.page
        await expect(rows(page).first).to_be_visible()
        await expect(page.get_by_text("the newest 10,000")).to_be_visible()

        assert await rows(page).count() <= 60
        await page.get_by_role("table").evaluate("box => box.scrollTo(0, 140_000)")
        await asyncio.sleep(0.2)
        assert 0 < await rows(page).count() <= 60


async def test_a_planted_fault_is_found(browser: Browser, site: Site) -> None:
    async with watched_page(browser) as watched:
        await sign_in_by_keyboard(watched.page, site.url)
        await watched.page.evaluate(
            """() => {
                document.querySelector("main").append(document.createElement("button"));
                const style = document.createElement("style");
                style.textContent = "body { color: red }";
                document.head.append(style);
            }"""
        )

        assert any("button-name" in found for found in await watched.axe())
        assert any("style-src" in found for found in await watched.violations())
