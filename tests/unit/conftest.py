"""Fixtures for tests of the pages: a report, and a browser that reports errors and requests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.pages import make

CHROMIUM = Path(os.environ.get("REBEN_CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return make(folder, pictures=True, count=6, sentinel1=folder / "s1")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("REBEN_REQUIRE_BROWSER"):
            pytest.fail(f"REBEN_REQUIRE_BROWSER is set, but {CHROMIUM} is not there")
        pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium, or set REBEN_CHROMIUM")
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    switches += "--disable-background-networking --disable-component-update --disable-sync"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=switches.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on any error, and on any request beyond its own file."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if beyond(request.url) else 0)
    yield page
    page.close()
    assert complaints == []


def beyond(url: str) -> bool:
    page = url.startswith("file:") and url.endswith(".html")
    return not page and not url.startswith("data:")
