"""Keys and tokens."""

from __future__ import annotations

import base64
import json
import time

import pytest

from envbuild.serving import auth
from envbuild.serving.auth import SecretFile, matches_any, sign_token, token_is_valid

SCRIPT = """
    def init(): pass
    def run(data): return 1
"""
SECRET = b"a secret of some length"
NOW = 1_000_000.0


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# primary, secondary\nkey-one\n\nkey-two\n")
    return path


def bearer(word: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {word}"}


@pytest.mark.parametrize("word", ["key-one", "key-two"])
def test_either_key_lets_a_request_pass(serve, keys, word):
    assert serve(SCRIPT, auth_keys_file=str(keys)).post("1", bearer(word)).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "key-one"}, {"Authorization": "Basic key-one"}, bearer("")])
def test_without_a_key_scoring_is_refused(serve, keys, headers):
    reply = serve(SCRIPT, auth_keys_file=str(keys)).post("1", headers)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("word", ["key-on", "key-onee", "KEY-ONE", "# primary, secondary", "é", "x" * 9000])
def test_wrong_key_is_refused(serve, keys, word):
    reply = serve(SCRIPT, auth_keys_file=str(keys)).post("1", bearer(word))
    assert reply.status == 401
    assert "x-request-id" in reply.headers


def test_health_and_description_need_no_key(serve, keys):
    client = serve(SCRIPT, auth_keys_file=str(keys))
    assert [client.get(path).status for path in ("/", "/swagger.json", "/try")] == [200, 200, 200]


def test_preflight_needs_no_key(serve, keys):
    client = serve(SCRIPT, auth_keys_file=str(keys), cors_origins=("http://a.example",))
    assert client("OPTIONS", "/score", headers={"Origin": "http://a.example"}).status == 200


def test_replaced_keys_hold_without_a_restart(serve, keys, monkeypatch):
    monkeypatch.setattr(auth, "CHECK_INTERVAL_S", 0.0)
    client = serve(SCRIPT, auth_keys_file=str(keys))
    keys.with_name("new").write_text("key-three\n")
    keys.with_name("new").replace(keys)
    assert client.post("1", bearer("key-one")).status == 401
    assert client.post("1", bearer("key-three")).status == 200


def test_file_that_vanishes_keeps_its_keys(keys, monkeypatch):
    monkeypatch.setattr(auth, "CHECK_INTERVAL_S", 0.0)
    file = SecretFile(str(keys))
    keys.unlink()
    assert file.lines() == [b"key-one", b"key-two"]


def test_empty_file_lets_nobody_in(serve, tmp_path):
    (tmp_path / "none").write_text("\n# nothing\n")
    assert serve(SCRIPT, auth_keys_file=str(tmp_path / "none")).post("1", bearer("")).status == 401


def test_comparison_looks_at_every_key():
    assert matches_any(b"b", [b"a", b"b", b"c"])
    assert not matches_any(b"b", [b"a", b"c"])
    assert not matches_any(b"", [])


def test_token_signed_with_either_secret_is_valid():
    token = sign_token({"exp": NOW + 10}, SECRET).encode()
    assert token_is_valid(token, [b"other", SECRET], "svc", NOW)


def claims(**changes):
    return {"exp": NOW + 10, **changes}


@pytest.mark.parametrize(
    "given",
    [
        {},
        claims(exp=NOW),
        claims(exp="never"),
        claims(exp=None),
        claims(exp=True),
        claims(nbf=NOW + 5),
        claims(nbf="soon"),
        claims(aud="another"),
        claims(aud=["another"]),
        claims(aud=None),
    ],
)
def test_token_whose_claims_do_not_hold_is_refused(given):
    assert not token_is_valid(sign_token(given, SECRET).encode(), [SECRET], "svc", NOW)


@pytest.mark.parametrize("aud", ["svc", ["svc", "more"]])
def test_token_for_this_service_is_valid(aud):
    assert token_is_valid(sign_token(claims(aud=aud), SECRET).encode(), [SECRET], "svc", NOW)


def encoded(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        "a.b.c.d",
        f"{encoded({'alg': 'none'})}.{encoded({'exp': 2e9})}.",
        f"{encoded([])}.{encoded({'exp': 2e9})}.x",
        f"{encoded('x' * 100)}.{encoded({'exp': 2e9})}.!!!!",
        "\udcff.a.b",
    ],
)
def test_malformed_or_unsigned_token_is_refused(token):
    assert not token_is_valid(token.encode("utf-8", "replace"), [SECRET], "svc", NOW)


def test_token_with_a_changed_part_is_refused():
    head, payload, signature = sign_token(claims(), SECRET).split(".")
    other = encoded({"exp": NOW + 1e6})
    assert not token_is_valid(f"{head}.{other}.{signature}".encode(), [SECRET], "svc", NOW)
    assert not token_is_valid(f"{head}.{payload}.{signature[:-4]}AAAA".encode(), [SECRET], "svc", NOW)
    weak = encoded({"alg": "HS512", "typ": "JWT"})
    assert not token_is_valid(f"{weak}.{payload}.{signature}".encode(), [SECRET], "svc", NOW)


def test_token_lets_a_request_pass(serve, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    client = serve(SCRIPT, token_secret_file=str(tmp_path / "secret"), service_name="svc")
    token = sign_token({"exp": time.time() + 60, "aud": "svc"}, SECRET)
    assert client.post("1", bearer(token)).status == 200
    assert client.post("1", bearer(sign_token({"exp": time.time() - 1}, SECRET))).status == 401
