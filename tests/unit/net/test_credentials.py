import json
import sys
import types

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.net.credentials import Credential, CredentialFinder, mask, mask_url, strip_credentials

URL = "https://index.example/simple/a"


@pytest.fixture
def home(tmp_path):
    return tmp_path


def finder(home, *, use_keyring=False, **environ):
    return CredentialFinder(environ=environ, home=home, use_keyring=use_keyring)


@pytest.mark.parametrize(
    "credential",
    [
        Credential(username="me", password="s3cret"),
        Credential(username="s3cret"),
        Credential(token="s3cret"),
        Credential(identity_token="s3cret"),
        Credential(conda_token="s3cret"),
    ],
)
def test_no_form_of_a_credential_shows_its_secret(credential):
    assert "s3cret" not in f"{credential} {credential!r} {[credential]}"
    assert "s3cret" in credential.secrets


def test_headers():
    assert Credential(username="Aladdin", password="open sesame").header == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Credential(token="t").header == "Bearer t"
    assert Credential().header == Credential(identity_token="t").header == ""


@pytest.mark.parametrize(
    ("url", "bare", "credential"),
    [
        ("https://index.example/simple", "https://index.example/simple", None),
        (
            "https://me:p%40ss@index.example:8/s?q#f",
            "https://index.example:8/s?q#f",
            Credential(username="me", password="p@ss"),
        ),
        ("https://token@index.example/s", "https://index.example/s", Credential(username="token")),
        ("https://me:a@b@index.example/s", "https://index.example/s", Credential(username="me", password="a@b")),
        ("https://@index.example/s", "https://index.example/s", None),
        ("not a url", "not a url", None),
    ],
)
def test_credentials_leave_the_url(url, bare, credential):
    assert strip_credentials(url) == (bare, credential)


def test_masking_replaces_the_longest_first():
    assert mask("abcdef abc", ["abc", "abcdef", ""]) == "**** ****"


def test_a_masked_url_has_no_userinfo_query_or_conda_token():
    assert mask_url("https://h.example/t/tok-1") == "https://h.example/t/****"
    assert (
        mask_url("https://me:pw@h.example/t/tok-1/main/x.conda?sig=1#frag") == "https://h.example/t/****/main/x.conda?…"
    )


def test_what_stands_in_the_url_comes_first(home):
    (home / ".netrc").write_text("machine index.example login other password no\n")
    assert finder(home).for_url("https://me:pw@index.example/a") == Credential(username="me", password="pw")


def test_the_environment_names_the_host(home):
    environ = {"ENVBUILD_AUTH_INDEX_EXAMPLE_USERNAME": "me", "ENVBUILD_AUTH_INDEX_EXAMPLE_PASSWORD": "pw"}
    assert finder(home, **environ).for_url(URL) == Credential(username="me", password="pw")
    assert finder(home, **environ).for_url("https://index.example:8443/a") == Credential(username="me", password="pw")
    assert finder(home, **environ).for_url("https://other.example/a") is None
    with_port = {**environ, "ENVBUILD_AUTH_INDEX_EXAMPLE_8443_TOKEN": "t"}
    assert finder(home, **with_port).for_url("https://index.example:8443/a") == Credential(token="t")


def test_netrc_of_the_home_and_of_the_environment(home):
    (home / ".netrc").write_text("machine index.example login me password pw\n")
    (home / "other").write_text("machine index.example login you password pw2\n")
    assert finder(home).for_url(URL) == Credential(username="me", password="pw")
    assert finder(home, NETRC=str(home / "other")).for_url(URL) == Credential(username="you", password="pw2")
    assert finder(home, NETRC=str(home / "missing")).for_url(URL) is None


def test_a_broken_netrc_matters_only_where_it_speaks_of_the_host(home):
    (home / ".netrc").write_text("machine index.example login me pasword pw-secret\n")
    assert finder(home).for_url("https://other.example/") is None
    with pytest.raises(DefinitionError, match=r"\.netrc: .*line 1") as caught:
        finder(home).for_url(URL)
    assert "pw-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "entry", "credential"),
    [
        ("index.example", {"BearerToken": "t"}, Credential(token="t")),
        ("index.example", {"CondaToken": "t"}, Credential(conda_token="t")),
        ("*.example", {"BasicHTTP": {"username": "me", "password": "pw"}}, Credential(username="me", password="pw")),
        ("other.example", {"BearerToken": "t"}, None),
        ("index.example", {"S3Credentials": {}}, None),
    ],
)
def test_rattlers_file(home, key, entry, credential):
    path = home / "auth.json"
    path.write_text(json.dumps({key: entry}))
    assert finder(home, RATTLER_AUTH_FILE=str(path)).for_url(URL) == credential
    (home / ".rattler").mkdir()
    path.rename(home / ".rattler" / "credentials.json")
    assert finder(home).for_url(URL) == credential


def test_a_broken_file_is_named_and_not_shown(home):
    path = home / "auth.json"
    path.write_text('{"index.example": "s3cret')
    with pytest.raises(DefinitionError, match=r"auth\.json is not JSON") as caught:
        finder(home, RATTLER_AUTH_FILE=str(path)).for_url(URL)
    assert "s3cret" not in str(caught.value)


def test_the_keyring_is_asked_only_where_it_was_asked_for(home, monkeypatch):
    asked = []

    def get_credential(service, username):
        asked.append((service, username))
        return types.SimpleNamespace(username="me", password="pw")

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_credential=get_credential))
    assert finder(home).for_url(URL) is None
    assert asked == []
    found = finder(home, use_keyring=True).for_url("https://me@index.example:8/a")
    assert found == Credential(username="me", password="pw")
    assert asked == [("index.example:8", "me")]


def test_a_keyring_that_fails_is_no_credential(home, monkeypatch):
    def get_credential(service, username):
        raise RuntimeError("no D-Bus")

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_credential=get_credential))
    assert finder(home, use_keyring=True).for_url(URL) is None
