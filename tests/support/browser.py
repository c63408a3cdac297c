"""Headless Chromium, driven over its DevTools protocol (`--remote-debugging-pipe`).

A page is opened from a file, measured and operated by JavaScript, which its content security policy does not restrict
here, and seen in light or dark, at any width, or in print.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND"),
    "--remote-debugging-pipe",
)


def chromium() -> str:
    """The browser's path. Without one the test is skipped, and says what to install; `.ci/run` installs it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"it needs one of {', '.join(NAMES)}: apt-get install --no-install-recommends chromium")
    return found


class Browser:
    """One page in a browser of its own."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._answers, 1 << 16)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def open(self, page: Path, *, width: int = 1280, dark: bool = False, media: str = "", script: bool = True) -> Self:
        """Load a page and wait until it is complete."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 700
        )
        self.media(media, dark=dark)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._wait_for("Page.loadEventFired")
        return self

    def follow(self, link: str) -> None:
        """Click a link, by a JavaScript expression, and wait until its page is complete."""
        self.events.clear()
        self.run(f"{link}.click()")
        self._wait_for("Page.loadEventFired")

    def save(self, selector: str, folder: Path) -> Path:
        """Click a link to a download with the mouse, and wait until the file is complete."""
        self.events.clear()
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)
        self._click(selector)
        while not any(event.get("params", {}).get("state") == "completed" for event in self.events):
            self.events.append(self._receive())
        began = next(event for event in self.events if event.get("method") == "Browser.downloadWillBegin")
        return folder / str(began["params"]["suggestedFilename"])

    def _click(self, selector: str) -> None:
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{ block: 'center' }})")
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        at = {"x": self.run(f"{box}.x + {box}.width / 2"), "y": self.run(f"{box}.y + {box}.height / 2")}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def _wait_for(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive())

    def media(self, media: str, *, dark: bool = False) -> None:
        """Show the page as on a screen, or as in `print`."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser with an empty profile, and nothing but the file system to read from."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        from_us, commands = os.pipe()
        answers, to_us = os.pipe()
        words = [chromium(), *SWITCHES, f"--user-data-dir={profile}", "about:blank"]

        def connect() -> None:  # the protocol is spoken on descriptors 3 and 4
            ours = os.dup(from_us), os.dup(to_us)
            os.dup2(ours[0], 3)
            os.dup2(ours[1], 4)

        process = subprocess.Popen(
            words, pass_fds=(3, 4), preexec_fn=connect, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(from_us)
        os.close(to_us)
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()
            process.wait()
            os.close(commands)
            os.close(answers)
