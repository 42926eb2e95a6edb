from __future__ import annotations

import ssl
import urllib.error
import urllib.request

import pytest

from tests.support.index import Index


def test_only_who_trusts_the_authority_gets_an_answer(authority):
    site = Index()
    authority.secure(site)
    with site:
        site.add("base", "1.0")
        url = f"{site.url}/base/"
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=authority.certificate)
        with urllib.request.urlopen(url, context=trusting) as answer:
            assert b"base-1.0" in answer.read()
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, context=ssl.create_default_context())
