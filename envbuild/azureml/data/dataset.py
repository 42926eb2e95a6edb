"""`Dataset`: files and tables with a name and a version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.data import DataReference, FileDataset, TabularDataset
from envbuild.azureml.data.dataset_type_definitions import PromoteHeadersBehavior
from envbuild.azureml.data.registered import KIND, of_asset
from envbuild.core.errors import WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

Place = str | Path | DataReference | tuple[Any, str]
"""A path (with `*`), a place in a datastore, or a datastore with a path in it."""


class Dataset:
    """Where datasets are made and looked up."""

    class Tabular:
        """Tables."""

        @staticmethod
        def from_delimited_files(
            path: Place | Sequence[Place],
            validate: bool = True,
            include_path: bool = False,
            infer_column_types: bool = True,
            set_column_types: Any = None,
            separator: str = ",",
            header: PromoteHeadersBehavior = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
            partition_format: str | None = None,
            support_multi_line: bool = False,
            empty_as_string: bool = False,
            encoding: str = "utf8",
        ) -> TabularDataset:
            """Return the rows of delimited files; with `validate` they are read once to see that they are a table.

            Raises:
                WorkspaceError: there is no such file, or an option is given that has no meaning here.
                DefinitionError: the files are no table.
            """
            given = {"include_path": include_path, "set_column_types": set_column_types}
            given |= {"partition_format": partition_format, "empty_as_string": empty_as_string}
            if refused := [name for name, value in given.items() if value]:
                raise WorkspaceError(f"{', '.join(refused)} of delimited files is not supported here")
            del support_multi_line
            options = {
                "separator": separator,
                "header": int(header),
                "infer_column_types": infer_column_types,
                "encoding": "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding,
            }
            made = TabularDataset(files_of(path), options)
            if validate:
                made.rows()
            return made

    class File:
        """Files as they are."""

        @staticmethod
        def from_files(path: Place | Sequence[Place], validate: bool = True) -> FileDataset:
            """Return the files at `path`.

            Raises:
                WorkspaceError: there is none.
            """
            del validate
            return FileDataset(files_of(path))

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: int | str = "latest") -> Any:
        """Return a registered dataset.

        Raises:
            WorkspaceError: there is none.
        """
        number = None if version == "latest" else int(version)
        return of_asset(workspace, workspace.core.catalogue.get(KIND, name, number))

    @staticmethod
    def get_by_id(workspace: Workspace, id: str) -> Any:
        """Return the dataset `name:version`.

        Raises:
            WorkspaceError: there is none.
        """
        name, _, version = id.partition(":")
        return Dataset.get_by_name(workspace, name, version or "latest")

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, Any]:
        """Return the latest version of every dataset by name."""
        return {one.name: of_asset(workspace, one) for one in workspace.core.catalogue.assets(KIND)}


def files_of(path: Place | Sequence[Place]) -> list[Path]:
    """Return the files that `path` names: a file, all below a folder, a pattern, a place in a datastore, or a list of those.

    Raises:
        WorkspaceError: one names none.
    """
    if isinstance(path, list):
        return [found for one in path for found in files_of(one)]
    place = _place(path)  # type: ignore[arg-type]
    if "*" in place.name or "?" in place.name:
        found = sorted(one for one in place.parent.glob(place.name) if one.is_file())
    else:
        found = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
    if not found:
        raise WorkspaceError(f"{place} names no file")
    return [one.resolve() for one in found]


def _place(path: Place) -> Path:
    if isinstance(path, tuple):
        store, inside = path
        return Path(store.path(inside).path)
    return path.path if isinstance(path, DataReference) else Path(path)
