"""`Environment` and its parts, under the module path that Azure gives them."""

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.environment import Environment, EnvironmentReference
from envbuild.azureml.environments.images import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE
from envbuild.azureml.environments.sections import (
    ContainerRegistry,
    DatabricksSection,
    DockerBuildContext,
    DockerSection,
    PythonSection,
    RCranPackage,
    RegistryIdentity,
    RGitHubPackage,
    RSection,
    SparkPackage,
    SparkSection,
)

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "ContainerRegistry",
    "DatabricksSection",
    "DockerBuildContext",
    "DockerSection",
    "Environment",
    "EnvironmentReference",
    "PythonSection",
    "RCranPackage",
    "RGitHubPackage",
    "RSection",
    "RegistryIdentity",
    "SparkPackage",
    "SparkSection",
]
