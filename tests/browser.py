"""A real browser, headless, for tests of what people will see: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Page, async_playwright

_QUIET: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
"""Nothing is fetched from anywhere, and videos play without a click."""


def chromium() -> str:
    """Where the browser is; empty where none is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or ""


def chromium_is_missing() -> str:
    """Why no browser can be used here; empty when one can."""
    return "" if chromium() else "Chromium: not installed (Debian's package chromium)"


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[Page]:
    """A page that shows `url`, in a browser of its own with an empty profile, which is ended afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_QUIET, chromium_sandbox=False)
        try:
            page = await browser.new_page()
            page.set_default_timeout(30_000)
            await page.goto(url)
            yield page
        finally:
            await browser.close()
