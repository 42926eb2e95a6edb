"""The raw response."""

from envbuild.serving.http_types import AMLResponse

__all__ = ["AMLResponse"]
