"""Services: started, asked, followed, changed and ended, from any process."""

from __future__ import annotations

import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from envbuild.azureml.records import Follower, Record
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from envbuild.files import write_atomic

if TYPE_CHECKING:
    from envbuild.azureml.core.model import Model
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.inference import InferenceConfig

KIND = "service"
_LOCAL_STATES = {"Transitioning": "deploying", "Healthy": "running", "Unhealthy": "failed", "Failed": "failed"}


@dataclass(frozen=True, slots=True)
class LocalWebserviceDeploymentConfiguration:
    """A service on this machine. `port` None takes a free one; `use_docker` runs it in a container instead of a process."""

    port: int | None = None
    use_docker: bool = False

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise DefinitionError(f"port {self.port} is not between 1 and 65535")


@dataclass(frozen=True, slots=True)
class AciServiceDeploymentConfiguration:
    """A service in one container with limits; with `auth_enabled`, only requests with one of its keys are answered."""

    cpu_cores: float = 0.1
    memory_gb: float = 0.5
    auth_enabled: bool = False
    port: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        if self.cpu_cores <= 0 or self.memory_gb <= 0:
            raise DefinitionError("cpu_cores and memory_gb are above 0")


class Webservice:
    """One service; what it is comes from the workspace each time it is asked."""

    compute_type = "Local"

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Look the service `name` up.

        Raises:
            WorkspaceError: there is none.
        """
        self.workspace, self.name = workspace, name
        if not self.record.values:
            raise WorkspaceError(f"there is no service {name} in this workspace")

    @staticmethod
    def of(workspace: Workspace, name: str) -> Webservice:
        """Return the service `name` as what it was deployed as.

        Raises:
            WorkspaceError: there is none.
        """
        from envbuild.azureml.aks import AksWebservice

        kind = (workspace.core.catalogue.record(KIND, name) or {}).get("compute_type")
        kinds: dict[Any, type[Webservice]] = {one.compute_type: one for one in (AciWebservice, AksWebservice)}
        return kinds.get(kind, LocalWebservice)(workspace, name)

    @staticmethod
    def list(workspace: Workspace, compute_type: str | None = None) -> Sequence[Webservice]:
        """Return the services by name."""
        found = [Webservice.of(workspace, name) for name in workspace.core.catalogue.records(KIND)]
        return [one for one in found if compute_type in (None, one.compute_type)]

    @property
    def record(self) -> Record:
        """The service's record in the workspace."""
        return Record(self.workspace.core, KIND, self.name)

    @property
    def state(self) -> str:
        """Transitioning, Healthy, Unhealthy, Failed, or Deleted."""
        values = self.record.values
        if not values:
            return "Deleted"
        state = str(values.get("status"))
        return "Unhealthy" if state == "Healthy" and not self._answers() else state

    @property
    def error(self) -> str:
        """Why it failed, or an empty text."""
        return str(self.record.values.get("error", ""))

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self.record.values.get("port", 0))

    @property
    def scoring_uri(self) -> str:
        """Where it scores."""
        return f"http://127.0.0.1:{self.port}/score"

    @property
    def swagger_uri(self) -> str:
        """Where its OpenAPI document is."""
        return f"http://127.0.0.1:{self.port}/swagger.json"

    @property
    def auth_enabled(self) -> bool:
        """Whether a key is needed."""
        return bool(self.record.values.get("auth_enabled"))

    @property
    def token_auth_enabled(self) -> bool:
        """Whether a token is needed: never, here; keys are."""
        return False

    def wait_for_deployment(self, show_output: bool = False, timeout_sec: float | None = None) -> None:
        """Wait until the service answers; `show_output` copies the log to stdout.

        Raises:
            ServiceError: it failed, with the end of its log, in which the script's own traceback is; or the time is over.
        """
        follow = Follower(self.record.folder / "deploy.log") if show_output else None
        limit = time.monotonic() + (timeout_sec or float("inf"))
        while (values := self.record.values).get("status") == "Transitioning":
            if time.monotonic() > limit:
                raise ServiceError(f"service {self.name} did not answer within {timeout_sec} s")
            if follow is not None:
                follow.show()
            time.sleep(0.05)
        if follow is not None:
            follow.show()
            sys.stdout.write(f"service {self.name}: {self.state}\n")
        if values.get("status") != "Healthy":
            raise ServiceError(f"service {self.name} failed: {values.get('error')}")

    def run(self, input_data: str | bytes) -> Any:
        """Send one request to score and return its answer.

        Raises:
            ServiceError: the service does not run, or answered with an error.
        """
        headers = {"Content-Type": "application/json" if isinstance(input_data, str) else "application/octet-stream"}
        if self.auth_enabled:
            headers["Authorization"] = f"Bearer {self.get_keys()[0]}"
        body = input_data.encode() if isinstance(input_data, str) else input_data
        request = urllib.request.Request(self.scoring_uri, body, headers)  # noqa: S310 - always http on loopback
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
                content = answer.read()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise ServiceError(f"service {self.name} answered {error.code}: {said}") from error
        except OSError as error:
            raise ServiceError(f"service {self.name} does not answer: {error}", hint=f"it is {self.state}") from error
        try:
            return json.loads(content)
        except ValueError:
            return content

    def get_logs(self, num_lines: int = 5000) -> str:
        """Return the last lines of what the service said."""
        from envbuild.azureml.deploying import service_log

        return "\n".join(service_log(self).splitlines()[-num_lines:])

    def get_keys(self) -> tuple[str, str]:
        """Return the two keys.

        Raises:
            ServiceError: the service needs none.
        """
        path = self.record.folder / "keys"
        if not path.is_file():
            raise ServiceError(f"service {self.name} needs no key", hint="deploy it with auth_enabled=True")
        first, second = path.read_text(encoding="utf-8").split()
        return first, second

    def regen_key(self, key: str, set_key: str | None = None) -> None:
        """Replace the `Primary` or the `Secondary` key; the service takes the new one within a second or two.

        Raises:
            ServiceError: the service needs no key, or `key` is neither.
        """
        if key not in ("Primary", "Secondary"):
            raise ServiceError(f"{key!r} is not a key", hint="Primary or Secondary")
        keys = list(self.get_keys())
        keys[key == "Secondary"] = set_key or new_key()
        # the same file, not a new one: a container sees that file
        (self.record.folder / "keys").write_text("\n".join(keys), encoding="utf-8")

    def update(self, models: Sequence[Model] | None = None, inference_config: InferenceConfig | None = None) -> None:
        """Deploy again with other models or another script, under the same name and port.

        Raises:
            ServiceError: the script cannot be served.
        """
        from envbuild.azureml.deploying import redeploy

        redeploy(self, models, inference_config)

    def delete(self) -> None:
        """End the service and forget it."""
        from envbuild.azureml.deploying import end

        end(self)
        self.workspace.core.catalogue.delete_record(KIND, self.name)

    def serialize(self) -> dict[str, Any]:
        """Return what is known with Azure's keys."""
        values = self.record.values
        return {
            "name": self.name,
            "computeType": self.compute_type.upper(),
            "state": self.state,
            "scoringUri": self.scoring_uri,
            "swaggerUri": self.swagger_uri,
            "authEnabled": self.auth_enabled,
            "environment": values.get("environment"),
            "models": values.get("models"),
            "createdTime": values.get("created"),
            "error": values.get("error"),
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name!r}, state={self.state!r})"


class LocalWebservice(Webservice):
    """A service on this machine: a process in a prefix, or a container."""

    @staticmethod
    def deploy_configuration(
        port: int | None = None, use_docker: bool = False
    ) -> LocalWebserviceDeploymentConfiguration:
        """Return how to deploy it.

        Raises:
            DefinitionError: the port is none.
        """
        return LocalWebserviceDeploymentConfiguration(port, use_docker)

    @property
    def state(self) -> str:
        """deploying, running, failed, or deleted."""
        state = super().state
        return _LOCAL_STATES.get(state, state.lower())

    def reload(self, wait: bool = False) -> None:
        """Start the service again with the script as it is now; nothing is built.

        Raises:
            ServiceError: the script cannot be served any more.
        """
        self.update()
        if wait:
            self.wait_for_deployment()


class AciWebservice(Webservice):
    """A service in one container with limits."""

    compute_type = "ACI"

    @staticmethod
    def deploy_configuration(
        cpu_cores: float | None = None,
        memory_gb: float | None = None,
        tags: dict[str, str] | None = None,
        description: str | None = None,
        auth_enabled: bool | None = None,
        port: int | None = None,
    ) -> AciServiceDeploymentConfiguration:
        """Return how to deploy it; the defaults are Azure's, a tenth of a CPU and half a GB.

        Raises:
            DefinitionError: a limit is not above 0.
        """
        return AciServiceDeploymentConfiguration(
            0.1 if cpu_cores is None else cpu_cores,
            0.5 if memory_gb is None else memory_gb,
            bool(auth_enabled),
            port,
            dict(tags or {}),
            description or "",
        )


def new_key() -> str:
    """Return a key that nobody guesses."""
    return secrets.token_urlsafe(32)


def write_keys(record: Record) -> None:
    """Give a service two keys, readable by the user alone, unless it has them."""
    path = record.folder / "keys"
    if not path.is_file():
        write_atomic(path, f"{new_key()}\n{new_key()}", mode=0o600)
