"""Cross-origin requests."""

from __future__ import annotations

SCRIPT = """
    def init(): pass
    def run(data): return 1
"""
ASK = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def test_allowed_origin_may_read_the_answer(serve):
    reply = serve(SCRIPT, cors_origins=("http://a.example", "http://b.example")).post(
        "1", {"Origin": "http://b.example"}
    )
    assert reply.headers["access-control-allow-origin"] == "http://b.example"
    assert reply.headers["vary"] == "Origin"


def test_other_origin_may_not(serve):
    client = serve(SCRIPT, cors_origins=("http://a.example",))
    reply = client.post("1", {"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in reply.headers
    preflight = client("OPTIONS", "/score", headers={"Origin": "http://evil.example", **ASK})
    assert preflight.status == 200
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_preflight_of_an_allowed_origin(serve):
    reply = serve(SCRIPT, cors_origins=("http://a.example",))(
        "OPTIONS", "/score", headers={"Origin": "http://a.example", **ASK}
    )
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "http://a.example"
    assert reply.headers["access-control-allow-methods"] == "GET, POST"
    assert reply.headers["access-control-allow-headers"] == "content-type"


def test_any_origin(serve):
    client = serve(SCRIPT, cors_origins=("*",))
    assert client.post("1", {"Origin": "http://x.example"}).headers["access-control-allow-origin"] == "*"
    assert (
        client("OPTIONS", "/score", headers={"Origin": "null", **ASK}).headers["access-control-allow-methods"]
        == "GET, POST"
    )


def test_without_origins_nothing_is_allowed(serve):
    client = serve(SCRIPT)
    reply = client("OPTIONS", "/score", headers={"Origin": "http://a.example", **ASK})
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control") or name == "vary"]


def test_an_error_can_be_read_by_an_allowed_origin_too(serve):
    reply = serve(SCRIPT, cors_origins=("http://a.example",)).get("/nope", {"Origin": "http://a.example"})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (404, "http://a.example")


def test_hostile_preflight_headers_are_not_repeated(serve):
    client = serve(SCRIPT, cors_origins=("*",))
    reply = client("OPTIONS", "/score", headers={"Origin": "x", "Access-Control-Request-Headers": "a\r\nX-Evil: 1"})
    assert "access-control-allow-headers" not in reply.headers
