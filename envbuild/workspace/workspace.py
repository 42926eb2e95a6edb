"""A workspace: the folder `.envbuild` of a project, or one that the user names."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from envbuild.core.errors import WorkspaceError
from envbuild.files import exclusive, write_atomic
from envbuild.workspace.catalogue import Catalogue
from envbuild.workspace.store import Store

FOLDER = ".envbuild"


class Workspace:
    """The catalogue and the files of one project. `folder` is the `.envbuild` folder itself."""

    def __init__(self, folder: Path) -> None:
        """Use the workspace in `folder`; nothing is made before something is kept."""
        self.folder = folder.absolute()

    @classmethod
    def create(cls, parent: Path, name: str = "") -> Workspace:
        """Make a workspace in `parent`/.envbuild, or return the one that is there."""
        folder = parent / FOLDER
        config = folder / "config.json"
        if not config.is_file():
            write_atomic(config, json.dumps({"name": name or parent.resolve().name}, indent=2) + "\n")
            write_atomic(folder / ".gitignore", "*\n")
        return cls(folder)

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """Return the workspace of `start` (the current folder) or of the nearest folder above it.

        Raises:
            WorkspaceError: there is none.
        """
        begin = (start or Path()).resolve()
        for parent in (begin, *begin.parents):
            if (parent / FOLDER / "config.json").is_file():
                return cls(parent / FOLDER)
            if parent.name == FOLDER and (parent / "config.json").is_file():
                return cls(parent)
        raise WorkspaceError(
            f"{begin} is in no workspace", hint="Workspace.create makes one; so does the first `envbuild … register`"
        )

    @property
    def name(self) -> str:
        """The workspace's name."""
        return str(self.settings.get("name", self.folder.resolve().parent.name))

    @property
    def settings(self) -> dict[str, object]:
        """What `config.json` holds: `name`, and `registry` where images are pushed to one."""
        try:
            content = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WorkspaceError(f"{self.folder / 'config.json'} cannot be read: {error}") from error
        return content if isinstance(content, dict) else {}

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is registered."""
        return Catalogue(self.folder / "catalogue.sqlite")

    @cached_property
    def store(self) -> Store:
        """The files."""
        return Store(self.folder / "files")

    def change_settings(self, **changes: object) -> None:
        """Set values of `config.json`; None removes one."""
        with exclusive(self.folder / ".config.lock"):
            merged = {name: value for name, value in {**self.settings, **changes}.items() if value is not None}
            write_atomic(self.folder / "config.json", json.dumps(merged, indent=2) + "\n")

    @property
    def registry(self) -> str:
        """The container registry that images are pushed to; empty where there is none."""
        return str(self.settings.get("registry", ""))
