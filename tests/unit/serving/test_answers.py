"""What run() returns, as it goes over the wire."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.answers import answer_of, error_answer, status_line
from envbuild.serving.failures import RequestError
from envbuild.serving.http_types import AMLResponse


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, [1], "text", 0, False, "é\u2028"])
def test_values_are_written_as_json(value):
    answer = answer_of(value)
    assert (answer.status, json.loads(answer.body), answer.run_failed) == (200, value, False)


def test_none_is_an_empty_object():
    assert answer_of(None).body == b"{}"


@pytest.mark.parametrize("value", [b"\x00", bytearray(b"\x00"), memoryview(b"\x00")])
def test_bytes_go_out_as_they_are(value):
    answer = answer_of(value)
    assert (answer.body, answer.headers) == (b"\x00", (("Content-Type", "application/octet-stream"),))


def test_array_is_refused_with_advice():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(RequestError, match=r"ndarray .* not JSON serializable.*return result.tolist\(\)") as caught:
        answer_of(numpy.zeros(2))
    assert (caught.value.status, caught.value.run_failed) == (500, True)


def test_value_that_refers_to_itself_is_refused():
    loop: list = []
    loop.append(loop)
    with pytest.raises(RequestError, match="not JSON serializable"):
        answer_of(loop)


def test_response_is_taken_over():
    answer = answer_of(AMLResponse(b"\xff", 418, {"X-A": "1, 2", "Content-Type": "image/jpeg"}))
    assert (answer.status, answer.body, answer.run_failed) == (418, b"\xff", False)
    assert ("X-A", "1") in answer.headers
    assert ("X-A", "2") in answer.headers
    assert [value for name, value in answer.headers if name == "Content-Type"] == ["image/jpeg"]


def test_headers_of_the_transport_are_not_the_scripts():
    answer = answer_of(
        AMLResponse("x", 200, {"Content-Length": "99", "Transfer-Encoding": "chunked", "Connection": "close"})
    )
    assert [name for name, _ in answer.headers] == ["Content-Type"]


@pytest.mark.parametrize(
    ("status", "said", "failed"), [(200, False, False), (200, True, True), (500, False, True), (404, False, False)]
)
def test_failure_is_what_the_script_says_or_the_status(status, said, failed):
    assert answer_of(AMLResponse("x", status, run_function_failed=said)).run_failed is failed


@pytest.mark.parametrize("status", [0, 99, 101, 600])
def test_status_that_http_does_not_have_is_refused(status):
    with pytest.raises(RequestError, match="status"):
        answer_of(AMLResponse("x", status))


class Handmade:
    status_code = 200

    def __init__(self, headers):
        self.headers = headers

    def get_data(self):
        return b"x"


@pytest.mark.parametrize("headers", [{"X A": "1"}, {"X-A": "1\r\nX-Evil: 2"}, {"": "1"}, {"X-A": "\u20ac"}])
def test_header_that_http_forbids_is_refused(headers):
    with pytest.raises(RequestError, match="header"):
        answer_of(Handmade(headers))


def test_errors_are_objects_with_a_message():
    answer = error_answer(404, "no", [("X-A", "1")])
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "no"})
    assert answer.headers == (("Content-Type", "application/json"), ("X-A", "1"))


def test_status_lines():
    assert status_line(431) == "431 REQUEST HEADER FIELDS TOO LARGE"
    assert status_line(599) == "599 UNKNOWN"
