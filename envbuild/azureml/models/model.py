"""`Model`: a file or folder with a version, from training to a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.models.resource_configuration import ResourceConfiguration
from envbuild.core.errors import WorkspaceError
from envbuild.serving.shim.azureml.core.model import Model as _InImage
from envbuild.workspace.models import (
    RegisteredModel,
    change_model,
    delete_model,
    download_model,
    get_model,
    list_models,
    register_model,
    top_entry,
)
from envbuild.workspace.workspace import Workspace as CoreWorkspace

if TYPE_CHECKING:
    from envbuild.azureml.packaging.inference import InferenceConfig
    from envbuild.azureml.packaging.package import ModelPackage
    from envbuild.azureml.profiling.profile import ModelProfile
    from envbuild.azureml.services.webservice import Webservice
    from envbuild.azureml.workspace import Workspace

Tags = Mapping[str, str] | Sequence[str | Sequence[str]]
"""Azure's ways to name tags: a dictionary, or a list of names and of `[name, value]` pairs."""


class Model:
    """One version of a registered model. What was registered never changes; tags, description and new properties do."""

    triggered: Sequence[str] = ()
    """The triggers that were started by its registration."""

    class Framework:
        """The frameworks whose models are served without a script, and the names of others."""

        CUSTOM = "Custom"
        TENSORFLOW = "TensorFlow"
        SCIKITLEARN = "ScikitLearn"
        ONNX = "Onnx"
        TFKERAS = "TfKeras"
        PYTORCH = "PyTorch"
        MULTI = "Multi"

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,
        tags: Tags | None = None,
        properties: Tags | None = None,
        version: int | str | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
    ) -> None:
        """Look a model up: by `id` (`name:version`), or by `name` and what else is given, the latest that fits.

        Raises:
            WorkspaceError: there is none.
        """
        self.workspace = workspace
        if id is None and name is None:
            raise WorkspaceError("a model is looked up by its name or its id")
        if id is not None or (version is not None and not tags and not properties):
            self._stored = get_model(workspace.core, str(id or name), None if version is None else int(version))
            return
        found = _found(workspace.core, name or "", tags, properties, run_id)
        fitting = [one for one in found if model_framework in (None, one.framework)]
        if version is not None:
            fitting = [one for one in fitting if one.version == int(version)]
        if not fitting:
            raise WorkspaceError(f"there is no model {name} in this workspace that fits", hint="Model.list shows all")
        self._stored = max(fitting, key=lambda one: one.version)

    @classmethod
    def _of(cls, workspace: Workspace, stored: RegisteredModel) -> Model:
        made = cls.__new__(cls)
        made.workspace, made._stored = workspace, stored  # noqa: SLF001
        return made

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str | Path,
        model_name: str,
        tags: Tags | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        datasets: Any = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Sequence[str] | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: ResourceConfiguration | None = None,
        run: Any = None,
    ) -> Model:
        """Keep a file or folder as the next version of `model_name`; an identical latest version gets the tags instead.

        Raises:
            WorkspaceError: the name or the framework is not accepted, or there is no such path.
        """
        from envbuild.azureml.endpoints.triggers import fire

        about = {
            "datasets": ",".join(f"{purpose}={one.id}" for purpose, one in datasets or ()),
            "sample_input": getattr(sample_input_dataset, "id", ""),
            "sample_output": getattr(sample_output_dataset, "id", ""),
            "experiment": getattr(getattr(run, "experiment", None), "name", ""),
        }
        stored = register_model(
            workspace.core,
            model_name,
            Path(model_path),
            framework=model_framework or Model.Framework.CUSTOM,
            framework_version=model_framework_version or "",
            description=description or "",
            tags=_tags(tags),
            properties=dict(properties or {}),
            resources=asdict(resource_configuration) if resource_configuration is not None else None,
            run_id=getattr(run, "id", "") if run is not None else "",
            child_paths=child_paths or (),
            about={key: str(value) for key, value in about.items() if value},
        )
        missing = {key: value for key, value in _tags(tags).items() if stored.tags.get(key) != value}
        if missing or (description and stored.description != description):
            stored = change_model(
                workspace.core, stored, tags={**stored.tags, **missing}, description=description or None
            )
        made = Model._of(workspace, stored)
        made.triggered = fire(workspace.core, stored)
        return made

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Tags | None = None,
        properties: Tags | None = None,
        run_id: str | None = None,
        latest: bool = False,
        **_ignored: Any,
    ) -> Sequence[Model]:
        """Return the models that fit, the newest versions first."""
        found = _found(workspace.core, name or "", tags, properties, run_id, latest=latest)
        return [Model._of(workspace, one) for one in sorted(found, key=lambda one: one.created, reverse=True)]

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Workspace | None = None) -> str:
        """Return the path of a model: in a service or a run where it lies there, else laid out from the workspace.

        Raises:
            WorkspaceError: neither has it.
            FileNotFoundError: a service has not the model, and there is no workspace.
        """
        try:
            return _InImage.get_model_path(model_name, version)
        except FileNotFoundError:
            from envbuild.azureml.workspace import Workspace

            try:
                workspace = _workspace or Workspace.from_config()
            except WorkspaceError:
                workspace = None
            if workspace is None:
                raise
        stored = get_model(workspace.core, model_name, version)
        folder = workspace.core.folder / "models" / stored.name / str(stored.version)
        top = folder / top_entry(stored)
        return str(top if top.exists() else download_model(workspace.core, stored, folder))

    @staticmethod
    def package(
        workspace: Workspace,
        models: Sequence[Model],
        inference_config: InferenceConfig | None = None,
        generate_dockerfile: bool = False,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> ModelPackage:
        """Start to make an image, or with `generate_dockerfile` a folder that `docker build` takes, that serves `models`.

        Raises:
            ServiceError: there is no script, and no single model of a framework that is served without one.
        """
        from envbuild.azureml.packaging.package import start_package

        return start_package(
            workspace,
            models,
            inference_config,
            generate_dockerfile=generate_dockerfile,
            image_name=image_name or "package",
            image_label=image_label or "",
        )

    @staticmethod
    def deploy(
        workspace: Workspace,
        name: str,
        models: Sequence[Model],
        inference_config: InferenceConfig | None = None,
        deployment_config: Any = None,
        deployment_target: Any = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> Webservice:
        """Start a service that answers with `models`; on this machine, as a process or in a container.

        Raises:
            ServiceError: the name is taken (unless `overwrite`) or not accepted, or the script cannot be served.
        """
        from envbuild.azureml.services.deploying import deploy

        del deployment_target
        service = deploy(workspace, name, models, inference_config, deployment_config, overwrite=overwrite)
        if show_output:
            service.wait_for_deployment(show_output=True)
        return service

    @staticmethod
    def profile(
        workspace: Workspace,
        profile_name: str,
        models: Sequence[Model],
        inference_config: InferenceConfig | None = None,
        input_dataset: Any = None,
        cpu: float | None = None,
        memory_in_gb: float | None = None,
        description: str | None = None,
        *,
        engine: str = "auto",
        requests: int | None = None,
        concurrency: int = 1,
    ) -> ModelProfile:
        """Start to measure how much CPU and memory a service of `models` needs, asking it what `input_dataset` holds.

        `cpu` and `memory_in_gb` are the most that is tried. `engine` is a container engine, or `local`: a process of this
        machine. `requests` are sent at each pair of limits (every row once, 50 at least), over `concurrency` connections.

        Raises:
            DefinitionError: the data set has not one column, or a limit is out of Azure's range.
            ServiceError: there is nothing that could be served.
            WorkspaceError: the name is taken.
        """
        from envbuild.azureml.profiling.profile import bodies_of, start_profile

        return start_profile(
            workspace,
            profile_name,
            models,
            inference_config,
            bodies_of(input_dataset),
            cpu=cpu,
            memory=memory_in_gb,
            description=description or "",
            engine=engine,
            requests=requests,
            concurrency=concurrency,
        )

    # one model

    name = property(lambda self: self._stored.name, doc="The model's name.")
    version = property(lambda self: self._stored.version, doc="The version, a number.")
    id = property(lambda self: self._stored.id, doc="`name:version`.")
    description = property(lambda self: self._stored.description, doc="What a person wrote about it.")
    tags = property(lambda self: dict(self._stored.tags), doc="The tags.")
    properties = property(lambda self: dict(self._stored.properties), doc="The properties.")
    model_framework = property(lambda self: self._stored.framework, doc="The framework.")
    model_framework_version = property(lambda self: self._stored.framework_version or None, doc="Its version.")
    created_time = property(lambda self: self._stored.created, doc="When it was registered, RFC 3339 in UTC.")
    run_id = property(lambda self: self._stored.run_id or None, doc="The run that it comes from.")

    @property
    def resource_configuration(self) -> ResourceConfiguration | None:
        """What a service of it needs, or None."""
        known = self._stored.resources
        return ResourceConfiguration(**known) if known else None  # type: ignore[arg-type]

    @property
    def stored(self) -> RegisteredModel:
        """The model as the workspace has it."""
        return self._stored

    def download(self, target_dir: str | Path = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Write the model below `target_dir` and return the path of its file or folder.

        Raises:
            WorkspaceError: it is there already (unless `exist_ok`).
        """
        overwrite = exist_ok if exists_ok is None else exists_ok
        return str(download_model(self.workspace.core, self._stored, Path(target_dir), overwrite=overwrite))

    def delete(self) -> None:
        """Delete this version."""
        delete_model(self.workspace.core, self._stored)

    def update(self, tags: Tags | None = None, description: str | None = None, **_ignored: Any) -> None:
        """Replace the tags or the description."""
        self._change(tags=None if tags is None else _tags(tags), description=description)

    def add_tags(self, tags: Tags) -> None:
        """Add tags; one of the same name gets the new value."""
        self._change(tags={**self.tags, **_tags(tags)})

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Remove tags by their names."""
        self._change(tags={key: value for key, value in self.tags.items() if key not in tags})

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Add properties; one that is there keeps its value.

        Raises:
            WorkspaceError: one would get another value.
        """
        self._change(properties=dict(properties))

    def _change(self, **changes: Any) -> None:
        self._stored = change_model(self.workspace.core, self._stored, **changes)

    def serialize(self) -> dict[str, Any]:
        """Return what is known with Azure's keys."""
        one, resources = self._stored, self.resource_configuration
        return {
            "createdTime": one.created,
            "createdBy": None,
            "description": one.description,
            "id": one.id,
            "mimeType": "application/x-python",
            "name": one.name,
            "framework": one.framework,
            "frameworkVersion": one.framework_version or None,
            "tags": dict(one.tags),
            "properties": dict(one.properties),
            "unpack": len(one.tree.files) > 1,
            "url": (self.workspace.core.folder / "files").resolve().as_uri(),
            "version": one.version,
            "experimentName": one.about.get("experiment"),
            "runId": one.run_id or None,
            "runDetails": None,
            "datasets": one.about.get("datasets"),
            "resourceConfiguration": resources and resources.serialize(),
            "sampleInputDatasetId": one.about.get("sample_input"),
            "sampleOutputDatasetId": one.about.get("sample_output"),
        }

    def __repr__(self) -> str:
        return f"Model(workspace={self.workspace!r}, name={self.name!r}, id={self.id!r}, version={self.version})"


def _wanted(tags: Tags | None) -> dict[str, str | None]:
    if tags is None:
        return {}
    if isinstance(tags, Mapping):
        return dict(tags)
    return {one: None for one in tags if isinstance(one, str)} | {
        str(one[0]): str(one[1]) for one in tags if not isinstance(one, str)
    }


def _tags(tags: Tags | None) -> dict[str, str]:
    return {str(key): str(value or "") for key, value in _wanted(tags).items()}


def _found(
    core: CoreWorkspace,
    name: str,
    tags: Tags | None,
    properties: Tags | None,
    run_id: str | None,
    *,
    latest: bool = False,
) -> list[RegisteredModel]:
    wanted = _wanted(properties)
    return [
        one
        for one in list_models(core, name, tags=_wanted(tags), latest=latest)
        if all(key in one.properties and value in (None, one.properties[key]) for key, value in wanted.items())
        and run_id in (None, one.run_id)
    ]
