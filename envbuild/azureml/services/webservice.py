"""Services: asked, followed, changed and ended, from any process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from envbuild.azureml.records import Follower, Record
from envbuild.azureml.services.asking import AnsweredError, ask
from envbuild.azureml.services.secrets import ServiceSecrets
from envbuild.core.errors import ServiceError, WorkspaceError

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.packaging.inference import InferenceConfig
    from envbuild.azureml.workspace import Workspace

KIND = "service"
_LABELS = frozenset({"tags", "properties", "description"})
"""Settings that change nothing about how the service runs."""


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
        from envbuild.azureml.services.kinds import kind_of

        kind = (workspace.core.catalogue.record(KIND, name) or {}).get("compute_type")
        return kind_of(str(kind))(workspace, name)

    @staticmethod
    def list(
        workspace: Workspace,
        compute_type: str | None = None,
        model_name: str | None = None,
        model_id: str | None = None,
        tags: Sequence[Any] | None = None,
    ) -> Sequence[Webservice]:
        """Return the services by name: of one kind (`ACI`), with one model, or with tags (`[key, [key, value]]`)."""
        # versions are listed by their endpoints
        records = workspace.core.catalogue.records(KIND)
        found = [Webservice.of(workspace, name) for name, values in records.items() if not values.get("version_of")]
        wanted = [(one, None) if isinstance(one, str) else (one[0], one[1]) for one in tags or ()]

        def fits(one: Webservice) -> bool:
            models = one.record.values.get("models") or []
            return (
                (compute_type or one.compute_type).lower() == one.compute_type.lower()
                and (model_id is None or model_id in models)
                and (model_name is None or model_name in [model.partition(":")[0] for model in models])
                and all(key in one.tags and value in (None, one.tags[key]) for key, value in wanted)
            )

        return [one for one in found if fits(one)]

    @property
    def record(self) -> Record:
        """The service's record in the workspace."""
        return Record(self.workspace.core, KIND, self.name)

    @property
    def secrets(self) -> ServiceSecrets:
        """Its keys, the secret of its tokens, its certificate."""
        return ServiceSecrets(self.record)

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was deployed, by the names of its deployment configuration."""
        return dict(self.record.values.get("deployment") or {})

    @property
    def state(self) -> str:
        """Transitioning, Healthy, Unhealthy, Unschedulable, Failed, or Deleted."""
        values = self.record.values
        if not values:
            return "Deleted"
        state = str(values.get("status"))
        return "Unhealthy" if state == "Healthy" and not self.answers() else state

    @property
    def error(self) -> str:
        """Why it failed, or an empty text."""
        return str(self.record.values.get("error") or "")

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self.record.values.get("port", 0))

    @property
    def address(self) -> str:
        """Where it answers, by the name in its certificate where it has one."""
        scheme = "https" if self.secrets.certificate else "http"
        return f"{scheme}://{self.settings.get('ssl_cname') or '127.0.0.1'}:{self.port}"

    @property
    def scoring_uri(self) -> str:
        """Where it scores."""
        return f"{self.address}/score"

    @property
    def swagger_uri(self) -> str:
        """Where its OpenAPI document is."""
        return f"{self.address}/swagger.json"

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        return dict(self.settings.get("tags") or {})

    @property
    def properties(self) -> Mapping[str, str]:
        """Its properties."""
        return dict(self.settings.get("properties") or {})

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self.settings.get("description") or "")

    @property
    def auth_enabled(self) -> bool:
        """Whether a key is needed."""
        return bool(self.record.values.get("auth_enabled"))

    @property
    def token_auth_enabled(self) -> bool:
        """Whether a token is needed."""
        return bool(self.record.values.get("token_auth_enabled"))

    def get_status(self) -> str:
        """Return the state."""
        return self.state

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
            state = "failed" if values.get("status") == "Failed" else f"is {values.get('status')}"
            raise ServiceError(f"service {self.name} {state}: {values.get('error')}")

    def run(self, input_data: str | bytes) -> Any:
        """Send one request to score, with a key or a token where one is needed, and return its answer.

        Raises:
            ServiceError: the service does not run, or answered with an error.
        """
        headers = {"Content-Type": "application/json" if isinstance(input_data, str) else "application/octet-stream"}
        if self.auth_enabled:
            headers["Authorization"] = f"Bearer {self.get_keys()[0]}"
        elif self.token_auth_enabled:
            headers["Authorization"] = f"Bearer {self.get_token()[0]}"
        body = input_data.encode() if isinstance(input_data, str) else input_data
        try:
            content = ask(self.port, "/score", body, headers, trust=self.secrets.certificate)
        except AnsweredError as error:
            raise ServiceError(f"service {self.name} answered {error.status}: {error}") from error
        except OSError as error:
            raise ServiceError(f"service {self.name} does not answer: {error}", hint=f"it is {self.state}") from error
        try:
            return json.loads(content)
        except ValueError:
            return content

    def get_logs(self, num_lines: int = 5000, init: bool = False) -> str:
        """Return the last lines of what the service said; with `init`, of what its deployment did."""
        from envbuild.azureml.services.deploying import deployment_log, service_log

        text = deployment_log(self) if init else service_log(self)
        return "\n".join(text.splitlines()[-num_lines:])

    def get_keys(self) -> tuple[str, str]:
        """Return the two keys.

        Raises:
            ServiceError: the service needs none.
        """
        return self.secrets.keys()

    def regen_key(self, key: str, set_key: str | None = None) -> None:
        """Replace the `Primary` or the `Secondary` key; the service takes the new one within a second or two.

        Raises:
            ServiceError: the service needs no key, or `key` is neither.
        """
        self.secrets.change_key(key, set_key)

    def get_token(self) -> tuple[str, datetime]:
        """Return a token for the service, and when a new one should be asked for (UTC).

        Raises:
            ServiceError: the service takes no tokens.
        """
        token, refresh, _ = self.secrets.new_token()
        return token, refresh

    def update(
        self,
        models: Sequence[Model] | None = None,
        inference_config: InferenceConfig | None = None,
        *,
        image: Any = None,
        deployment_config: Any = None,
        wait: bool = False,
        **settings: Any,
    ) -> None:
        """Change the service, under the same name and port: other models, script, image or settings; None changes nothing.

        `image` is the name of an image that serves (or what `Model.package` made), for services in containers. `settings` are
        those of the kind's `deploy_configuration`. New tags, properties and descriptions need no new deployment; new
        properties are added to those that are there.

        Raises:
            ServiceError: the script cannot be served, or the service runs no image.
            DefinitionError: a setting is not known, or out of its range.
        """
        from envbuild.azureml.services.deploying import change_settings, redeploy

        given = {name: value for name, value in settings.items() if value is not None}
        changed = change_settings(self, given, deployment_config)
        labels_only = bool(given) and set(given) <= _LABELS and deployment_config is None
        if not (labels_only and models is None and inference_config is None and image is None):
            redeploy(self, changed, models, inference_config, image)
        if wait:
            self.wait_for_deployment()

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags, or change those of the same name."""
        self.update(tags={**self.tags, **tags})

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Remove the tags of these names."""
        self.update(tags={key: value for key, value in self.tags.items() if key not in tags})

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Add properties; those that are there cannot be changed."""
        self.update(properties=dict(properties))

    def delete(self) -> None:
        """End the service and forget it."""
        from envbuild.azureml.services.deploying import end

        end(self)
        self.secrets.remove()
        self.workspace.core.catalogue.delete_record(KIND, self.name)

    def serialize(self) -> dict[str, Any]:
        """Return what is known with Azure's keys; no secret is among it."""
        values, settings = self.record.values, self.settings
        return {
            "name": self.name,
            "computeType": self.compute_type.upper(),
            "state": self.state,
            "scoringUri": self.scoring_uri,
            "swaggerUri": self.swagger_uri,
            "authEnabled": self.auth_enabled,
            "aadAuthEnabled": self.token_auth_enabled,
            "sslEnabled": self.secrets.certificate is not None,
            "appInsightsEnabled": bool(settings.get("enable_app_insights")),
            "environment": values.get("environment"),
            "models": values.get("models"),
            "kvTags": self.tags,
            "properties": self.properties,
            "description": self.description,
            "createdTime": values.get("created"),
            "updatedTime": values.get("updated"),
            "error": values.get("error"),
        }

    def answers(self) -> bool:
        """Whether it says that it is healthy."""
        try:
            ask(self.port, "/", trust=self.secrets.certificate, limit=5)
        except (OSError, AnsweredError):
            return False
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name!r}, state={self.state!r})"
