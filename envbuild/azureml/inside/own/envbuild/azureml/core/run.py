"""`Run`, under its other module path."""

from run_context import RunContext as Run  # type: ignore[import-not-found]

__all__ = ["Run"]
