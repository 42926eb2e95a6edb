"""A headless Chromium, driven through ChromeDriver's HTTP protocol (W3C WebDriver): no package is needed for it."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from envbuild import programs

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,1500",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing_browser() -> str:
    """Return why there is no browser here, or an empty text."""
    missing = [one for one in ("chromium", "chromedriver") if programs.find(one) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


class Browser:
    """One session."""

    def __init__(self, root: str) -> None:
        self.root = root

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = requests.request(
            method, f"{self.root}/{path}".rstrip("/"), json=body if method == "POST" else None, timeout=60
        )
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise AssertionError(f"{path}: {value}")
        return value

    def open(self, page: Path) -> None:
        """Open `page`; what the browser did before, for a new tab of its own, is forgotten."""
        self.ask("POST", "url", url="about:blank")
        self.console()
        self.requested()
        self.ask("POST", "url", url=page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.ask("POST", "execute/sync", script=script, args=list(arguments))

    def click(self, selector: str) -> None:
        found = self.ask("POST", "element", using="css selector", value=selector)
        self.ask("POST", f"element/{found[_ELEMENT]}/click")

    def console(self) -> list[dict[str, Any]]:
        return self.ask("POST", "se/log", type="browser")

    def requested(self) -> list[str]:
        """Return the URL of every request that the page made."""
        messages = [json.loads(one["message"])["message"] for one in self.ask("POST", "se/log", type="performance")]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "screenshot")))


@contextlib.contextmanager
def browser(*, javascript: bool = True) -> Iterator[Browser]:
    """Start ChromeDriver and Chromium, and end them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = programs.start(["chromedriver", f"--port={port}"], log=Path(folder, "log"))
        try:
            yield from _session(f"http://127.0.0.1:{port}", folder, javascript=javascript)
        finally:
            driver.terminate()
            driver.wait(timeout=20)


def _session(root: str, folder: str, *, javascript: bool) -> Iterator[Browser]:
    for _ in range(100):
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{root}/status", timeout=5).ok:
                break
        time.sleep(0.1)
    preferences = {} if javascript else {"profile.managed_default_content_settings.javascript": 2}
    options = {
        "args": [*FLAGS, f"--user-data-dir={folder}/profile"],
        "binary": programs.find("chromium"),
        "prefs": preferences,
    }
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    made = requests.post(f"{root}/session", json={"capabilities": {"alwaysMatch": wanted}}, timeout=90).json()["value"]
    session = Browser(f"{root}/session/{made['sessionId']}")
    try:
        yield session
    finally:
        session.ask("DELETE", "")
