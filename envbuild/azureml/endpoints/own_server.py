"""A v2 deployment whose image brings its own server: the image runs as it is, the model mounted, its routes behind the router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.app import MODELS_ROOT
from envbuild.azureml.endpoints.values import OnlineDeployment
from envbuild.azureml.environments.as_it_is import image_as_it_is
from envbuild.azureml.environments.environment_yaml import parse_yaml
from envbuild.core.errors import ServiceError
from envbuild.core.progress import Progress
from envbuild.workspace.models import download_model

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace
    from envbuild.workspace.environments import RegisteredEnvironment
    from envbuild.workspace.models import RegisteredModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a server answers one kind of question."""

    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """An environment with routes, and the models that are mounted into its container."""

    workspace: Workspace
    stored: RegisteredEnvironment
    scoring: Route
    readiness: Route
    served: tuple[RegisteredModel, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(one.id for one in self.served)

    @property
    def environment(self) -> str:
        """Its id."""
        return self.stored.id

    def start(
        self, deployment: OnlineDeployment, folder: Path, name: str, *, engine: str, progress: Progress
    ) -> dict[str, Any]:
        """Start the container, and return where it answers, as `deployed.start` does; `folder` holds what is mounted.

        Raises:
            ServiceError: it ended, or did not answer in time; with the end of its log.
            EngineError: there is no such engine, or the image cannot be pulled or built.
        """
        from envbuild.engines.container_service import start_service_container
        from envbuild.engines.detect import container_engine
        from envbuild.engines.protocol import RunOptions

        if engine == "local":
            hint = "--engine docker or podman; with code_configuration: it is served as a process"
            raise ServiceError(
                f"deployment {deployment.name} runs an image with its own server, not a process", hint=hint
            )
        if deployment.instances > 1 or deployment.timeout_ms:
            progress.note(
                f"deployment {deployment.name}: its own server decides how long it works and with how many workers"
            )
        runner = container_engine(engine or "auto")
        image = image_as_it_is(self.workspace.core, self.stored, runner, progress)
        mount = deployment.model_mount_path or MODELS_ROOT
        variables = {**self._mounted(folder, mount), **deployment.variables}
        options = RunOptions(
            name=name,
            ports=tuple({one.port: 0 for one in (self.scoring, self.readiness)}.items()),
            variables=tuple(variables.items()),
            labels=(("envbuild.deployment", name),),
            volumes=((str(folder.resolve()), f"{mount}:ro"),) if self.served else (),
            memory=deployment.memory,
            cpus=deployment.cpus,
        )
        container = start_service_container(
            runner,
            image,
            options,
            port=self.readiness.port,
            health=self.readiness.path,
            limit=deployment.start_limit,
        )
        return {
            "url": container.url(self.scoring.port),
            "scoring": self.scoring.path,
            "health": f"{container.url(self.readiness.port)}{self.readiness.path}",
            "pid": None,
            "container": container.id,
            "engine": runner.name,
            "image": image,
            "folder": str(folder),
        }

    def _mounted(self, folder: Path, mount: str) -> dict[str, str]:
        """Write the models below `folder` as they lie below `mount`, and return the variable that says so."""
        folder.mkdir(parents=True)
        for one in self.served:
            download_model(self.workspace.core, one, folder / one.name / str(one.version))
        inside = f"/{self.served[0].name}/{self.served[0].version}" if len(self.served) == 1 else ""
        return {"AZUREML_MODEL_DIR": f"{mount.rstrip('/')}{inside}"} if self.served else {}


def own_server(workspace: Workspace, stored: RegisteredEnvironment, models: list[Model]) -> OwnServer | None:
    """Return the server that a registered environment brings along, or None where it has no `inference_config`."""
    routes = parse_yaml(stored.files[stored.main], stored.main).get("inference_config")
    if not routes:
        return None
    return OwnServer(
        workspace=workspace,
        stored=stored,
        scoring=_route(routes["scoring_route"]),
        readiness=_route(routes["readiness_route"]),
        served=tuple(one.stored for one in models),
    )


def _route(written: Mapping[str, Any]) -> Route:
    return Route(port=int(written["port"]), path=str(written["path"]))
