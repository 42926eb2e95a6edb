"""Environments in a workspace: the files of a definition under a name and a version.

A version is the files that a person would keep (`azureml_environment.json` with its side files, or a v2 YAML with its conda
file and build context), so that there is one reader for them all. `environment_folder` lays them out; the lock of a version
lies beside them, where `envbuild lock` would put it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from envbuild.core.errors import WorkspaceError
from envbuild.core.keys import canonical, sha256
from envbuild.files import exclusive, new_folder
from envbuild.workspace.catalogue import Asset
from envbuild.workspace.store import Tree
from envbuild.workspace.workspace import Workspace

KIND = "environment"
ANONYMOUS = "CliV2AnonymousEnvironment"
"""The name under which Azure keeps environments that have none; they are in no list."""

RESERVED = ("azureml", "microsoft")
"""What the name of a curated environment begins with, in any case."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}")
_COMPLETE = ".complete"
NO_TREE = Tree(files=())


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredEnvironment:
    """One version of an environment. `files` are its texts by path, `main` the one to read; `tree` is its build context."""

    name: str
    version: str
    main: str
    files: Mapping[str, str]
    tree: Tree = NO_TREE
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False
    created: str = ""

    @property
    def id(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"

    @property
    def digest(self) -> str:
        """The SHA-256 over what it is, whatever it is called."""
        return sha256(canonical([self.main, dict(self.files), self.tree.digest]))


def check_name(name: str, *, curated: bool = False) -> None:
    """Check that `name` may name an environment.

    Raises:
        WorkspaceError: it is empty, has other characters than names have, or is reserved (unless `curated`).
    """
    if not _NAME.fullmatch(name):
        raise WorkspaceError(
            f"{name!r} cannot name an environment",
            hint="letters, digits, '_', '-', '.', the first no '-' or '.', 255 at most",
        )
    if not curated and name.lower().startswith(RESERVED):
        raise WorkspaceError(
            f"the name {name!r} is reserved: AzureML and Microsoft begin the names of curated environments",
            hint="clone the environment under a name of your own",
        )


def register_environment(
    workspace: Workspace,
    name: str,
    main: str,
    files: Mapping[str, str],
    *,
    version: str | None = None,
    tree: Tree | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    curated: bool = False,
) -> RegisteredEnvironment:
    """Keep a definition as the next version of `name`, or as `version`; one that is the same as the latest adds none.

    `tree` are the files of a build context, kept in the workspace's store. `description` and `tags` of an identical
    version are brought up to date where they are given.

    Raises:
        WorkspaceError: the name or version is not accepted, or `version` exists with another definition.
    """
    check_name(name, curated=curated or name == ANONYMOUS)
    if version is not None and (not _VERSION.fullmatch(version) or version == "latest"):
        raise WorkspaceError(f"{version!r} cannot be a version", hint="letters, digits, '_', '.', '+', '-'; not latest")
    for path in files:
        _check_path(path)
    document: dict[str, object] = {"main": main, "files": dict(files), "tree": (tree or NO_TREE).to_list()}
    catalogue = workspace.catalogue
    asset = catalogue.register(KIND, name, document, version=version, description=description, tags=tags)
    changed_tags = tags if tags and dict(asset.tags) != dict(tags) else None
    changed_text = description if description and asset.description != description else None
    if changed_tags is not None or changed_text is not None:
        asset = catalogue.change(asset, description=changed_text, tags=changed_tags)
    return _environment(asset)


def get_environment(
    workspace: Workspace, name: str, version: str | None = None, label: str = ""
) -> RegisteredEnvironment:
    """Return one version: `version`, the one under `label`, or the latest.

    Raises:
        WorkspaceError: there is none, or both `version` and `label` are given.
    """
    if version is not None and label:
        raise WorkspaceError("version and label were both given", hint="name one of them")
    return _environment(workspace.catalogue.get(KIND, name, version, label))


def has_environment(workspace: Workspace, name: str) -> bool:
    """Tell whether any version of `name` is there, archived or not."""
    return bool(workspace.catalogue.assets(KIND, name, archived=True))


def list_environments(workspace: Workspace, name: str = "", *, archived: bool = False) -> list[RegisteredEnvironment]:
    """Return all versions of `name`, or the latest of each name; those without a name of their own are in no list."""
    found = workspace.catalogue.assets(KIND, name, archived=archived)
    return [_environment(one) for one in found if name == ANONYMOUS or one.name != ANONYMOUS]


def change_environment(
    workspace: Workspace,
    environment: RegisteredEnvironment,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> RegisteredEnvironment:
    """Change what may change of a version: its description and its tags."""
    asset = workspace.catalogue.get(KIND, environment.name, environment.version)
    return _environment(workspace.catalogue.change(asset, description=description, tags=tags))


def archive_environment(workspace: Workspace, name: str, version: str | None = None, *, archived: bool = True) -> None:
    """Archive (or restore) one version, or, without `version`, all of `name` and the versions to come.

    An archived version is in no list and still answers to its name and version.

    Raises:
        WorkspaceError: there is none; or one version is to be restored while all of the name is archived.
    """
    catalogue = workspace.catalogue
    if version is None:
        catalogue.archive_all(KIND, name, archived=archived)
        return
    asset = catalogue.get(KIND, name, version)
    if not archived and catalogue.is_archived(KIND, name):
        raise WorkspaceError(
            f"environment {name} is archived as a whole; one version of it cannot be restored",
            hint=f"restore {name} without a version",
        )
    catalogue.change(asset, archived=archived)


def label_environment(workspace: Workspace, name: str, version: str, labels: list[str]) -> None:
    """Put `labels` on one version; each leaves the version that it was on.

    Raises:
        WorkspaceError: there is no such version, or a label is `latest`, which always is the newest one's.
    """
    if "latest" in labels:
        raise WorkspaceError("the label latest cannot be set", hint="it always is on the newest version")
    workspace.catalogue.label(KIND, name, version, labels)


def delete_environment(workspace: Workspace, name: str, version: str) -> None:
    """Delete one version and its labels; its number is not given again."""
    workspace.catalogue.delete(KIND, name, version)


def environment_folder(workspace: Workspace, environment: RegisteredEnvironment) -> Path:
    """Return the folder that holds the files of a version, laid out on first use; its lock is kept there too.

    Raises:
        IntegrityError: a kept file is damaged.
    """
    folder = workspace.folder / "environments" / environment.name / environment.version
    with exclusive(folder.with_name(f".{environment.version}.lock")):
        if _laid_out(folder) != environment.digest:
            with new_folder(folder, overwrite=True) as empty:
                _lay_out(workspace, environment, empty)
                (empty / _COMPLETE).write_text(environment.digest)
    return folder


def write_environment(
    workspace: Workspace, environment: RegisteredEnvironment, folder: Path, *, overwrite: bool = False
) -> None:
    """Write the files of a version to `folder`, in one step.

    Raises:
        EnvbuildError: the folder is there and not empty (unless `overwrite`), or cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as empty:
        _lay_out(workspace, environment, empty)


def main_file(workspace: Workspace, environment: RegisteredEnvironment) -> Path:
    """Return the path of the definition of a version, as `api.read_definition` takes it."""
    return environment_folder(workspace, environment) / environment.main


def _laid_out(folder: Path) -> str:
    try:
        return (folder / _COMPLETE).read_text(encoding="utf-8")
    except OSError:
        return ""


def texts(environment: RegisteredEnvironment) -> dict[str, str]:
    """Return the texts of a version by path, the main one with the name and version that the registration gave it."""
    return {
        path: _named(text, environment) if path == environment.main else text
        for path, text in environment.files.items()
    }


def _lay_out(workspace: Workspace, environment: RegisteredEnvironment, folder: Path) -> None:
    for path, text in texts(environment).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for one in environment.tree.files:
        workspace.store.take_file(one, one.below(folder))


def _named(text: str, environment: RegisteredEnvironment) -> str:
    """Return the main file with the name and version that the registration gave it; v2's YAML has description and tags too."""
    if environment.main.endswith(".json"):
        content = json.loads(text)
        return json.dumps({**content, "name": environment.name, "version": environment.version}, indent=4)
    # JSON is YAML: what is quoted so reads back as it is
    about = {
        "name": environment.name,
        "version": environment.version,
        "description": environment.description,
        "tags": dict(environment.tags),
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in about.items() if value) + text


def _check_path(path: str) -> None:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise WorkspaceError(f"{path!r} is not a path inside an environment's folder")


def _environment(asset: Asset) -> RegisteredEnvironment:
    files, tree = asset.document["files"], asset.document["tree"]
    return RegisteredEnvironment(
        name=asset.name,
        version=asset.version,
        main=str(asset.document["main"]),
        files={str(path): str(text) for path, text in files.items()} if isinstance(files, dict) else {},
        tree=Tree.from_list(tree if isinstance(tree, list) else []),
        description=asset.description,
        tags=asset.tags,
        archived=asset.archived,
        created=asset.created,
    )
