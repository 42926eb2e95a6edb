"""How pip's side reaches an index: credentials of a netrc and a keyring, a private authority, a proxy."""

from __future__ import annotations

import os

import pytest

from envbuild.core.errors import NetworkError
from tests.solve.asking import pins, resolve
from tests.support.ca import Authority
from tests.support.http import Response
from tests.support.index import Index

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


def test_credentials_come_from_netrc(private_index, tmp_path, monkeypatch):
    private_index.add("lib", "1.0")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password s3cret-pass\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    [lib] = resolve("lib", index=private_index.url)
    assert (lib.index, lib.wheels[0].url.partition("/files/")[0]) == (private_index.url, private_index.root)


@pytest.mark.skipif(os.name != "posix", reason="the keyring of this test is a shell script")
def test_credentials_come_from_a_keyring_for_the_user_that_the_url_names(private_index, tmp_path, monkeypatch):
    private_index.add("lib", "1.0")
    keyring = tmp_path / "bin" / "keyring"
    keyring.parent.mkdir()
    keyring.write_text('#!/bin/sh\n[ "$1" = get ] && [ "$3" = reader ] && echo s3cret-pass\n')
    keyring.chmod(0o755)
    monkeypatch.setenv("PATH", f"{keyring.parent}:{os.environ['PATH']}")
    [lib] = resolve("lib", index=private_index.url.replace("://", "://reader@"))
    assert "reader" not in repr(lib)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
def test_a_private_authority_is_trusted_where_a_variable_names_it(tmp_path, monkeypatch, variable):
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    authority, site = Authority(tmp_path), Index()
    authority.secure(site)
    with site:
        site.add("lib", "1.0")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(NetworkError, match="SSL_CERT_FILE"):
            resolve("lib", index=site.url)
        monkeypatch.setenv(variable, str(authority.certificate))
        assert pins(resolve("lib", index=site.url)) == {"lib": "1.0"}


class Proxy(Index):
    """An index that is reached as a proxy under another host's name."""

    def answer(self, path, headers) -> Response:
        return (
            super().answer(path, headers)
            if headers.get("Host") == "index.example"
            else Response(status=502, content=b"")
        )


def test_an_index_is_reached_through_a_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with Proxy() as proxy:
        proxy.add("lib", "1.0")
        monkeypatch.setenv("HTTP_PROXY", proxy.root)
        monkeypatch.setenv("http_proxy", proxy.root)
        [lib] = resolve("lib", index="http://index.example/simple")
    assert lib.wheels[0].url.startswith("http://index.example/files/")
