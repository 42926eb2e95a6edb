"""`Dataset`, under the module path that Azure gives it."""

from envbuild.azureml.data.dataset import Dataset

__all__ = ["Dataset"]
