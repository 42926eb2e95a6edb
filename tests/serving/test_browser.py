"""In headless Chromium, driven over the WebDriver protocol: the page to try the service, and requests across origins."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess  # noqa: TID251 - the driver is started and ended here
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from .conftest import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("chromedriver") is None, reason="chromedriver (Debian's chromium-driver) is not installed"
)
SCRIPT = """
    import json

    def init(): pass

    def run(data):
        return {"rows": len(json.loads(data)["data"])}
"""
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A WebDriver session (W3C WebDriver, section 6)."""

    def __init__(self, port: int) -> None:
        self._port = port
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}}
        self._session = f"/session/{self._call('POST', '/session', asked)['sessionId']}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
        )
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def open(self, url: str) -> None:
        self._call("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """Run a script that calls its last argument with the result."""
        return self._call("POST", f"{self._session}/execute/async", {"script": script, "args": []})

    def find(self, selector: str) -> str:
        found = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return f"{self._session}/element/{found[ELEMENT]}"

    def text(self, selector: str) -> str:
        return str(self._call("GET", f"{self.find(selector)}/text"))

    def write(self, selector: str, text: str) -> None:
        self._call("POST", f"{self.find(selector)}/clear", {})
        self._call("POST", f"{self.find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._call("POST", f"{self.find(selector)}/click", {})

    def wait_for(self, selector: str, part: str) -> str:
        limit = time.monotonic() + 20
        while part not in (text := self.text(selector)):
            assert time.monotonic() < limit, text
            time.sleep(0.1)
        return text

    def close(self) -> None:
        self._call("DELETE", self._session)


@pytest.fixture(scope="module")
def browser():
    port = free_port()
    process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 20
        while True:
            try:
                session = Browser(port)
                break
            except OSError:
                assert time.monotonic() < limit
                time.sleep(0.1)
        yield session
        session.close()
    finally:
        process.terminate()
        process.wait(10)


def test_page_scores_a_row(start, browser):
    service = start(SCRIPT, "--service-name", "flowers")
    browser.open(f"http://127.0.0.1:{service.port}/try")
    browser.wait_for("#title", "flowers")
    browser.write("#body", '{"data": [[1, 2]]}')
    browser.click("#send")
    assert json.loads(browser.wait_for("#answer", "rows")) == {"rows": 1}
    assert browser.text("#status").startswith("200 in ")
    browser.write("#body", "{broken")
    browser.click("#send")
    browser.wait_for("#status", "500 in ")


def test_page_sends_the_key(start, browser, tmp_path):
    (tmp_path / "keys").write_text("key-one\n")
    service = start(SCRIPT, "--auth-keys-file", str(tmp_path / "keys"))
    browser.open(f"http://127.0.0.1:{service.port}/try")
    browser.write("#body", '{"data": []}')
    browser.click("#send")
    browser.wait_for("#status", "401 in ")
    browser.write("#key", "key-one")
    browser.click("#send")
    browser.wait_for("#status", "200 in ")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>another origin</title>")

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def other_origin():
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch_from(browser: Browser, origin: str, port: int) -> str:
    browser.open(origin)
    return str(
        browser.run(f"""
            const done = arguments[arguments.length - 1];
            fetch("http://127.0.0.1:{port}/score", {{method: "POST", headers: {{"Content-Type": "application/json"}}, body: '{{"data": [1]}}'}})
                .then(answer => answer.text()).then(done, error => done(String(error)));
        """)
    )


def test_configured_origin_may_call_and_another_may_not(start, browser, other_origin):
    allowed = start(SCRIPT, AML_CORS_ORIGINS=other_origin)
    assert json.loads(fetch_from(browser, other_origin, allowed.port)) == {"rows": 1}
    closed = start(SCRIPT, AML_CORS_ORIGINS="http://a.example")
    assert "TypeError" in fetch_from(browser, other_origin, closed.port)
    silent = start(SCRIPT)
    assert "TypeError" in fetch_from(browser, other_origin, silent.port)


def test_header_that_the_script_sets_lets_a_simple_request_read_the_answer(start, browser, other_origin):
    """The documented CORS script, with this page's origin: no preflight is needed for text/plain."""
    script = f"""
        from azureml.contrib.services.aml_response import AMLResponse

        def init(): pass

        def run(request):
            resp = AMLResponse(request.get_data(False), 200)
            resp.headers['Access-Control-Allow-Origin'] = "{other_origin}"
            return resp
    """
    service = start(script)
    browser.open(other_origin)
    found = browser.run(f"""
        const done = arguments[arguments.length - 1];
        fetch("http://127.0.0.1:{service.port}/score", {{method: "POST", body: "hello"}})
            .then(answer => answer.text()).then(done, error => done(String(error)));
    """)
    assert found == "hello"
