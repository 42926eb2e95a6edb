"""`Experiment`, under the module path that Azure gives it."""

from envbuild.azureml.runs.experiment import Experiment

__all__ = ["Experiment"]
