"""Environments between Azure's classes and the workspace: registered as their files, given back as objects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.environments.conda_dependencies import CondaDependencies
from envbuild.azureml.environments.curated import curated_names, ensure_curated
from envbuild.azureml.environments.environment import Environment
from envbuild.azureml.environments.saved import JSON_FILE, environment_files, environment_parts
from envbuild.azureml.environments.secrets import keep_secrets, kept_secrets
from envbuild.azureml.environments.sections import DockerBuildContext
from envbuild.core.errors import DefinitionError
from envbuild.workspace.environments import (
    RegisteredEnvironment,
    environment_folder,
    get_environment,
    list_environments,
    register_environment,
)
from envbuild.workspace.store import StoredFile, Tree

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

CONTEXT = "context"
"""The folder of a build context inside a registered environment."""


def register(workspace: Workspace, environment: Environment) -> Environment:
    """Keep `environment` in the workspace and return it with its version.

    Raises:
        WorkspaceError: the name is reserved or not accepted.
        DefinitionError: it is not complete.
    """
    stored = store(workspace, environment)
    return as_environment(workspace, stored)


def store(workspace: Workspace, environment: Environment) -> RegisteredEnvironment:
    """Keep `environment` in the workspace; an unchanged curated one stays what it is."""
    if not environment.name:
        raise DefinitionError("an environment without a name cannot be registered", hint="Environment(name=…)")
    if environment.name in curated_names() and environment == as_environment(
        workspace, ensure_curated(workspace.core, environment.name)
    ):
        return ensure_curated(workspace.core, environment.name)
    name = environment.name
    context = environment.docker.build_context
    tree = Tree(files=())
    if context is not None and context.location_type == "local":
        environment, tree = _with_context(workspace, environment, context)
    files, secrets = environment_files(environment)
    content = json.loads(files[JSON_FILE])
    files[JSON_FILE] = json.dumps({**content, "name": None, "version": None, "assetId": None})
    keep_secrets(name, secrets, "the workspace")
    return register_environment(workspace.core, name, JSON_FILE, files, tree=tree)


def _with_context(
    workspace: Workspace, environment: Environment, context: DockerBuildContext
) -> tuple[Environment, Tree]:
    kept = workspace.core.store.put_tree(Path(str(context.location)))
    top = Path(str(context.location)).resolve().name
    files = tuple(replace(one, path=_below(one, top)) for one in kept.files)
    moved = environment.clone(str(environment.name))
    moved.docker.build_context = DockerBuildContext("git", CONTEXT, context.dockerfile_path)
    return moved, Tree(files=files)


def _below(one: StoredFile, top: str) -> str:
    return f"{CONTEXT}/{one.path.removeprefix(f'{top}/')}"


def get(workspace: Workspace, name: str, version: str | None = None, label: str = "") -> Environment:
    """Return a registered or curated environment.

    Raises:
        WorkspaceError: there is none.
    """
    return as_environment(workspace, find(workspace, name, version, label))


def find(workspace: Workspace, name: str, version: str | None = None, label: str = "") -> RegisteredEnvironment:
    """Return a registered environment; a curated one is put into the workspace when it is asked for first.

    Raises:
        WorkspaceError: there is none.
    """
    if name in curated_names():
        ensure_curated(workspace.core, name)
    return get_environment(workspace.core, name, version, label)


def list_all(workspace: Workspace) -> dict[str, Environment]:
    """Return the latest version of every environment by name, curated ones first."""
    for name in curated_names():
        ensure_curated(workspace.core, name)
    return {one.name: as_environment(workspace, one) for one in list_environments(workspace.core)}


def as_environment(workspace: Workspace, stored: RegisteredEnvironment) -> Environment:
    """Return a registered version as an Environment, whichever way it was written."""
    if stored.main == JSON_FILE:
        content = {**json.loads(stored.files[JSON_FILE]), "name": stored.name, "version": stored.version}
        made = Environment.from_parts(environment_parts(content, dict(stored.files), kept_secrets(stored.name)))
        context = made.docker.build_context
        if context is not None and stored.tree.files:
            made.docker.build_context = DockerBuildContext(
                "local", str(environment_folder(workspace.core, stored) / CONTEXT), context.dockerfile_path
            )
        return made
    return _from_v2(workspace, stored)


def _from_v2(workspace: Workspace, stored: RegisteredEnvironment) -> Environment:
    from envbuild.azureml.environments.environment_yaml import parse_yaml

    content: dict[str, Any] = parse_yaml(stored.files[stored.main], stored.main)
    made = Environment(stored.name)
    made.version = stored.version
    made.environment_variables = {}
    conda, build = content.get("conda_file"), content.get("build")
    made.docker.base_image = content.get("image")
    if build:
        place = build["path"]
        folder = str(environment_folder(workspace.core, stored) / place) if stored.tree.files else place
        kind = "local" if stored.tree.files else "git"
        made.docker.build_context = DockerBuildContext(kind, folder, build.get("dockerfile_path", "Dockerfile"))
    made.python.conda_dependencies = CondaDependencies(_underlying_structure=conda) if conda else None
    made.python.user_managed_dependencies = not conda
    return made
