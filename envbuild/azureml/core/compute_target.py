"""The error of compute targets, under its other module path."""

from envbuild.core.errors import WorkspaceError

ComputeTargetException = WorkspaceError
__all__ = ["ComputeTargetException"]
