"""`Workspace`, under the module path that Azure gives it."""

from envbuild.azureml.workspace import Workspace, WorkspaceException

__all__ = ["Workspace", "WorkspaceException"]
