"""`ResourceConfiguration`, under the module path that Azure gives it."""

from envbuild.azureml.models.resource_configuration import ResourceConfiguration

__all__ = ["ResourceConfiguration"]
