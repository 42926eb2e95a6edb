"""Request ids, as in the transcripts of the real server."""

from __future__ import annotations

import re

import pytest

from envbuild.serving.failures import RequestError
from envbuild.serving.identity import Identity, id_maker

LONG = "a" * 101


def identify(**given: str) -> tuple[dict[str, str], Identity]:
    environ = {"HTTP_" + name.upper(): value for name, value in given.items()}
    identity = Identity(environ, lambda: "made")
    return dict(identity.headers), identity


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"x-request-id": "made", "x-ms-request-id": "made"}),
        ({"x_request_id": "r"}, {"x-request-id": "r", "x-ms-request-id": "r"}),
        (
            {"x_ms_client_request_id": "c"},
            {"x-request-id": "made", "x-ms-request-id": "c", "x-ms-client-request-id": "c"},
        ),
        ({"x_ms_request_id": "l"}, {"x-request-id": "made", "x-ms-request-id": "l", "x-ms-client-request-id": "l"}),
        (
            {"x_request_id": "r", "x_ms_request_id": "l", "x_ms_client_request_id": "c"},
            {"x-request-id": "r", "x-ms-request-id": "l", "x-ms-client-request-id": "c"},
        ),
        ({"traceid": "t"}, {"x-request-id": "made", "x-ms-request-id": "made", "TraceId": "t"}),
    ],
)
def test_ids_are_taken_or_made(given, expected):
    headers, identity = identify(**given)
    assert headers == expected
    identity.check()


@pytest.mark.parametrize("name", ["x_request_id", "x_ms_request_id", "x_ms_client_request_id"])
def test_id_that_is_too_long_is_refused_and_replaced(name):
    headers, identity = identify(**{name: LONG})
    assert headers["x-request-id"] == "made"
    assert LONG not in headers.values()
    with pytest.raises(RequestError) as caught:
        identity.check()
    assert caught.value.status == 431


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "\u00e9", "\x00", "a\x7f"])
def test_id_that_cannot_be_sent_back_is_replaced(value):
    headers, identity = identify(x_request_id=value, x_ms_request_id=value, x_ms_client_request_id=value, traceid=value)
    assert headers == {"x-request-id": "made", "x-ms-request-id": "made"}
    identity.check()


def test_made_ids_are_version_4_uuids_and_differ():
    make = id_maker()
    made = {make() for _ in range(1000)}
    assert len(made) == 1000
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in made
    )
