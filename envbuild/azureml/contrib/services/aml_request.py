"""The raw request, and the mark that asks for it."""

from envbuild.serving.http_types import AMLRequest, rawhttp

__all__ = ["AMLRequest", "rawhttp"]
