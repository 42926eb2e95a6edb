"""The docker engine's API through the `docker` package: what it has, what it runs, what it moves."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.engines import docker_socket
from envbuild.engines.build_log import redact
from envbuild.engines.protocol import Container, ImageInfo, RunOptions, Usage
from envbuild.files import new_file

if TYPE_CHECKING:
    import docker

PING_TIMEOUT = 5
"""Seconds after which an engine that does not answer counts as not there."""

ANSWER_TIMEOUT = 600
"""Seconds for any other answer."""


class DockerApi:
    """The engine that `DOCKER_HOST` names, else the one at the usual socket."""

    name = "docker"

    def available(self) -> str | None:
        """Return why no engine answers, or None."""
        if docker_socket.answers(PING_TIMEOUT):
            return None
        try:
            self._connect(PING_TIMEOUT).ping()
        except EngineError as error:
            return error.problems[0].message
        except Exception as error:  # noqa: BLE001 (transports raise what they like: requests, urllib3, ssh, OS errors)
            return f"no docker engine answers at {_host()}: {_socket_reason() or _short(error)}"
        return None

    @functools.cached_property
    def client(self) -> docker.DockerClient:
        """The connection to the engine."""
        return self._connect(ANSWER_TIMEOUT)

    def _connect(self, timeout: int) -> docker.DockerClient:
        import docker
        from docker.errors import DockerException

        if _host().startswith("ssh://") and find_spec("paramiko") is None:
            raise EngineError(f"an engine over SSH ({_host()}) needs the package paramiko: pip install 'envbuild[ssh]'")
        try:
            return docker.from_env(timeout=timeout, use_ssh_client=True)
        except DockerException as error:
            raise EngineError(f"no docker engine answers at {_host()}: {_socket_reason() or _short(error)}") from error

    def has_buildkit(self) -> bool:
        """Tell whether the engine builds with BuildKit over its socket (API 1.39, engine 18.09)."""
        with _worded("ask the engine for its version"):
            version = self.client.version()
        number = tuple(int(part) for part in str(version.get("ApiVersion", "0.0")).split("."))
        return number >= (1, 39) and version.get("Os") == "linux" and "podman" not in str(version).lower()

    def inspect(self, name: str) -> ImageInfo | None:
        """Return the image `name`, or None."""
        said = docker_socket.image_attributes(name, ANSWER_TIMEOUT)
        if said is not None:
            return image_info(said) if said else None
        from docker.errors import ImageNotFound

        try:
            with _worded(f"look at image {name}"):
                attributes: dict[str, Any] = self.client.images.get(name).attrs
        except ImageNotFound:
            return None
        return image_info(attributes)

    def tag(self, name: str, new: str) -> None:
        """Give the image `name` the further name `new`."""
        reference = ImageReference.parse(new)
        with _worded(f"tag {name}"):
            self.client.api.tag(name, reference.name, reference.tag or "latest")

    def pull(self, name: str, progress: Progress = SILENT) -> None:
        """Fetch `name` from its registry."""
        reference = ImageReference.parse(name)
        with progress.step(f"pull {name}") as step, _worded(f"pull {name}"):
            events = self.client.api.pull(reference.name, tag=reference.selector, stream=True, decode=True)
            for event in _checked(events, f"pull {name}"):
                step.advance(0, str(event.get("status", "")))

    def push(self, name: str, progress: Progress = SILENT) -> str:
        """Send `name` to its registry and return the digest of its manifest there."""
        reference = ImageReference.parse(name)
        digest = ""
        with progress.step(f"push {name}") as step, _worded(f"push {name}"):
            events = self.client.api.push(reference.name, tag=reference.tag or "latest", stream=True, decode=True)
            for event in _checked(events, f"push {name}"):
                step.advance(0, str(event.get("status", "")))
                digest = (event.get("aux") or {}).get("Digest", digest)
        return digest

    def save(self, name: str, path: Path) -> None:
        """Write `name` to `path` as a docker-archive; `path` is there only when it is whole."""
        with new_file(path) as file, _worded(f"save {name}"):
            for block in self.client.api.get_image(name):
                file.write(block)

    def remove_image(self, name: str) -> None:
        """Remove the name; the image goes with its last one."""
        with _worded(f"remove {name}"):
            self.client.images.remove(name)

    def start_over_api(self, name: str, options: RunOptions) -> Container:
        """Start a container of `name` without any program."""
        with _worded(f"run {name}"):
            started = self.client.containers.run(name, list(options.command) or None, detach=True, **_settings(options))
        return self.container(str(started.id), options)

    def container(self, identity: str, options: RunOptions) -> Container:
        """Return the container with the ports that it got."""
        with _worded("look at the container"):
            found = self.client.containers.get(identity)
        bound = found.attrs["NetworkSettings"]["Ports"] or {}
        ports = [
            (port, int(bound[f"{port}/tcp"][0]["HostPort"])) for port, _ in options.ports if bound.get(f"{port}/tcp")
        ]
        if options.network == "host":
            ports = [(port, port) for port, _ in options.ports]
        return Container(id=identity, engine=self.name, ports=tuple(ports))

    def logs(self, container: Container) -> str:
        """Return what the container printed so far."""
        with _worded("read the container's log"):
            return bytes(self.client.containers.get(container.id).logs()).decode(errors="replace")

    def running(self, container: Container) -> bool:
        """Tell whether the container still runs."""
        from docker.errors import NotFound

        try:
            with _worded("look at the container"):
                return bool(self.client.containers.get(container.id).status == "running")
        except NotFound:
            return False

    def usage(self, container: Container) -> Usage:
        """Return what the container used; memory without the files that the kernel may drop, as `docker stats` has it."""
        with _worded("ask for the use of the container"):
            said = self.client.api.stats(container.id, stream=False, one_shot=True)
        memory = said.get("memory_stats") or {}
        inner = memory.get("stats") or {}
        cached = inner.get("total_inactive_file", inner.get("inactive_file", 0))
        cpu = ((said.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage", 0)
        return Usage(cpu_seconds=cpu / 1e9, memory=max(0, int(memory.get("usage", 0)) - int(cached)))

    def stop(self, container: Container, *, patience: int = 10) -> None:
        """End the container and remove it; one that is gone already is no error."""
        from docker.errors import NotFound

        try:
            with _worded("stop the container"):
                found = self.client.containers.get(container.id)
                found.stop(timeout=patience)
                found.remove(force=True, v=True)
        except NotFound:
            return


def image_info(attributes: Mapping[str, Any]) -> ImageInfo:
    """Return what docker or podman say of an image (`inspect`)."""
    config = attributes.get("Config") or {}
    return ImageInfo(
        id=str(attributes.get("Id", "")),
        size=int(attributes.get("Size", 0)),
        architecture=str(attributes.get("Architecture", "")),
        digests=tuple(attributes.get("RepoDigests") or ()),
        tags=tuple(attributes.get("RepoTags") or ()),
        labels=tuple(sorted((config.get("Labels") or {}).items())),
        config=config,
    )


def _settings(options: RunOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "name": options.name,
        "network_mode": options.network,
        "user": options.user,
        "mem_limit": options.memory,
        "shm_size": options.shm_size,
        "nano_cpus": int(options.cpus * 1e9),
        "environment": dict(options.variables),
        "labels": dict(options.labels),
        "volumes": [f"{outside}:{inside}" for outside, inside in options.volumes],
        "ports": {f"{inside}/tcp": ("127.0.0.1", outside or None) for inside, outside in options.ports},
    }
    if options.network == "host":
        del settings["ports"]
    return {name: value for name, value in settings.items() if value}


def _checked(events: Iterable[Any], what: str) -> Iterator[dict[str, Any]]:
    for event in events:
        if "error" in event:
            raise EngineError(f"docker cannot {what}: {redact(str(event['error']))}")
        yield event


@contextmanager
def _worded(what: str) -> Iterator[None]:
    """Turn what the docker package and its transport raise into our error; what is not found stays as it is."""
    from docker.errors import DockerException, ImageNotFound, NotFound
    from requests.exceptions import RequestException

    try:
        yield
    except ImageNotFound as error:
        if what.startswith("look at"):
            raise
        raise EngineError(f"docker cannot {what}: there is no such image") from error
    except NotFound as error:
        if what.endswith("the container"):
            raise
        raise EngineError(f"docker cannot {what}: {_short(error)}") from error
    except (DockerException, RequestException) as error:
        raise EngineError(f"docker cannot {what}: {_short(error)}") from error


def _host() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _socket_reason() -> str:
    """Return what is plainly wrong with a socket of this machine, empty where nothing is or it is no socket."""
    scheme, _, place = _host().partition("://")
    if scheme != "unix":
        return ""
    if not os.path.exists(place):  # noqa: PTH110
        return "there is no such socket"
    return "" if os.access(place, os.R_OK | os.W_OK) else "you may not use it; the group `docker` may"


def _short(error: Exception) -> str:
    lines = redact(str(error)).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
