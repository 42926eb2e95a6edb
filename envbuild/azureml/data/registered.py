"""Datasets in the workspace: their files, content-addressed, under a name and a version."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.data.data_reference import DataReference
from envbuild.core.errors import WorkspaceError
from envbuild.workspace.catalogue import Asset
from envbuild.workspace.store import Tree

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

KIND = "dataset"


class RegisteredData:
    """Files on this machine, and, once registered, their name and version."""

    form = ""

    def __init__(self, paths: Sequence[Path], options: Mapping[str, Any] | None = None) -> None:
        """Take the files; nothing is read before it is asked for."""
        self.paths = tuple(paths)
        self.options = dict(options or {})
        self.name: str | None = None
        self.version: int | None = None
        self.description = ""
        self.tags: dict[str, str] = {}

    @property
    def id(self) -> str:
        """`name:version`, or an empty text where it is not registered."""
        return f"{self.name}:{self.version}" if self.name else ""

    @property
    def folder(self) -> Path:
        """The folder that all files are in, at whatever depth."""
        return Path(os.path.commonpath([path.parent for path in self.paths]))

    def as_named_input(self, name: str) -> DataReference:
        """Return the data as an argument of a script, which finds it in `run.input_datasets[name]`."""
        alone = len(self.paths) == 1 and self.form != "file"
        return DataReference(self.paths[0] if alone else self.folder, "direct", name, self.id)

    def register(
        self,
        workspace: Workspace,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
    ) -> Any:
        """Keep the files in the workspace, and return the registered dataset; the same content adds no version.

        Raises:
            WorkspaceError: the name has other content, and `create_new_version` is False.
        """
        catalogue = workspace.core.catalogue
        document = {"form": self.form, "options": self.options, "files": _kept(workspace, self).to_list()}
        there = catalogue.assets(KIND, name, archived=True)
        if there and not create_new_version and dict(there[-1].document) != document:
            raise WorkspaceError(f"dataset {name} exists with other content", hint="say create_new_version=True")
        asset = catalogue.register(KIND, name, document, description=description or "", tags=tags)
        return of_asset(workspace, asset)


def of_asset(workspace: Workspace, asset: Asset) -> Any:
    """Return a registered dataset, its files laid out in the workspace."""
    from envbuild.azureml.data import FileDataset, TabularDataset

    files = asset.document["files"]
    tree = Tree.from_list(files if isinstance(files, list) else [])
    folder = workspace.core.folder / "datasets" / tree.digest
    for one in tree.files:
        if not one.below(folder).is_file():
            workspace.core.store.take_file(one, one.below(folder))
    form = TabularDataset if asset.document["form"] == TabularDataset.form else FileDataset
    options = asset.document["options"]
    made = form([one.below(folder) for one in tree.files], options if isinstance(options, dict) else {})
    made.name, made.version = asset.name, int(asset.version)
    made.description, made.tags = asset.description, dict(asset.tags)
    return made


def _kept(workspace: Workspace, data: RegisteredData) -> Tree:
    files = [
        replace(workspace.core.store.put_file(path), path=path.relative_to(data.folder).as_posix())
        for path in data.paths
    ]
    return Tree(files=tuple(sorted(files, key=lambda one: one.path)))
