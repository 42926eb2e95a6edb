"""Models in a workspace: files under a name and a version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from envbuild.core.errors import WorkspaceError
from envbuild.core.plan import AppFile
from envbuild.workspace.catalogue import Asset
from envbuild.workspace.store import Tree
from envbuild.workspace.workspace import Workspace

KIND = "model"
FRAMEWORKS = ("Custom", "TensorFlow", "ScikitLearn", "Onnx", "TfKeras", "PyTorch", "Multi")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-._]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """One version of a model. `tree` holds its files below the one top entry that was registered."""

    name: str
    version: int
    tree: Tree
    framework: str = "Custom"
    framework_version: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, object] = field(default_factory=dict)
    run_id: str = ""
    created: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"


def register_model(  # noqa: PLR0913 - Azure's register has as many, and each stands for itself
    workspace: Workspace,
    name: str,
    path: Path,
    *,
    framework: str = "Custom",
    framework_version: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    resources: Mapping[str, object] | None = None,
    run_id: str = "",
    child_paths: Sequence[str] = (),
    about: Mapping[str, str] | None = None,
    version: int | None = None,
) -> RegisteredModel:
    """Keep the file or folder `path` as the next version of model `name`; an identical latest version is returned instead.

    With `version` it becomes that one, or is it already.

    `child_paths` are the files and folders of `path` to keep, all where none is named. `about` is kept with it: the
    experiment, sample inputs and outputs.

    Raises:
        WorkspaceError: the name is not accepted, the framework is not known, there is no such path, or `version` exists with
            other files.
    """
    if not _NAME.fullmatch(name):
        raise WorkspaceError(
            f"{name!r} cannot name a model",
            hint="letters, digits, '-', '.', '_', the first a letter or digit, 255 at most",
        )
    if framework not in FRAMEWORKS:
        raise WorkspaceError(f"model framework {framework!r} is not known", hint=f"one of {', '.join(FRAMEWORKS)}")
    if framework_version and framework == "Custom":
        raise WorkspaceError("a framework version needs a framework", hint=f"one of {', '.join(FRAMEWORKS[1:])}")
    tree = workspace.store.put_tree(path)
    if child_paths:
        tree = _only(tree, child_paths)
    if not tree.files:
        raise WorkspaceError(f"{path} holds no file")
    document: dict[str, object] = {
        "files": tree.to_list(),
        "framework": framework,
        "framework_version": framework_version,
        "resources": dict(resources or {}),
        "run_id": run_id,
        **({"about": dict(about)} if about else {}),
    }
    asset = workspace.catalogue.register(
        KIND, name, document, version=version, description=description, tags=tags, properties=properties
    )
    return _model(asset)


def get_model(workspace: Workspace, name: str, version: int | None = None) -> RegisteredModel:
    """Return one version of a model, the latest by default; `name` may be `name:version`.

    Raises:
        WorkspaceError: there is none.
    """
    if version is None and (found := re.fullmatch(r"(.+):(\d+)", name)):
        name, version = found[1], int(found[2])
    return _model(workspace.catalogue.get(KIND, name, version))


def list_models(
    workspace: Workspace, name: str = "", *, tags: Mapping[str, str | None] | None = None, latest: bool = False
) -> list[RegisteredModel]:
    """Return the models, every version unless `latest`; with `tags`, only those that have them (None: any value)."""
    names = [name] if name else [one.name for one in workspace.catalogue.assets(KIND)]
    found = [_model(asset) for one in names for asset in workspace.catalogue.assets(KIND, one)]
    if latest:
        found = [*{one.name: one for one in found}.values()]
    wanted = dict(tags or {})
    return [
        one
        for one in found
        if all(key in one.tags and (value is None or one.tags[key] == value) for key, value in wanted.items())
    ]


def change_model(
    workspace: Workspace,
    model: RegisteredModel,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
) -> RegisteredModel:
    """Change what may change of a model: description, tags; properties may only be added.

    Raises:
        WorkspaceError: a property that exists would get another value.
    """
    clash = [key for key, value in (properties or {}).items() if model.properties.get(key, value) != value]
    if clash:
        raise WorkspaceError(f"property {clash[0]!r} of model {model.id} is set and cannot be changed")
    asset = workspace.catalogue.get(KIND, model.name, model.version)
    merged = None if properties is None else {**model.properties, **properties}
    return _model(workspace.catalogue.change(asset, description=description, tags=tags, properties=merged))


def download_model(workspace: Workspace, model: RegisteredModel, target: Path, *, overwrite: bool = False) -> Path:
    """Write the model's files below the folder `target` and return the path of its top entry.

    Raises:
        WorkspaceError: the top entry is there already (unless `overwrite`).
        IntegrityError: a kept file is damaged.
    """
    top = target / top_entry(model)
    if top.exists() and not overwrite:
        raise WorkspaceError(f"{top} already exists", hint="say overwrite, or name another folder")
    for one in model.tree.files:
        workspace.store.take_file(one, one.below(target))
    return top


def stored_files(workspace: Workspace, model: RegisteredModel) -> tuple[AppFile, ...]:
    """Return the model's files as an application takes them, straight from the workspace's store."""
    return tuple(
        AppFile(
            path=f"/{one.path}",
            sha256=one.sha256,
            mode=0o755 if one.executable else 0o644,
            source=str(workspace.store.path(one.sha256).resolve()),
        )
        for one in model.tree.files
    )


def top_entry(model: RegisteredModel) -> str:
    """Return the name of the one file or folder that was registered."""
    return model.tree.files[0].path.split("/")[0]


def delete_model(workspace: Workspace, model: RegisteredModel) -> None:
    """Delete one version from the catalogue; its files go with the next `envbuild clean`."""
    workspace.catalogue.delete(KIND, model.name, model.version)


def _model(asset: Asset) -> RegisteredModel:
    document = asset.document
    files, resources, about = document["files"], document.get("resources"), document.get("about")
    return RegisteredModel(
        name=asset.name,
        version=int(asset.version),
        tree=Tree.from_list(files if isinstance(files, list) else []),
        framework=str(document.get("framework", "Custom")),
        framework_version=str(document.get("framework_version", "")),
        description=asset.description,
        tags=asset.tags,
        properties=asset.properties,
        resources=resources if isinstance(resources, dict) else {},
        run_id=str(document.get("run_id", "")),
        created=asset.created,
        about=about if isinstance(about, dict) else {},
    )


def _only(tree: Tree, child_paths: Sequence[str]) -> Tree:
    """Return the part of a folder's tree that lies at or below `child_paths`, which count from the folder."""
    wanted = [PurePosixPath(one).as_posix() for one in child_paths]
    below = {one: one.path.partition("/")[2] for one in tree.files}
    for name in wanted:
        if not any(inner == name or inner.startswith(f"{name}/") for inner in below.values()):
            raise WorkspaceError(f"child path {name!r} is not in the model's folder")
    kept = [
        one for one in tree.files if any(below[one] == name or below[one].startswith(f"{name}/") for name in wanted)
    ]
    return Tree(files=tuple(kept))
