"""v2's packages of models: one image with a server and a registered model in it, kept as an environment of the workspace."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import api
from envbuild.app import MODELS_ROOT
from envbuild.azureml.environments.as_it_is import image_as_it_is
from envbuild.azureml.environments.building import build_options
from envbuild.azureml.environments.environment import EnvironmentReference
from envbuild.azureml.environments.environment_yaml import EnvironmentAsset, register
from envbuild.azureml.environments.references import parse_reference
from envbuild.azureml.environments.registered import find
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.packaging.package import packaged, served, service_environment
from envbuild.context import Context, ContextFile
from envbuild.core.errors import ServiceError, WorkspaceError
from envbuild.core.plan import App, Plan, make_plan
from envbuild.core.progress import SILENT, Progress
from envbuild.render.dockerfile import json_array, word
from envbuild.workspace.environments import RegisteredEnvironment, get_environment

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.packaging.package_yaml import WantedPackage
    from envbuild.azureml.workspace import Workspace


def package_model(
    workspace: Workspace, model: Model, wanted: WantedPackage, *, engine: str = "auto", progress: Progress = SILENT
) -> RegisteredEnvironment:
    """Build the image of `model` that `wanted` says, and return the environment that it is registered as.

    Its `inference_config` says where the image answers, so that a deployment runs it as it is.

    Raises:
        WorkspaceError: the base environment is not there, or the target's version is.
        ServiceError: the script or the model cannot be served.
        EngineError: the image cannot be built.
    """
    _refuse_known(workspace, wanted)
    label = wanted.version or time.strftime("%Y%m%d%H%M%S", time.gmtime())
    name = "/".join(filter(None, [workspace.core.registry, f"packages/{wanted.target.lower()}:{label}"]))
    build = _with_our_server if wanted.server == "azureml_online" else _on_own_server
    build(workspace, model, wanted, name, engine, progress)
    asset = EnvironmentAsset(
        name=wanted.target,
        version=wanted.version or "",
        image=name,
        inference_config=wanted.routes,
        description=f"model {model.name}:{model.version} with its server",
        tags=wanted.tags,
    )
    return register(workspace.core, asset)


def _refuse_known(workspace: Workspace, wanted: WantedPackage) -> None:
    if wanted.version is None:
        return
    try:
        get_environment(workspace.core, wanted.target, wanted.version)
    except WorkspaceError:
        return
    raise WorkspaceError(
        f"environment {wanted.target}:{wanted.version} exists already",
        hint="name another version, or none for the next one",
    )


def _with_our_server(
    workspace: Workspace, model: Model, wanted: WantedPackage, name: str, engine: str, progress: Progress
) -> None:
    inference, framework = None, ""
    if wanted.code is None:
        stored, framework = service_environment(workspace, [model], None)
        stored = find(workspace, *parse_reference(wanted.base)) if wanted.base else stored
    else:
        if not wanted.base:
            raise ServiceError(
                "a package with a scoring script needs an environment",
                hint="base_environment_source: with type: environment_asset and resource_id: azureml:name:version",
            )
        stored = find(workspace, *parse_reference(wanted.base))
        environment = EnvironmentReference(stored.name, stored.version)
        inference = InferenceConfig(wanted.scoring_script, source_directory=wanted.code, environment=environment)
    made = packaged(workspace, stored, [model], inference, framework, progress)
    options = build_options(workspace.core, push=bool(workspace.core.registry))
    api.image(
        _placed(made.plan, wanted), engine=engine, tags=(name,), options=options, root=made.root, progress=progress
    )


def _on_own_server(
    workspace: Workspace, model: Model, wanted: WantedPackage, name: str, engine: str, progress: Progress
) -> None:
    """Build the image of an environment with another server and the model: what it is made of is its own affair."""
    from envbuild.engines.detect import container_engine

    if not wanted.base:
        raise ServiceError(
            f"a package with a {wanted.server} server needs the environment that has it",
            hint="base_environment_source: with type: environment_asset and resource_id: azureml:name:version",
        )
    stored = find(workspace, *parse_reference(wanted.base))
    runner = container_engine(engine)
    base = f"envbuild/{stored.name.lower()}:{stored.version}"
    runner.tag(image_as_it_is(workspace.core, stored, runner, progress), base)
    mount, below = wanted.mount or MODELS_ROOT, f"{model.name}/{model.version}"
    variables = {"AZUREML_MODEL_DIR": f"{mount}/{below}", **wanted.variables}
    instructions = [
        f"FROM {base}",
        f"COPY {json_array(['models/', f'{mount}/'])}",
        *(f"ENV {key}={word(value)}" for key, value in variables.items()),
    ]
    files = (
        ContextFile(path=f"models/{below}/{one.path.lstrip('/')}", source=Path(one.source), mode=one.mode)
        for one in served(workspace, model).files
    )
    context = Context(dockerfile="\n".join(instructions) + "\n", files=tuple(files))
    options = build_options(workspace.core, push=bool(workspace.core.registry))
    runner.build(context, (name,), options=options, progress=progress)


def _placed(plan: Plan, wanted: WantedPackage) -> Plan:
    """Return `plan` with the models where they are wanted, and the package's own variables."""
    app = plan.app or App()
    mount = wanted.mount or MODELS_ROOT

    def moved(path: str) -> str:
        below = path == MODELS_ROOT or path.startswith(f"{MODELS_ROOT}/")
        return mount + path.removeprefix(MODELS_ROOT) if below else path

    files = tuple(sorted((replace(one, path=moved(one.path)) for one in app.files), key=lambda one: one.path))
    variables = {name: moved(value) for name, value in app.variables} | dict(wanted.variables)
    changed = replace(app, files=files, variables=tuple(variables.items()))
    return make_plan(
        plan.definition,
        plan.lock,
        plan.selection.platform.subdir,
        app=changed,
        code=plan.code,
        allow_unpinned_base=True,
    )
