"""`Run`, under the module path that Azure gives it."""

from envbuild.azureml.runs.inside.run_context import RunContext, _OfflineRun
from envbuild.azureml.runs.run import Run

__all__ = ["Run", "RunContext", "_OfflineRun"]
