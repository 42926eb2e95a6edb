"""What a script of a run imports: the run that it is, and where models lie."""

from .model import Model  # type: ignore[import-untyped]  # both are written beside this file for each run
from .run import RunContext as Run  # type: ignore[import-untyped]

__all__ = ["Model", "Run"]


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(name)
    raise ImportError(
        f"inside a run, azureml.core has Run and Model; for {name}, add envbuild to the packages of the environment"
    )
