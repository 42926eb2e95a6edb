"""Cross-origin requests (the Fetch standard, "CORS protocol"): which headers an origin gets to see."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

Header = Tuple[str, str]
METHODS = "GET, POST"


def origin_headers(environ: Mapping[str, Any], origins: tuple[str, ...]) -> list[Header]:
    """Return what allows the request's origin, if it may read the answer."""
    if "*" in origins:
        return [("Access-Control-Allow-Origin", "*")] if environ.get("HTTP_ORIGIN") else []
    vary = [("Vary", "Origin")]  # also without an origin: a cache must not give this answer to one
    origin = environ.get("HTTP_ORIGIN")
    return [("Access-Control-Allow-Origin", origin), *vary] if origin in origins else vary


def preflight_headers(environ: Mapping[str, Any], origins: tuple[str, ...]) -> list[Header]:
    """Return what a preflight is told beyond origin_headers; nothing for an origin that is not allowed."""
    if not origins or not ("*" in origins or environ.get("HTTP_ORIGIN") in origins):
        return []
    found = [("Access-Control-Allow-Methods", METHODS), ("Access-Control-Max-Age", "600")]
    asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    if asked and asked.isascii() and asked.isprintable():
        found.append(("Access-Control-Allow-Headers", asked))
    return found
