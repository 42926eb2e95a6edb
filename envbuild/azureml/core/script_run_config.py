"""`ScriptRunConfig`, under the module path that Azure gives it."""

from envbuild.azureml.runs.script_run_config import ScriptRunConfig

__all__ = ["ScriptRunConfig"]
