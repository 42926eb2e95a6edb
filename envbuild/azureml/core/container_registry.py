"""`ContainerRegistry`, under the module path that Azure gives it."""

from envbuild.azureml.environments.sections import ContainerRegistry, RegistryIdentity

__all__ = ["ContainerRegistry", "RegistryIdentity"]
