"""What a script of a run imports: the run that it is."""

from run_context import RunContext as Run  # type: ignore[import-not-found]

__all__ = ["Run"]
