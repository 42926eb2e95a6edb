"""Compute targets, under the module path that Azure gives them."""

from envbuild.azureml.runs.compute import AmlCompute, ComputeInstance, ComputeTarget, ComputeTargetException

__all__ = ["AmlCompute", "ComputeInstance", "ComputeTarget", "ComputeTargetException"]
