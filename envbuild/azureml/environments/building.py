"""Builds of registered environments: started, followed, looked at afterwards, from any process."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.azureml.environments.locking import LockedEnvironment, locked
from envbuild.azureml.environments.registered import find
from envbuild.azureml.records import LogProgress, Record, guarded, new_id, now
from envbuild.core.errors import EngineError, WorkspaceError
from envbuild.workspace.environments import RegisteredEnvironment
from envbuild.workspace.workspace import Workspace as CoreWorkspace

if TYPE_CHECKING:
    from envbuild.azureml.environments.environment import Environment
    from envbuild.azureml.workspace import Workspace
    from envbuild.engines.protocol import BuildOptions

KIND = "build"


class ImageBuildDetails:
    """One build: its status and its log, while it runs and afterwards."""

    def __init__(self, record: Record) -> None:
        """Do not call this: `Environment.build` returns one."""
        self._record = record

    @property
    def id(self) -> str:
        """The build's id."""
        return self._record.id

    @property
    def status(self) -> str:
        """Running, Succeeded or Failed."""
        return str(self._record.values.get("status", ""))

    @property
    def error(self) -> str:
        """Why it failed, or an empty text."""
        return str(self._record.values.get("error", ""))

    @property
    def image(self) -> str:
        """The image's name, or the prefix that was made without Docker; empty until it is there."""
        return str(self._record.values.get("image", ""))

    @property
    def log_url(self) -> str:
        """The log's URL, a file of the workspace."""
        return self.log_file.resolve().as_uri()

    @property
    def log_file(self) -> Path:
        """The log."""
        return self._record.folder / "build.log"

    def get_log(self) -> str:
        """Return what the build said so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.is_file() else ""

    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Wait for the end and return this; `show_output` copies the log to stdout. A failed build is told by `status`."""
        self._record.wait(show=self.log_file if show_output else None)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, for `--json`."""
        return {"id": self.id, **self._record.values}


class DockerImageDetails(dict[str, Any]):
    """What an environment's image is; also a dictionary with Azure's keys."""

    @property
    def image_exist(self) -> bool:
        """Whether an engine here has the image."""
        return bool(self["imageExistsInRegistry"])

    @property
    def exists(self) -> bool:
        """The same."""
        return self.image_exist

    @property
    def repository(self) -> str:
        """The image's name."""
        return str(self["dockerImage"]["name"])

    @property
    def registry(self) -> str:
        """The address of the workspace's registry, or an empty text."""
        return str(self["dockerImage"]["registry"]["address"])

    @property
    def image(self) -> str:
        """Registry and name together."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def digest(self) -> str:
        """The manifest's digest, where an engine here knows it."""
        return str(self["dockerImage"]["digest"])

    @property
    def interpreter_path(self) -> str:
        """Where Python is in the image."""
        return str(self["pythonEnvironment"]["interpreterPath"])

    @property
    def environment_path(self) -> str:
        """Where the environment is in the image."""
        return str(self["pythonEnvironment"]["condaEnvironmentPath"])

    @property
    def dockerfile(self) -> str:
        """The Dockerfile's text."""
        return str(self["ingredients"]["dockerfile"])


def start_build(
    workspace: Workspace,
    environment: Environment,
    *,
    docker: bool = True,
    push: bool = False,
    update: bool = False,
    platform: str = "",
) -> ImageBuildDetails:
    """Start to build a registered environment in a thread of this process, and return the build.

    The process waits for the thread before it ends. `push` sends the image to the workspace's registry, which is also
    done whenever the workspace has one.

    Raises:
        WorkspaceError: it is to be pushed, and the workspace has no registry.
    """
    core = workspace.core
    if push and not core.registry:
        raise WorkspaceError(
            "the workspace has no container registry to push to", hint="workspace.container_registry = 'host:5000/name'"
        )
    stored = find(workspace, str(environment.name), environment.version)
    return build_stored(core, stored, docker=docker, update=update, platform=platform)


def build_stored(
    core: CoreWorkspace,
    stored: RegisteredEnvironment,
    *,
    docker: bool = True,
    update: bool = False,
    platform: str = "",
) -> ImageBuildDetails:
    """Start to build one version in a thread; see `start_build`."""
    record = Record(core, KIND, new_id("build"))
    progress = LogProgress(record.folder / "build.log")
    record.change(environment=stored.id, status="Running", started=now(), pid=os.getpid())

    def work() -> dict[str, Any]:
        with progress.step(f"environment {stored.id}"):
            found = locked(core, stored, update=update, progress=progress)
            _tell(found, progress)
            return _image(core, found, platform, progress) if docker else _prefix(found, progress)

    threading.Thread(target=guarded, args=(record, progress, work, "Succeeded"), name=record.id).start()
    return ImageBuildDetails(record)


def get_build(core: CoreWorkspace, name: str) -> ImageBuildDetails:
    """Return the build with that id.

    Raises:
        WorkspaceError: there is none.
    """
    record = Record(core, KIND, name)
    if not record.values:
        raise WorkspaceError(f"there is no build {name} in this workspace")
    return ImageBuildDetails(record)


def builds_of(core: CoreWorkspace, environment: str = "") -> list[ImageBuildDetails]:
    """Return the builds of environment `name:version`, or all, the oldest first."""
    found = core.catalogue.records(KIND)
    wanted = [name for name, one in found.items() if environment in ("", one.get("environment"))]
    wanted.sort(key=lambda name: str(found[name].get("started", "")))
    return [ImageBuildDetails(Record(core, KIND, name)) for name in wanted]


def image_details(workspace: Workspace, environment: Environment) -> DockerImageDetails:
    """Return what the image of a registered environment is; the environment is locked for that if it is not."""
    stored = find(workspace, str(environment.name), environment.version)
    return details_of(workspace.core, stored)


def details_of(core: CoreWorkspace, stored: RegisteredEnvironment) -> DockerImageDetails:
    """Return what the image of one version is."""
    from envbuild.render import render

    found = locked(core, stored)
    plan = found.plan(allow_unpinned_base=True)
    info = _inspect(plan.image_name)
    python = stored_interpreter(found)
    return DockerImageDetails(
        imageExistsInRegistry=info is not None,
        dockerImage={
            "name": plan.image_name,
            "digest": next((one.partition("@")[2] for one in info.digests), info.id) if info is not None else "",
            "registry": {"address": core.registry, "username": None, "password": None},
        },
        pythonEnvironment={"interpreterPath": python, "condaEnvironmentPath": plan.path_prefix.removesuffix("/bin")},
        ingredients={"dockerfile": render(plan, root=found.root).dockerfile},
        vulnerabilityScanStatus=None,
    )


def stored_interpreter(found: LockedEnvironment) -> str:
    """Return where Python is in the image of a locked environment."""
    from envbuild.core.plan import PREFIX

    definition = found.definition
    return definition.interpreter_path or "python" if definition.user_managed else f"{PREFIX}/bin/python"


def _tell(found: LockedEnvironment, progress: LogProgress) -> None:
    for note in found.definition.notes:
        progress.note(str(note))
    if found.moved is not None:
        from envbuild.formats.diff_text import diff_text

        progress.line(diff_text(found.moved) if found.moved else "locked again: nothing moved")


def build_options(core: CoreWorkspace, *, push: bool = False) -> BuildOptions:
    """Return how images of this workspace are built: its setting `build_network` is the network of the build's steps."""
    from envbuild.engines.protocol import BuildOptions as Options

    return Options(push=push, network=str(core.settings.get("build_network", "")))


def _image(core: CoreWorkspace, found: LockedEnvironment, platform: str, progress: LogProgress) -> dict[str, Any]:
    plan = found.plan(platform, progress=progress)
    tags = (f"{core.registry}/{plan.image_name}",) if core.registry else ()
    image = api.image(plan, tags=tags, options=build_options(core, push=bool(tags)), root=found.root, progress=progress)
    progress.line(f"{image.name}: {'built' if image.built else 'exists'} in {image.engine}")
    return {"image": tags[0] if tags else image.name, "digest": image.digest or image.id, "key": image.key}


def _prefix(found: LockedEnvironment, progress: LogProgress) -> dict[str, Any]:
    environment = found.install(progress)
    progress.line(f"{environment.prefix}: installed")
    return {"image": str(environment.prefix)}


def _inspect(name: str) -> Any:
    from envbuild.engines.detect import container_engine

    try:
        return container_engine().inspect(name)
    except EngineError:
        return None
