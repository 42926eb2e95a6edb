"""`Model.package`: an image, or a folder that `docker build` takes anywhere, that serves models."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api
from envbuild.app import ServedModel
from envbuild.azureml.environments.environment import Environment, EnvironmentReference
from envbuild.azureml.environments.registered import find, store
from envbuild.azureml.environments.sections import ContainerRegistry
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.mlflow_models import mlflow_environment
from envbuild.azureml.records import LogProgress, Record, guarded, new_id, now
from envbuild.core.errors import ServiceError
from envbuild.core.progress import Progress
from envbuild.files import new_folder
from envbuild.serving.requirements import DRIVERS
from envbuild.workspace.environments import RegisteredEnvironment, main_file
from envbuild.workspace.models import stored_files

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace

KIND = "package"
WITHOUT_SCRIPT = {"ScikitLearn": "scikit-learn", "Onnx": "onnx", "TensorFlow": "tensorflow"}
"""Frameworks whose models are served without a script, and the driver of each."""


class ModelPackage:
    """One package: its state and its log, while it is made and afterwards."""

    def __init__(self, workspace: Workspace, record: Record) -> None:
        """Do not call this: `Model.package` returns one."""
        self.workspace, self._record = workspace, record

    @property
    def state(self) -> str:
        """Running, Succeeded or Failed."""
        return str(self._record.values.get("status", "NotStarted"))

    @property
    def error(self) -> str:
        """Why it failed, or an empty text."""
        return str(self._record.values.get("error", ""))

    @property
    def generate_dockerfile(self) -> bool:
        """Whether it is a folder, not an image."""
        return bool(self._record.values.get("generate_dockerfile"))

    @property
    def location(self) -> str | None:
        """The image's name, or the URL of the folder that `save` copies; None until it is there."""
        found = self._record.values.get("location")
        return str(found) if found else None

    @property
    def package_build_log_uri(self) -> str:
        """The log's URL, a file of the workspace."""
        return self._log.resolve().as_uri()

    @property
    def _log(self) -> Path:
        return self._record.folder / "package.log"

    def wait_for_creation(self, show_output: bool = False) -> None:
        """Wait for the end; `show_output` copies the log to stdout.

        Raises:
            ServiceError: it failed; with the reason.
        """
        values = self._record.wait(show=self._log if show_output else None)
        if show_output:
            sys.stdout.write(f"Package creation {values.get('status')}\n")
        if values.get("status") != "Succeeded":
            raise ServiceError(f"package creation {values.get('status')}: {values.get('error')}")

    def get_logs(self, decode: bool = True, offset: int = 0) -> str | bytes:
        """Return the log from byte `offset` on, as text unless `decode` is False."""
        content = self._log.read_bytes()[offset:] if self._log.is_file() else b""
        return content.decode(errors="replace") if decode else content

    def save(self, output_directory: str | Path) -> None:
        """Copy the folder of a Dockerfile package to `output_directory`, waiting for it.

        Raises:
            ServiceError: it is an image, or its creation failed.
        """
        if not self.generate_dockerfile:
            raise ServiceError("Docker images cannot be saved to a folder", hint="pull() brings one to this machine")
        if Path(output_directory).is_file():
            raise ServiceError(f"{output_directory} is a file; a folder is needed")
        self.wait_for_creation()
        with new_folder(Path(output_directory), overwrite=True) as folder:
            shutil.copytree(self._record.folder / "context", folder, dirs_exist_ok=True, symlinks=True)

    def pull(self) -> None:
        """Bring the image to the engine of this machine, waiting for it.

        Raises:
            ServiceError: it is a Dockerfile package, or its creation failed.
            EngineError: the engine or the registry has it no more.
        """
        from envbuild.engines.detect import container_engine

        if self.generate_dockerfile:
            raise ServiceError("a Dockerfile package cannot be pulled", hint="save() writes its folder")
        self.wait_for_creation()
        name = str(self.location)
        engine = container_engine()
        if engine.inspect(name) is None:
            engine.pull(name)

    def get_container_registry(self) -> ContainerRegistry:
        """Return the registry that the image is in, or that the folder's base image is from; it needs no login of ours."""
        address = self._record.values.get("base_registry") if self.generate_dockerfile else self.workspace.core.registry
        return ContainerRegistry(address=str(address or "") or None)

    def update_creation_state(self) -> None:
        """Azure's SDK asks its service here; the state is always current."""

    def serialize(self) -> dict[str, Any]:
        """Return what is known with Azure's keys."""
        return {"generateDockerfile": self.generate_dockerfile, "state": self.state, "location": self.location}

    def __repr__(self) -> str:
        return f"ModelPackage({json.dumps(self.serialize())})"


def start_package(
    workspace: Workspace,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    *,
    generate_dockerfile: bool,
    image_name: str,
    image_label: str,
) -> ModelPackage:
    """Register the environment and start to package in a thread; see `Model.package`.

    Raises:
        ServiceError: there is nothing that could be served.
    """
    stored, framework = service_environment(workspace, models, inference)
    record = Record(workspace.core, KIND, new_id("package"))
    progress = LogProgress(record.folder / "package.log")
    record.change(
        status="Running", started=now(), pid=os.getpid(), generate_dockerfile=generate_dockerfile, environment=stored.id
    )

    def work() -> dict[str, Any]:
        made = packaged(workspace, stored, models, inference, framework, progress)
        base = made.plan.lock.base.reference
        if generate_dockerfile:
            folder = record.folder / "context"
            api.write_context(made.plan, folder, root=made.root)
            return {"location": folder.resolve().as_uri(), "base_registry": _registry(base)}
        label = image_label or time.strftime("%Y%m%d%H%M%S", time.gmtime())
        return {"location": _build(workspace, made, f"{image_name}:{label}", progress)}

    threading.Thread(target=guarded, args=(record, progress, work, "Succeeded"), name=record.id).start()
    return ModelPackage(workspace, record)


def service_environment(
    workspace: Workspace, models: Sequence[Model], inference: InferenceConfig | None
) -> tuple[RegisteredEnvironment, str]:
    """Return the registered environment of a service, and the driver's name where it has no script.

    Raises:
        ServiceError: without a script, there is not exactly one model of a framework that is served so.
    """
    if inference is None:
        return _without_script(workspace, models)
    environment = inference.environment or Environment("AzureML-Minimal")
    if isinstance(environment, EnvironmentReference) or inference.environment is None:
        return find(workspace, str(environment.name), environment.version), ""
    return store(workspace, environment), ""


def packaged(
    workspace: Workspace,
    stored: RegisteredEnvironment,
    models: Sequence[Model],
    inference: InferenceConfig | None,
    framework: str,
    progress: Progress,
) -> api.Package:
    """Return the service that answers with `models` in a registered environment, locked."""
    from envbuild.azureml.environments.locking import locked

    locked(workspace.core, stored, progress=progress)
    made = api.package(
        main_file(workspace.core, stored),
        models=[served(workspace, one) for one in models],
        scoring=inference.scoring if inference is not None else None,
        framework=framework,
        allow_unpinned_base=True,
        progress=progress,
    )
    for note in made.plan.definition.notes:
        progress.note(str(note))
    return made


def served(workspace: Workspace, model: Model) -> ServedModel:
    """Return the files of a registered model as a service has them."""
    return ServedModel(name=model.name, version=model.version, files=stored_files(workspace.core, model.stored))


def python_of(made: api.Package, progress: Progress) -> Path:
    """Return the Python that runs a packaged service as a process of this machine, its environment installed.

    Raises:
        EngineError: it cannot be installed.
    """
    plan = made.plan
    if plan.definition.user_managed:
        return Path(sys.executable)
    environment = api.install(plan.lock, definition=plan.definition, root=made.root, code=plan.code, progress=progress)
    return environment.python


def _without_script(workspace: Workspace, models: Sequence[Model]) -> tuple[RegisteredEnvironment, str]:
    if len(models) == 1 and (found := mlflow_environment(workspace, models[0])) is not None:
        return store(workspace, found), "mlflow"
    if len(models) != 1 or models[0].model_framework not in WITHOUT_SCRIPT:
        raise ServiceError(
            "without an inference configuration, exactly one model of a framework is served",
            hint=f"register it with model_framework= one of {', '.join(WITHOUT_SCRIPT)}, or a folder with MLmodel, "
            "or give an InferenceConfig",
        )
    model = models[0]
    driver = WITHOUT_SCRIPT[model.model_framework]
    packages = DRIVERS[driver]
    # Onnx's version is that of the file format, not of the runtime
    pinned = model.model_framework_version if model.model_framework != "Onnx" else None
    environment = Environment(f"service-{driver}")
    environment.environment_variables = {}
    conda = environment.python.conda_dependencies
    if conda is not None:
        conda.set_pip_requirements([f"{packages[0]}=={pinned}" if pinned else packages[0], *packages[1:]])
    return store(workspace, environment), driver


def _build(workspace: Workspace, made: api.Package, name: str, progress: LogProgress) -> str:
    from envbuild.azureml.environments.building import build_options

    registry = workspace.core.registry
    full = f"{registry}/{name}" if registry else name
    api.image(
        made.plan,
        tags=(full,),
        options=build_options(workspace.core, push=bool(registry)),
        root=made.root,
        progress=progress,
    )
    return full


def _registry(image: str) -> str:
    first, separator, _ = image.partition("/")
    return first if separator and ("." in first or ":" in first or first == "localhost") else ""
