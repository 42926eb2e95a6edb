"""The error of compute targets, under its other module path."""

from envbuild.azureml.runs.compute import ComputeTargetException

__all__ = ["ComputeTargetException"]
