"""`Datastore`, under the module path that Azure gives it."""

from envbuild.azureml.data.datastore import Datastore

__all__ = ["Datastore"]
