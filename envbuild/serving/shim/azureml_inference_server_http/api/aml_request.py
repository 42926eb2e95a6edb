"""The raw request, and the mark that asks for it."""

from _serving_http_types import AMLRequest, rawhttp  # type: ignore[import-not-found]

__all__ = ["AMLRequest", "rawhttp"]
