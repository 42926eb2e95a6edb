"""The request and response of scripts: Werkzeug's, and the stand-ins, behave alike."""

from __future__ import annotations

import io

import pytest

from envbuild.serving import plain_types

try:
    from werkzeug.wrappers import Request, Response
except ImportError:
    KINDS = [(plain_types.PlainRequest, plain_types.PlainResponse)]
else:
    KINDS = [(plain_types.PlainRequest, plain_types.PlainResponse), (Request, Response)]


def environ(body: bytes = b"", **changes):
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/score",
        "QUERY_STRING": "a=1&b=x%20y&a=2",
        "HTTP_HOST": "h.example:5001",
        "HTTP_X_COLOUR": "red",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "h.example",
        "SERVER_PORT": "5001",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **changes,
    }


@pytest.fixture(params=KINDS, ids=[request.__module__.split(".")[0] for request, _ in KINDS])
def kinds(request):
    return request.param


def test_parts_of_a_request(kinds):
    request = kinds[0](environ(b'{"k": "\xc3\xa9"}'))
    assert (request.method, request.path, request.content_type) == ("POST", "/score", "application/json")
    assert (request.args["a"], request.args.get("b"), request.args.get("c")) == ("1", "x y", None)
    assert (request.headers["x-colour"], request.headers.get("X-None")) == ("red", None)
    assert request.query_string == b"a=1&b=x%20y&a=2"
    assert request.full_path.startswith("/score?a=1&b=x")
    assert request.url.startswith("http://h.example:5001/score?a=1")


def test_body_of_a_request(kinds):
    request = kinds[0](environ(b'{"k": "\xc3\xa9"}'))
    assert request.get_data() == request.data == b'{"k": "\xc3\xa9"}'
    assert request.get_data(as_text=True) == '{"k": "é"}'
    assert request.json == request.get_json() == {"k": "é"}


def test_body_that_is_not_kept_can_be_read_once(kinds):
    request = kinds[0](environ(b"once"))
    assert (request.get_data(False), request.get_data()) == (b"once", b"")


def test_body_that_is_not_json(kinds):
    assert kinds[0](environ(b"{")).get_json(silent=True) is None
    assert kinds[0](environ(b"[1]", CONTENT_TYPE="text/plain")).get_json(force=True) == [1]


def test_request_can_be_printed(kinds):
    assert "/score" in repr(kinds[0](environ()))


def test_parts_of_a_response(kinds):
    response = kinds[1]("é", status=201, mimetype="text/plain")
    response.headers["X-A"] = "1"
    response.headers.add("X-A", "2")
    assert (response.status_code, response.get_data(), response.get_data(as_text=True)) == (201, "é".encode(), "é")
    assert [value for name, value in response.headers.items() if name == "X-A"] == ["1", "2"]
    assert response.headers.pop("x-a", None) == "1"
    assert "X-A" not in response.headers
    assert response.headers.pop("x-a", None) is None


def test_response_without_a_body(kinds):
    assert kinds[1](None, status=204).get_data() == b""
