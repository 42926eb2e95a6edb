"""What `azureml.core.webservice` has, on this machine: services as processes and in containers."""

from envbuild.azureml.aks import AksServiceDeploymentConfiguration, AksWebservice
from envbuild.azureml.services import (
    AciServiceDeploymentConfiguration,
    AciWebservice,
    LocalWebservice,
    LocalWebserviceDeploymentConfiguration,
    Webservice,
)

__all__ = [
    "AciServiceDeploymentConfiguration",
    "AciWebservice",
    "AksServiceDeploymentConfiguration",
    "AksWebservice",
    "LocalWebservice",
    "LocalWebserviceDeploymentConfiguration",
    "Webservice",
]
