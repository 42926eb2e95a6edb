"""`RunConfiguration` and its parts, under the module path that Azure gives them."""

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.images import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE
from envbuild.azureml.runs.runconfig import DockerConfiguration, HistoryConfiguration, RunConfiguration

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "DockerConfiguration",
    "HistoryConfiguration",
    "RunConfiguration",
]
