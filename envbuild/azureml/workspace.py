"""`Workspace`: a folder `.envbuild` on this machine in the place of a workspace in the cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import WorkspaceError
from envbuild.files import write_atomic
from envbuild.workspace.workspace import FOLDER
from envbuild.workspace.workspace import Workspace as CoreWorkspace

if TYPE_CHECKING:
    from envbuild.azureml.data.datastore import Datastore
    from envbuild.azureml.environments.environment import Environment
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.runs.compute import ComputeTarget
    from envbuild.azureml.runs.experiment import Experiment
    from envbuild.azureml.services.webservice import Webservice

_CONFIGS = ("config.json", ".azureml/config.json", "aml_config/config.json")
_ABOUT = ("subscription_id", "resource_group", "location", "tags", "friendly_name", "description")


WorkspaceException = WorkspaceError
"""The name of Azure's error."""


class Workspace:
    """One project's environments, models, runs and services. `core` is the workspace itself."""

    __slots__ = ("core",)

    def __init__(
        self,
        core: CoreWorkspace | str | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        *,
        subscription_id: str | None = None,
        **_ignored: Any,
    ) -> None:
        """Take a workspace as it is, or look, as scripts of Azure's write it, for the one that is called `workspace_name`.

        Raises:
            WorkspaceError: there is none here, or it has another name.
        """
        del resource_group, subscription_id
        self.core: CoreWorkspace = core if isinstance(core, CoreWorkspace) else Workspace.get(str(workspace_name)).core

    @staticmethod
    def create(name: str, *, path: str | Path = ".", exist_ok: bool = True, **about: Any) -> Workspace:
        """Make the workspace `name` in the folder `path`, or return the one that is there.

        What Azure asks for besides (`subscription_id`, `resource_group`, `location`, …) is kept and has no effect.

        Raises:
            WorkspaceError: there is one already, and `exist_ok` is False.
        """
        if not exist_ok and (Path(path) / FOLDER / "config.json").exists():
            raise WorkspaceError(f"{path} has a workspace already", hint="say exist_ok=True to use it")
        core = CoreWorkspace.create(Path(path), name)
        kept = {key: value for key, value in about.items() if key in _ABOUT and value is not None}
        if kept and any(core.settings.get(key) != value for key, value in kept.items()):
            core.change_settings(**kept)
        return Workspace(core)

    @staticmethod
    def from_config(path: str | Path | None = None, auth: Any = None, **_ignored: Any) -> Workspace:
        """Return the workspace of the folder or configuration file `path`, or of the nearest folder above the current one.

        A configuration of Azure's (`config.json`, `.azureml/config.json`) becomes a workspace beside it on first use.

        Raises:
            WorkspaceError: there is neither.
        """
        del auth
        given = Path(path) if path is not None else Path()
        if path is not None and not given.exists():
            raise WorkspaceError(f"{path} does not exist", hint="Workspace.create(name, path=…) makes a workspace")
        if given.is_file():
            return _of_config(given)
        try:
            return Workspace(CoreWorkspace.find(given))
        except WorkspaceError:
            start = given.resolve()
            for folder in (start, *start.parents):
                for name in _CONFIGS:
                    if (folder / name).is_file() and _azure_config(folder / name):
                        return _of_config(folder / name)
            raise

    @staticmethod
    def get(name: str, *, path: str | Path = ".", **_ignored: Any) -> Workspace:
        """Return the workspace of the current folder, or of one above it, if it is called `name`.

        Raises:
            WorkspaceError: there is none, or it has another name.
        """
        found = Workspace.from_config(path)
        if found.name != name:
            raise WorkspaceError(f"the workspace here is {found.name!r}, not {name!r}")
        return found

    def write_config(self, path: str | Path | None = None, file_name: str | None = None) -> None:
        """Write a configuration file as Azure does, to `.azureml/config.json` below `path` (here)."""
        content = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
        }
        target = Path(path or ".") / ".azureml" / (file_name or "config.json")
        write_atomic(target, json.dumps(content, indent=4))

    @property
    def name(self) -> str:
        """The workspace's name."""
        return self.core.name

    @property
    def subscription_id(self) -> str:
        """What was given as such; it has no effect here."""
        return str(self.core.settings.get("subscription_id", ""))

    @property
    def resource_group(self) -> str:
        """What was given as such; it has no effect here."""
        return str(self.core.settings.get("resource_group", ""))

    @property
    def location(self) -> str:
        """Where the workspace is."""
        return str(self.core.settings.get("location", "local"))

    @property
    def container_registry(self) -> str:
        """The registry that images are pushed to, with the repository's prefix; empty where there is none."""
        return self.core.registry

    @container_registry.setter
    def container_registry(self, value: str | None) -> None:
        self.core.change_settings(registry=value or None)

    def get_details(self) -> dict[str, Any]:
        """Return what is known of the workspace."""
        return {**self.core.settings, "name": self.name, "location": self.location, "folder": str(self.core.folder)}

    def get_default_datastore(self) -> Datastore:
        """Return the folder of the workspace's data."""
        from envbuild.azureml.data.datastore import Datastore

        return Datastore.get_default(self)

    @property
    def environments(self) -> dict[str, Environment]:
        """The latest version of every environment by name."""
        from envbuild.azureml.environments.environment import Environment

        return Environment.list(self)

    @property
    def models(self) -> dict[str, Model]:
        """The latest version of every model by name."""
        from envbuild.azureml.models.model import Model

        return {one.name: one for one in Model.list(self, latest=True)}

    @property
    def datasets(self) -> dict[str, Any]:
        """The latest version of every dataset by name."""
        from envbuild.azureml.data.dataset import Dataset

        return Dataset.get_all(self)

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """Every compute target that has a name."""
        from envbuild.azureml.runs.compute import ComputeTarget

        return {one.name: one for one in ComputeTarget.list(self)}

    @property
    def experiments(self) -> dict[str, Experiment]:
        """Every experiment that has a run, by name."""
        from envbuild.azureml.runs.experiment import Experiment

        return {one.name: one for one in Experiment.list(self)}

    @property
    def webservices(self) -> dict[str, Webservice]:
        """Every service by name."""
        from envbuild.azureml.services.webservice import Webservice

        return {one.name: one for one in Webservice.list(self)}

    def __repr__(self) -> str:
        return f"Workspace.create(name={self.name!r}, path={str(self.core.folder.parent)!r})"


def _of_config(path: Path) -> Workspace:
    content = _azure_config(path)
    folder = path.resolve().parent
    if folder.name == FOLDER:
        return Workspace(CoreWorkspace(folder))
    parent = folder.parent if folder.name in (".azureml", "aml_config") else folder
    name = str(content.get("workspace_name") or content.get("name") or "")
    about = {key: content[key] for key in ("subscription_id", "resource_group") if content.get(key)}
    return Workspace.create(name, path=parent, **about)


def _azure_config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"{path} is not a workspace's configuration: {error}") from error
    if not isinstance(content, dict) or not {"workspace_name", "name"} & content.keys():
        return {}
    return content
