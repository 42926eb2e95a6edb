"""What a script of a run imports: the run that it is, and where models lie."""

from model_paths import Model  # type: ignore[import-not-found]
from run_context import RunContext as Run  # type: ignore[import-not-found]

__all__ = ["Model", "Run"]
