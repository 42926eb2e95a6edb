"""The answer that a script makes itself."""

from _serving_http_types import AMLResponse  # type: ignore[import-not-found]

__all__ = ["AMLResponse"]
