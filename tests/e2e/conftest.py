"""What browser tests share: one Chromium a module, and the built application."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local import webapp
from tests.e2e.browser import chromium
from tests.e2e.live import LiveStack, live_stack


@pytest.fixture(scope="session")
def built_application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the browser application if its sources changed; return the folder of its files."""
    webapp.build(tmp_path_factory.mktemp("npm") / "npm.log")
    return Path("services/web/dist").resolve()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Start everything, with the demo people, for all tests of this run."""
    with live_stack(tmp_path_factory.mktemp("stack")) as started:
        yield started
