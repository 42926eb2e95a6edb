"""The router as a process, in front of deployments that record what they get."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Recorder(BaseHTTPRequestHandler):
    """Answers with what it got; the path says how."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self._body()
        self.server.seen.append((self.command, self.path, list(self.headers.items()), body))
        if self.path == "/garbage":
            self.connection.sendall(b"this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif self.path == "/cut":
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.close_connection = True
        elif self.path == "/late":
            time.sleep(3)
        elif self.path == "/status":
            self._answer(418, b'{"message": "teapot"}')
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(30):
                self.wfile.write(b"%x\r\n%b\r\n" % (100_000, b"s" * 100_000))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self._answer(200, body or b"{}")

    def do_GET(self):
        if self.path == "/":
            return self._answer(200, b"Healthy")
        return self.do_POST()

    do_HEAD = do_OPTIONS = do_PUT = do_GET  # noqa: N815 - the names that http.server calls

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Own", "yes, all of it")
        self.send_header("X-Request-Id", self.headers.get("X-Request-Id", "made"))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """A server that can end its connections too."""

    daemon_threads = True

    def process_request(self, request, client_address):
        self.links.append(request)
        super().process_request(request, client_address)


class Deployment:
    """A recording deployment that can be stopped and started at one port."""

    def __init__(self):
        self.port = 0
        self.seen = []
        self.up()

    def up(self):
        server = Server(("127.0.0.1", self.port), Recorder)
        server.seen, server.links = self.seen, []
        self.port, self._server = server.server_address[1], server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self):
        self._server.shutdown()
        self._server.server_close()
        for link in self._server.links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    @property
    def scored(self):
        return [one for one in self.seen if one[1] != "/"]


@pytest.fixture
def deployments():
    found = {"blue": Deployment(), "green": Deployment()}
    yield found
    for one in found.values():
        one.down()


@pytest.fixture
def route(launch, deployments, tmp_path):
    """Start a router: `route(blue=90, green=10, options=(…), mirror={…})`."""
    path = tmp_path / "routes.json"

    def write(mirror=None, **traffic):
        path.write_text(
            json.dumps(
                {
                    "deployments": {
                        name: {
                            "url": f"http://127.0.0.1:{deployments[name].port}",
                            "traffic": percent,
                            "mirror": (mirror or {}).get(name, 0),
                        }
                        for name, percent in traffic.items()
                    }
                }
            )
        )

    def start(*options, mirror=None, **traffic):
        write(mirror, **traffic)
        router = launch("", "--routes", "routes.json", *options, without_script=True)
        router.wait_until_ready()
        return router

    start.write = write
    return start


def eventually(found, *, limit=15):
    end = time.monotonic() + limit
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_with_paths_of_its_own_is_asked_there(deployments, launch, tmp_path):
    """Its scoring path stands for /score in the same traffic as another's; health is asked on a port of its own."""
    blue, green = (deployments[name].port for name in ("blue", "green"))
    own = {"url": f"http://127.0.0.1:{blue}", "traffic": 50, "scoring": "/v1/models/a:predict"}
    own["health"] = f"http://127.0.0.1:{green}/ready"
    other = {"url": f"http://127.0.0.1:{green}", "traffic": 50}
    (tmp_path / "routes.json").write_text(json.dumps({"deployments": {"blue": own, "green": other}}))
    router = launch("", "--routes", "routes.json", without_script=True)
    router.wait_until_ready()
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)
    for number in range(100):
        connection.request("POST", f"/score?n={number}", b"{}")
        assert connection.getresponse().read() == b"{}"
    connection.request("POST", "/v1/other", b"{}", {"azureml-model-deployment": "blue"})
    assert connection.getresponse().read() == b"{}"
    eventually(lambda: any(one[1] == "/ready" for one in deployments["green"].seen))
    assert {one[1].partition("?")[0] for one in deployments["blue"].seen} == {"/v1/models/a:predict", "/v1/other"}
    assert {one[1].partition("?")[0] for one in deployments["green"].scored} == {"/score", "/ready"}
    asked = [one[1] for name in ("blue", "green") for one in deployments[name].scored]
    assert {one.partition("?n=")[2] for one in asked if "?n=" in one} == {str(number) for number in range(100)}


def test_ten_thousand_requests_are_split_within_one_percent(route, deployments, server_name):
    router = route(blue=70, green=30)
    count = 10_000 if server_name == "granian" else 1000

    def ask(times):
        connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)
        for _ in range(times):
            connection.request("POST", "/score", b"{}")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"{}")
            answered[answer.getheader("azureml-model-deployment")] += 1

    answered = Counter()
    threads = [threading.Thread(target=ask, args=(count // 4,)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    got = {name: len(one.scored) / count for name, one in deployments.items()}
    assert sum(answered.values()) == count
    assert abs(got["blue"] - 0.70) < 0.01
    assert abs(got["green"] - 0.30) < 0.01


def test_requests_and_answers_pass_as_they_are(route, deployments):
    router = route(blue=100)
    body = bytes(range(256)) * 10
    headers = {"X-Request-Id": "mine", "Content-Type": "image/png", "X-Odd": "a, b", "Authorization": "Bearer other"}
    answer = router.request("POST", "/a%20b/%2525?x=%41&y", body, headers)
    assert answer.content == body
    assert (answer.status, answer.getheader("x-own"), answer.getheader("x-request-id")) == (
        200,
        "yes, all of it",
        "mine",
    )
    assert answer.getheader("azureml-model-deployment") == "blue"
    method, path, sent, got = deployments["blue"].scored[-1]
    assert (method, path, got) == ("POST", "/a%20b/%2525?x=%41&y", body)
    sent = {name.lower(): value for name, value in sent}
    assert headers.items() <= {name: sent[name.lower()] for name in headers}.items()
    assert sent["host"] == f"127.0.0.1:{router.port}"
    assert (sent["x-forwarded-for"], sent["x-forwarded-proto"]) == ("127.0.0.1", "http")
    answer = router.request("POST", "/status", b"x")
    assert (answer.status, answer.content) == (418, b'{"message": "teapot"}')
    for method in ("GET", "OPTIONS", "PUT"):
        assert router.request(method, "/score").status == 200
        assert deployments["blue"].scored[-1][0] == method
    answer = router.request("HEAD", "/score")
    assert (answer.status, answer.content, answer.getheader("content-length")) == (200, b"", "2")


def test_long_bodies_pass_in_both_directions(route, deployments):
    router = route(blue=100)
    body = b"0123456789" * 500_000
    assert router.request("POST", "/score", body, timeout=30).content == body
    assert router.request("POST", "/score", iter([body, body]), timeout=30).content == body * 2
    assert router.request("POST", "/stream", b"", timeout=30).content == b"s" * 3_000_000
    assert dict(deployments["blue"].scored[0][2]).keys() >= {"content-length"}


def test_connections_are_kept_on_both_sides(route):
    router = route(blue=100)
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/score", b"1")
        assert connection.getresponse().read() == b"1"
    socket_before = connection.sock
    connection.request("POST", "/score", b"1")
    assert connection.getresponse().read() == b"1"
    assert connection.sock is socket_before


def test_a_deployment_that_is_down_gets_nothing_and_comes_back(route, deployments):
    router = route(blue=50, green=50)
    deployments["green"].down()
    for _ in range(40):
        assert router.request("POST", "/score", b"1").getheader("azureml-model-deployment") == "blue"
    assert "green is down" in router.log
    assert router.request("POST", "/score", b"1", {"azureml-model-deployment": "green"}).status == 503
    assert router.request("GET", "/").status == 200
    deployments["blue"].down()
    answer = router.request("POST", "/score", b"1", {"x-request-id": "lost"})
    assert (answer.status, answer.getheader("x-request-id")) == (503, "lost")
    eventually(lambda: router.request("GET", "/").status == 503)
    deployments["green"].up()
    deployments["blue"].up()
    eventually(lambda: "green is up again" in router.log and "blue is up again" in router.log)
    answered = Counter(router.request("POST", "/score", b"1").getheader("azureml-model-deployment") for _ in range(200))
    assert answered["green"] > 60
    assert answered["blue"] > 60


def test_one_can_be_asked_by_name_and_one_gets_copies(route, deployments):
    router = route(blue=100, green=0, mirror={"green": 100})
    assert router.request("POST", "/score", b"1", {"azureml-model-deployment": "green"}).content == b"1"
    assert router.request("POST", "/score", b"1", {"azureml-model-deployment": "red"}).status == 404
    before = len(deployments["green"].scored)
    for _ in range(10):
        assert router.request("POST", "/score", b"copy").getheader("azureml-model-deployment") == "blue"
    eventually(lambda: len(deployments["green"].scored) == before + 10)
    assert deployments["green"].scored[-1][3] == b"copy"


def test_the_split_changes_without_a_restart(route):
    router = route(blue=100, green=0)
    assert router.request("POST", "/score", b"1").getheader("azureml-model-deployment") == "blue"
    route.write(blue=0, green=100)
    eventually(lambda: router.request("POST", "/score", b"1").getheader("azureml-model-deployment") == "green", limit=5)


def test_answers_that_are_none_are_told(route):
    router = route("--answer-timeout-s", "1", blue=100)
    for path, status in (("/garbage", 502), ("/cut", 502), ("/late", 504)):
        answer = router.request("POST", path, b"1")
        assert (answer.status, "message" in json.loads(answer.content)) == (status, True), path
    assert router.request("POST", "/score", b"1").content == b"1"


def test_keys_are_asked_for_before_anything_is_passed_on(route, deployments, tmp_path):
    (tmp_path / "keys").write_text("first\nsecond")
    router = route("--auth-keys-file", "keys", blue=100)
    assert router.request("POST", "/score", b"1").status == 401
    assert router.request("POST", "/score", b"1", {"Authorization": "Bearer wrong"}).status == 401
    assert router.request("GET", "/").status == 200
    assert deployments["blue"].scored == []
    assert router.request("POST", "/score", b"1", {"Authorization": "Bearer second"}).status == 200
    assert "second" not in router.log


def test_limits_of_the_server_hold_here_too(route, deployments):
    router = route("--max-body-bytes", "2000000", "--read-timeout-s", "1", blue=100)
    with router.connect() as connection:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 2000001\r\n\r\n")
        assert connection.recv(65536)[:12] == b"HTTP/1.1 413"
    with router.connect() as connection:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = b""
        try:
            for _ in range(30):
                connection.sendall(b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000))
            received = connection.recv(65536)
        except ConnectionError:
            pass
    assert received[:12] in (b"", b"HTTP/1.1 413")
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", router.port)) as connection:
            connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert router.request("POST", "/score", b"1").content == b"1"


@pytest.mark.parametrize("content", ["{", '{"deployments": {"a": {"url": "ftp://x"}}}'])
def test_routes_that_are_wrong_end_it_with_their_key(launch, tmp_path, content):
    (tmp_path / "routes.json").write_text(content)
    router = launch("", "--routes", "routes.json", without_script=True)
    assert router.process.wait(20) == 3
    assert "Traceback" not in router.log
