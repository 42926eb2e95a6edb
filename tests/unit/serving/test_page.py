"""The page to try the service."""

from __future__ import annotations

import base64
import hashlib
import re

from envbuild.serving import page


def test_page_needs_nothing_from_elsewhere():
    html = page.TRY_PAGE.decode()
    assert not re.search(r"(src|href)\s*=|@import|url\(|https?://", html)


def test_policy_allows_exactly_the_script_and_style_of_the_page():
    html, policy = page.TRY_PAGE.decode(), dict(page.HEADERS)["Content-Security-Policy"]
    for tag in ("script", "style"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert len(texts) == 1
        digest = base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "style=" not in html
    assert not re.search(r"\son\w+=", html)


def test_every_field_has_a_label():
    html = page.TRY_PAGE.decode()
    fields = re.findall(r"<(?:textarea|input)[^>]* id=\"(\w+)\"", html)
    assert fields == re.findall(r"<label for=\"(\w+)\"", html)
