"""Podman: builds with buildah's code, runs containers without a daemon."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from envbuild.engines.argv import run_arguments
from envbuild.engines.cli_engine import CliEngine
from envbuild.engines.docker_api import image_info
from envbuild.engines.limits import namespace_usage
from envbuild.engines.protocol import Container, ImageInfo, RunOptions, Usage


class PodmanEngine(CliEngine):
    """The `podman` program with the store that it is configured for, or that `options` name."""

    name = "podman"
    image_inspect = ("image", "inspect")

    def info(self, attributes: Mapping[str, Any]) -> ImageInfo:
        """Return what `podman image inspect` says."""
        return image_info(attributes)

    def start(self, name: str, options: RunOptions | None = None) -> Container:
        """Start a container of the image `name` and return at once."""
        options = options or RunOptions()
        identity = self.run(*run_arguments(name, options)).stdout.strip().splitlines()[-1]
        if options.network == "host":
            ports = tuple((port, port) for port, _ in options.ports)
        else:
            said = json.loads(self.run("container", "inspect", identity).stdout)
            ports = _published(said[0], options)
        return Container(id=identity, engine=self.name, ports=ports)

    def logs(self, container: Container) -> str:
        """Return what the container printed so far."""
        said = self.run("logs", container.id)
        return said.stdout + said.stderr

    def running(self, container: Container) -> bool:
        """Tell whether the container still runs."""
        said = self.run("container", "inspect", "--format={{.State.Running}}", container.id, check=False)
        return said.code == 0 and said.stdout.strip() == "true"

    def usage(self, container: Container) -> Usage:
        """Return what the container's processes used; they are processes of this machine."""
        said = self.run("container", "inspect", "--format={{.State.Pid}}", container.id, check=False)
        return namespace_usage(int(said.stdout.strip() or 0))

    def stop(self, container: Container, *, patience: int = 10) -> None:
        """End the container and remove it; one that is gone already is no error."""
        self.run("stop", "--ignore", f"--time={patience}", container.id)
        self.run("rm", "--force", "--ignore", "--volumes", container.id)


def _published(attributes: Mapping[str, Any], options: RunOptions) -> tuple[tuple[int, int], ...]:
    bound = (attributes.get("NetworkSettings") or {}).get("Ports") or {}
    pairs = ((port, bound.get(f"{port}/tcp")) for port, _ in options.ports)
    return tuple((port, int(places[0]["HostPort"])) for port, places in pairs if places)
