"""`CondaDependencies`, under the module path that Azure gives it."""

from envbuild.azureml.environments.conda_dependencies import DEFAULT_PYTHON, CondaDependencies

__all__ = ["DEFAULT_PYTHON", "CondaDependencies"]
