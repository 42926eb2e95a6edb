"""v2's online endpoints on this machine: one address, a router behind it, and the deployments among which it splits requests."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.endpoints.deployed import log_of, prepare_online, start, stop
from envbuild.azureml.endpoints.values import Endpoint, OnlineDeployment
from envbuild.azureml.records import Record, is_alive, now
from envbuild.azureml.services.asking import AnsweredError, ask_url
from envbuild.azureml.services.secrets import ServiceSecrets
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from envbuild.core.progress import Progress
from envbuild.files import exclusive, write_atomic

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

KIND = "endpoint"
HOUR = 3600
_NOTICED = 0.6
"""Seconds after which the router has read new routes: twice its interval. What was taken off may be ended then,
and what was added answers."""


class OnlineEndpoint:
    """One endpoint. What it is comes from the workspace each time it is asked; any process may change it."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Look the endpoint `name` up.

        Raises:
            WorkspaceError: there is none.
        """
        self.workspace, self.name = workspace, name
        self._record = Record(workspace.core, KIND, name)
        if not self._record.values:
            raise WorkspaceError(f"there is no endpoint {name} in this workspace", hint="`envbuild endpoint list`")

    @staticmethod
    def put(workspace: Workspace, wanted: Endpoint) -> OnlineEndpoint:
        """Make the endpoint, or change what it is; its deployments are deployed by `deploy`."""
        record = Record(workspace.core, KIND, wanted.name)
        record.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(record.folder.with_name(f".{wanted.name}.lock")):
            if not record.values:
                record.change(created=now(), deployments={}, traffic={}, mirror_traffic={}, router=None)
            changed = record.values.get("auth_mode") not in (None, wanted.auth_mode)
            ServiceSecrets(record).write(keys=wanted.auth_mode == "key", tokens=wanted.auth_mode != "key")
            record.change(auth_mode=wanted.auth_mode, description=wanted.description, tags=dict(wanted.tags))
            found = OnlineEndpoint(workspace, wanted.name)
            if changed:
                found._end_router()
        return found

    @staticmethod
    def list(workspace: Workspace) -> list[OnlineEndpoint]:
        """Return the endpoints by name."""
        return [OnlineEndpoint(workspace, name) for name in workspace.core.catalogue.records(KIND)]

    @property
    def _secrets(self) -> ServiceSecrets:
        return ServiceSecrets(self._record)

    @property
    def values(self) -> dict[str, Any]:
        """What the workspace knows of it."""
        return self._record.values

    @property
    def scoring_uri(self) -> str:
        """Where it scores; empty before its first deployment."""
        router = self.values.get("router") or {}
        return f"http://127.0.0.1:{router['port']}/score" if router else ""

    @property
    def state(self) -> str:
        """Healthy, Unhealthy (it does not answer), or Empty (no deployment gets traffic)."""
        if not any(self.values["traffic"].values()):
            return "Empty"
        return "Healthy" if self._answers() else "Unhealthy"

    def deploy(
        self, wanted: OnlineDeployment, progress: Progress, *, engine: str = "", all_traffic: bool = False
    ) -> None:
        """Start a deployment, in the place of one of that name once the new one answers.

        The first deployment of an endpoint gets all traffic, as does one with `all_traffic`.

        Raises:
            EnvbuildError: it cannot be made or started; what ran before runs on.
        """
        ready = prepare_online(self.workspace, wanted, progress)
        unique = f"{self.name}.{wanted.name}.{secrets.token_hex(4)}"
        running = start(ready, wanted, self._record.folder / unique, unique, engine=engine, progress=progress)
        with self._changing():
            before = self.values["deployments"].get(wanted.name)
            first = not self.values["deployments"]
            about = {
                "models": list(ready.models),
                "environment": ready.environment,
                "instances": wanted.instances,
                "entry_script": wanted.scoring_script,
                "created": now(),
            }
            self._record.change(deployments={**self.values["deployments"], wanted.name: {**running, **about}})
            if all_traffic or first:
                self._record.change(traffic={wanted.name: 100})
            self._route()
        if before:
            stop(before)

    def set_traffic(self, traffic: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> None:
        """Split the requests by percent; `mirror` sends copies of that percent to one deployment and drops its answers.

        Raises:
            DefinitionError: a deployment is not there, or the percents add up to something else than 100 or 0.
        """
        mirror = mirror or {}
        known = self.values["deployments"]
        for name, percent in [*traffic.items(), *mirror.items()]:
            if name not in known:
                raise DefinitionError(
                    f"endpoint {self.name} has no deployment {name}", hint=f"it has: {', '.join(known) or 'none'}"
                )
            if not 0 <= percent <= 100:
                raise DefinitionError(f"traffic {name}={percent} is not a percent")
        if sum(traffic.values()) not in (0, 100):
            raise DefinitionError(f"traffic adds up to {sum(traffic.values())}", hint="100, or 0 to stop answering")
        if len(mirror) > 1:
            raise DefinitionError("one deployment at most gets copies")
        with self._changing():
            self._record.change(traffic=dict(traffic), mirror_traffic=dict(mirror))
            self._route()

    def delete_deployment(self, name: str) -> None:
        """End a deployment.

        Raises:
            WorkspaceError: there is none.
            ServiceError: it gets traffic.
        """
        with self._changing():
            known = dict(self.values["deployments"])
            running = self._deployment(name)
            traffic = dict(self.values["traffic"])
            if traffic.get(name) and len(known) > 1:
                raise ServiceError(
                    f"deployment {name} gets {traffic[name]} % of the traffic", hint="give it to another one first"
                )
            known.pop(name)
            traffic.pop(name, None)
            mirror = {key: value for key, value in self.values["mirror_traffic"].items() if key != name}
            self._record.change(deployments=known, traffic=traffic, mirror_traffic=mirror)
            self._route()
        stop(running)

    def delete(self) -> None:
        """End the endpoint and all its deployments, and forget it."""
        with self._changing():
            self._end_router()
            for one in self.values["deployments"].values():
                stop(one)
            self.workspace.core.catalogue.delete_record(KIND, self.name)
            shutil.rmtree(self._record.folder, ignore_errors=True)

    def invoke(self, body: bytes, deployment: str = "") -> bytes:
        """Send one request to score, to `deployment` or by the traffic's split, and return the answer.

        Raises:
            ServiceError: it is answered with an error, or not at all.
        """
        if not self.scoring_uri:
            raise ServiceError(f"endpoint {self.name} has no deployment")
        headers = {"Content-Type": "application/json", **self._authorization()}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        try:
            return ask_url(self.scoring_uri, body, headers)
        except AnsweredError as error:
            raise ServiceError(f"endpoint {self.name} answered {error.status}: {error}") from error
        except OSError as error:
            raise ServiceError(f"endpoint {self.name} does not answer: {error}") from error

    def credentials(self) -> dict[str, str]:
        """Return `primaryKey` and `secondaryKey`, or with tokens an `accessToken` that holds for an hour."""
        if self.values["auth_mode"] == "key":
            first, second = self._secrets.keys()
            return {"primaryKey": first, "secondaryKey": second}
        token, _, end = self._secrets.new_token(HOUR)
        return {"accessToken": token, "expiryTimeUtc": str(int(end.timestamp()))}

    def change_key(self, which: str, value: str | None = None) -> None:
        """Replace the `primary` or the `secondary` key by `value`, or by a new one; the router knows it within two seconds.

        Raises:
            ServiceError: the endpoint takes tokens, or `which` is neither.
        """
        self._secrets.change_key(which, value)

    def logs(self, deployment: str) -> str:
        """Return what a deployment said so far.

        Raises:
            WorkspaceError: there is none.
        """
        return log_of(self._deployment(deployment))

    def serialize(self) -> dict[str, Any]:
        """Return what is known, with the keys of v2's YAML."""
        values = self.values
        return {
            "name": self.name,
            "auth_mode": values["auth_mode"],
            "state": self.state,
            "scoring_uri": self.scoring_uri,
            "traffic": values["traffic"],
            "mirror_traffic": values["mirror_traffic"],
            "deployments": {
                name: {key: one.get(key) for key in ("models", "environment", "instances", "entry_script", "created")}
                for name, one in values["deployments"].items()
            },
            "description": values.get("description"),
            "tags": values.get("tags"),
        }

    def _deployment(self, name: str) -> dict[str, Any]:
        found = self.values["deployments"].get(name)
        if found is None:
            raise WorkspaceError(f"endpoint {self.name} has no deployment {name}")
        return dict(found)

    def _changing(self) -> contextlib.AbstractContextManager[Any]:
        return exclusive(self._record.folder.with_name(f".{self.name}.lock"))

    def _authorization(self) -> dict[str, str]:
        found = self.credentials()
        return {"Authorization": f"Bearer {found.get('primaryKey') or found['accessToken']}"}

    def _route(self) -> None:
        """Write who answers to the router's file, which it reads again when it changes; start the router if it does not run."""
        values = self.values
        routes = {
            name: {
                "url": one["url"],
                "traffic": values["traffic"].get(name, 0),
                "mirror": values["mirror_traffic"].get(name, 0),
                **{key: one[key] for key in ("scoring", "health") if key in one},
            }
            for name, one in values["deployments"].items()
        }
        write_atomic(self._record.folder / "routes.json", json.dumps({"deployments": routes}, indent=2))
        pid = (values.get("router") or {}).get("pid")
        if pid and is_alive(pid):
            time.sleep(_NOTICED)
        else:
            self._start_router()

    def _start_router(self) -> None:
        import envbuild.serving
        from envbuild.azureml.services.targets import free_port
        from envbuild.engines.local_service import start_router

        folder, values = self._record.folder.resolve(), self.values
        router = start_router(
            Path(envbuild.serving.__file__).parent,
            folder / "routes.json",
            folder,
            port=(values.get("router") or {}).get("port") or free_port(),
            variables=self._secrets.variables(),
            wait=any(values["traffic"].values()),
        )
        self._record.change(router={"pid": router.pid, "port": router.port, "folder": str(folder)})

    def _end_router(self) -> None:
        from envbuild.engines.local_service import LocalService

        router = self.values.get("router") or {}
        if router.get("pid"):
            folder = Path(router["folder"])
            LocalService(pid=router["pid"], port=router["port"], log=folder / "router.log", folder=folder).stop()
            self._record.change(router={**router, "pid": None})

    def _answers(self) -> bool:
        try:
            ask_url(self.scoring_uri.removesuffix("score"), limit=5)
        except (OSError, AnsweredError):
            return False
        return True
