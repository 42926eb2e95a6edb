"""`Estimator`, under the module path that Azure gives it."""

from envbuild.azureml.runs.estimator import Estimator

__all__ = ["Estimator"]
