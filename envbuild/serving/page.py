"""The page on which a person tries the service in a browser. It needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path


def _source(html: str, tag: str) -> str:
    """Return the hash by which the content security policy knows the one script or style of the page."""
    text = html.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


_HTML = Path(__file__).with_name("try.html").read_text(encoding="utf-8")
TRY_PAGE = _HTML.encode("utf-8")
_POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_source(_HTML, 'script')}; style-src {_source(_HTML, 'style')}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
