"""Environments that ship with envbuild, as data; each is locked where and when it is first used."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from envbuild.azureml.environments.environment_yaml import EnvironmentAsset, asset_of, parse_yaml, register
from envbuild.core.errors import WorkspaceError
from envbuild.workspace.environments import RegisteredEnvironment
from envbuild.workspace.workspace import Workspace

_FOLDER = Path(__file__).parent


@cache
def curated_names() -> tuple[str, ...]:
    """Return the names of all that ship, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yml")))


def curated_asset(name: str) -> EnvironmentAsset:
    """Return the curated environment `name`.

    Raises:
        WorkspaceError: none of that name ships.
    """
    if name not in curated_names():
        raise WorkspaceError(f"there is no curated environment {name}", hint=f"there are {', '.join(curated_names())}")
    path = _FOLDER / f"{name}.yml"
    return asset_of(parse_yaml(path.read_text(encoding="utf-8"), path.name), _FOLDER)


def ensure_curated(workspace: Workspace, name: str) -> RegisteredEnvironment:
    """Return the curated environment `name` in the version that ships, putting it into the workspace on first use."""
    return register(workspace, curated_asset(name), curated=True)
