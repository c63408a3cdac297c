"""The page of a service in Chromium, by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support.browser import chromium
from tests.support.job_server import wait_until

TOKEN = "a-token-of-these-tests"
WAIT_MILLISECONDS = 60_000  # for the work on a video, on a machine that does much else
TIME = "document.querySelector('#picture').currentTime"
# Elements that reach out of the window.
WIDE = """[...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
  && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
  && !element.closest(".visually-hidden, svg")).map((element) => element.outerHTML.slice(0, 200))"""


@contextmanager
def launched(*switches: str) -> Iterator[Browser]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *switches])
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, service: str, *, is_known: bool = True, **view: Any) -> Iterator[Page]:
    """The page in a context of its own, whose session is open if it `is_known`. Nothing may go wrong in its scripts."""
    view = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "permissions": ["camera"], **view}
    context = browser.new_context(**view)
    context.set_default_timeout(WAIT_MILLISECONDS)
    if is_known:
        answer = context.request.post(f"{service}/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 204, answer.text()
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # Requests that are refused are told of by the browser itself.
    page.on("console", lambda one: wrong.append(one.text) if "Content Security Policy" in one.text else None)
    page.goto(service)
    if is_known:
        expect(page.get_by_role("heading", level=1)).to_be_visible()  # it knows what the service offers
    yield page
    context.close()
    assert wrong == []


def upload(page: Page, path: Path) -> None:
    """Choose a file, and wait for its results."""
    page.set_input_files("#file", path)
    expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)


def wait_for(page: Page, expression: str) -> None:
    """Wait until an expression is true. Playwright's own way needs `eval`, which the page's policy forbids."""
    wait_until(lambda: page.evaluate(expression), timeout_seconds=WAIT_MILLISECONDS / 1000)


def slider(page: Page, model: str) -> Locator:
    """The strip of a model."""
    return page.get_by_role("slider", name=f"Timeline of {model}")


def check_view(page: Page, view: str) -> None:
    """Check that what is shown is accessible, and no wider than the window."""
    found = Axe().run(page).response["violations"]
    assert [(view, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), view
    assert page.evaluate(WIDE) == [], view
