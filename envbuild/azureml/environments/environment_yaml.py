"""v2 environments: the YAML that `az ml environment create` takes, read, checked, written, registered."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from envbuild.core.bases import DEFAULT_IMAGE
from envbuild.core.errors import DefinitionError, Problem
from envbuild.workspace.environments import ANONYMOUS, RegisteredEnvironment, register_environment
from envbuild.workspace.store import Tree

if TYPE_CHECKING:
    from envbuild.workspace.workspace import Workspace

MAIN = "environment.yml"
CONTEXT = "context"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentAsset:
    """A v2 environment. `conda_file` is the file's content; `build` counts from `root`; only `name` identifies nothing."""

    name: str = ""
    version: str = ""
    image: str = ""
    conda_file: Mapping[str, Any] | None = None
    build: str = ""
    dockerfile_path: str = ""
    dockerfile: str = ""
    os_type: str = ""
    inference_config: Mapping[str, Any] | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    datastore: str = ""
    schema: str = ""
    root: Path = field(default=Path(), compare=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether it has neither a name nor a version."""
        return not self.name and not self.version


def load_environment(path: Path, environment: str = "") -> EnvironmentAsset:
    """Return the environment that the YAML file `path` says, or the one inside a job, component or deployment.

    `environment` chooses among several inside one file, by name or by place (`jobs.train.environment`).

    Raises:
        DefinitionError: every problem of the file, each with its line and key.
    """
    from envbuild.read.azure_v2 import parse_v2
    from envbuild.read.sources import Files
    from envbuild.read.text import decode

    files = Files(path.parent)
    text = decode(files(path.name), path.name)
    definition = parse_v2(text, path.name, files, environment)
    content = _at(parse_yaml(text, path.name), definition.origin.key)
    made = asset_of(content, path.parent)
    if definition.base.dockerfile:
        return replace(made, dockerfile=definition.base.dockerfile)
    return replace(made, image=made.image or definition.base.image)


def _at(content: Any, key: str) -> Any:
    """Return what stands under a key path such as `jobs.train.environment` or `steps[0].environment`."""
    for name, place in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        content = content[name] if name else content[int(place)]
    return content


def asset_of(content: Mapping[str, Any], root: Path) -> EnvironmentAsset:
    """Return the environment that the map `content` says, paths in it counting from `root`; the map is not checked here."""
    build = content.get("build") or {}
    return EnvironmentAsset(
        name=_text(content.get("name")),
        version=_text(content.get("version")),
        image=_text(content.get("image")),
        conda_file=_conda(content, root),
        build=_local(_text(build.get("path") or build.get("local_path"))),
        dockerfile_path=_local(_text(build.get("dockerfile_path"))),
        os_type=_text(content.get("os_type")),
        inference_config=content.get("inference_config"),
        description=_text(content.get("description")),
        tags={str(key): _text(value) for key, value in (content.get("tags") or {}).items()},
        datastore=_text(content.get("datastore")),
        schema=_text(content.get("$schema")),
        root=root,
    )


def document(asset: EnvironmentAsset) -> dict[str, Any]:
    """Return the YAML document of `asset`, keys in alphabetical order, the conda file inside."""
    build = {"path": asset.build, "dockerfile_path": asset.dockerfile_path}
    full: dict[str, Any] = {
        "$schema": asset.schema,
        "build": {key: value for key, value in build.items() if value},
        "conda_file": asset.conda_file and dict(asset.conda_file),
        "datastore": asset.datastore,
        "description": asset.description,
        "image": asset.image,
        "inference_config": asset.inference_config,
        "name": asset.name,
        "os_type": asset.os_type,
        "tags": dict(asset.tags),
        "version": asset.version,
    }
    return {key: value for key, value in full.items() if value}


def dump(asset: EnvironmentAsset, path: Path | None = None, *, overwrite: bool = False) -> str:
    """Return the YAML of `asset`, and write it to `path` where one is given; `build.path` then counts from there.

    Raises:
        FileExistsError: `path` is there (unless `overwrite`).
        DefinitionError: it has an inline Dockerfile, which v2's YAML cannot say.
    """
    from envbuild.files import write_atomic

    if asset.dockerfile:
        raise DefinitionError(
            "a Dockerfile inside the YAML is the old way", hint="write it to a folder, and name that under build:"
        )
    if path is not None and path.exists() and not overwrite:
        raise FileExistsError(17, "File exists", str(path))
    content = document(asset)
    if path is not None and asset.build and "://" not in asset.build:
        place = os.path.relpath(asset.root / asset.build, path.parent)
        content["build"] = {**content["build"], "path": place}
    text = yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=1 << 16)
    if path is not None:
        write_atomic(path, text)
    return text


def register(
    workspace: Workspace, asset: EnvironmentAsset, *, name: str = "", version: str = "", curated: bool = False
) -> RegisteredEnvironment:
    """Keep `asset` in the workspace, under `name` and `version` where they are given; one without either by its hash.

    Raises:
        WorkspaceError: the name is reserved or not accepted, or the version exists with another definition.
        DefinitionError: there is no such build context.
    """
    from envbuild.azureml.environments.anonymous import anonymous_version

    files: dict[str, str] = {}
    tree = Tree(files=())
    placed = asset
    if asset.dockerfile:
        files[f"{CONTEXT}/Dockerfile"] = asset.dockerfile
        placed = replace(asset, build=CONTEXT, dockerfile="", dockerfile_path="")
    elif asset.build and "://" not in asset.build:
        tree = _context_tree(workspace, asset)
        placed = replace(asset, build=CONTEXT)
    named = replace(asset, name=name or asset.name, version=version or asset.version)
    if named.is_anonymous:
        named = replace(named, name=ANONYMOUS, version=anonymous_version(asset))
    if not placed.image and not placed.build:
        # inside a job the image may be left out; in a file of its own it may not
        placed = replace(placed, image=DEFAULT_IMAGE)
    content = document(replace(placed, name="", version="", description="", tags={}, schema="", datastore=""))
    files[MAIN] = yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=1 << 16)
    return register_environment(
        workspace,
        named.name,
        MAIN,
        files,
        version=named.version or None,
        tree=tree,
        description=named.description,
        tags=named.tags,
        curated=curated,
    )


def parse_yaml(text: str, file: str) -> dict[str, Any]:
    """Return the map in YAML `text`.

    Raises:
        DefinitionError: it is not YAML, or not a map.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DefinitionError(Problem(message=f"is not YAML: {error}", file=file)) from error
    if not isinstance(content, dict):
        raise DefinitionError(Problem(message="a map is needed", file=file))
    return content


def _context_tree(workspace: Workspace, asset: EnvironmentAsset) -> Tree:
    folder = (asset.root / asset.build).resolve()
    dockerfile = asset.dockerfile_path or "Dockerfile"
    if not (folder / dockerfile).is_file():
        raise DefinitionError(
            Problem(
                message=f"{folder} has no {dockerfile}",
                key="build",
                hint="dockerfile_path counts from the folder of path:",
            )
        )
    kept = workspace.store.put_tree(folder)
    return Tree(
        files=tuple(replace(one, path=f"{CONTEXT}/{one.path.removeprefix(f'{folder.name}/')}") for one in kept.files)
    )


def _conda(content: Mapping[str, Any], root: Path) -> dict[str, Any] | None:
    old = content.get("conda") or {}
    written = (
        content.get("conda_file")
        or old.get("conda_dependencies_file")
        or old.get("conda_dependencies")
        or old.get("conda_file")
    )
    if isinstance(written, Mapping):
        return dict(written)
    if not written:
        return None
    path = root / _local(str(written))
    return parse_yaml(path.read_bytes().decode("utf-8-sig"), path.name)


def _local(path: str) -> str:
    if not path or "://" in path or path.startswith("git@"):
        return path
    return os.path.normpath(path.removeprefix("file:"))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
