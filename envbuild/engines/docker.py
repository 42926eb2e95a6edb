"""Docker: builds through buildx, BuildKit in an old client, BuildKit through the socket, or the legacy builder, in that order."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild import programs
from envbuild.context import Context
from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.argv import INLINE, buildkit_arguments, buildx_arguments, classic_arguments, run_arguments
from envbuild.engines.building import BuildsDockerfiles, on_disk, read_identity, run_build, used_secrets, watched
from envbuild.engines.docker_api import DockerApi
from envbuild.engines.machine_secrets import without_defaults
from envbuild.engines.protocol import BuildOptions, BuiltImage, Container, RunOptions
from envbuild.engines.rest_build import build_over_rest
from envbuild.render import Dialect

Builder = Literal["buildx", "buildkit", "rest", "classic"]

DIALECTS: dict[Builder, Dialect] = {
    "buildx": "buildkit",
    "buildkit": "buildkit",
    "rest": "sessionless",
    "classic": "plain",
}

WITHOUT_SECRETS: tuple[Builder, ...] = ("rest", "classic")

FIRST_WITHOUT_OWN_BUILDKIT = 23
"""From this client version on, `DOCKER_BUILDKIT=1` needs the buildx plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A docker program on this machine, and what it can do."""

    path: str
    version: str
    buildx: bool

    @property
    def major(self) -> int:
        """The first number of the version, 0 where it says none."""
        found = re.match(r"\d+", self.version)
        return int(found[0]) if found else 0


def find_clients() -> tuple[Client, ...]:
    """Return the docker programs on PATH and in /usr/bin; a podman that calls itself docker is left out."""
    paths = dict.fromkeys(path for path in (programs.find("docker"), programs.find("/usr/bin/docker")) if path)
    clients = (_ask(path) for path in paths)
    return tuple(client for client in clients if client is not None)


def _ask(path: str) -> Client | None:
    said = programs.run([path, "--version"], check=False)
    found = re.match(r"Docker version ([0-9][^\s,]*)", said.stdout)
    if said.code != 0 or found is None:
        return None
    buildx = programs.run([path, "buildx", "version"], check=False).code == 0
    return Client(path=path, version=found[1], buildx=buildx)


def choose_builder(clients: tuple[Client, ...], *, rest: bool) -> tuple[Builder, str]:
    """Return how to build and with which program; `rest` says whether the engine has BuildKit behind its socket."""
    for client in clients:
        if client.buildx:
            return "buildx", client.path
    for client in clients:
        if client.major < FIRST_WITHOUT_OWN_BUILDKIT:
            return "buildkit", client.path
    if rest:
        return "rest", ""
    return "classic", clients[0].path if clients else ""


class DockerEngine(DockerApi, BuildsDockerfiles):
    """The docker engine that `DOCKER_HOST` names, else the one of this machine."""

    name = "docker"

    @functools.cached_property
    def builder(self) -> tuple[Builder, str]:
        """How this engine builds, and the program that does it, if any."""
        return choose_builder(find_clients(), rest=self.has_buildkit())

    @property
    def dialect(self) -> Dialect:
        """Which Dockerfiles it understands."""
        return DIALECTS[self.builder[0]]

    def build(
        self,
        context: Context,
        tags: tuple[str, ...],
        *,
        options: BuildOptions | None = None,
        secrets: Mapping[str, Path] | None = None,
        progress: Progress = SILENT,
    ) -> BuiltImage:
        """Build `context` (see `ImageEngine.build`)."""
        options, secrets = options or BuildOptions(), secrets or {}
        if self.builder[0] in WITHOUT_SECRETS:
            secrets = without_defaults(secrets, progress)
        check_supported(self.builder[0], options, secrets)
        secrets = used_secrets(context, secrets)
        image_id, digest, seconds = self._build(context, tags, options, secrets, progress)
        if options.push and self.builder[0] != "buildx":
            digest = self.push_all(tags, progress)
        return self.sized(image_id or tags[0], digest, seconds)

    def _build(
        self,
        context: Context,
        tags: tuple[str, ...],
        options: BuildOptions,
        secrets: Mapping[str, Path],
        progress: Progress,
    ) -> tuple[str, str, float]:
        """Return image id and manifest digest, as far as the builder tells them, and the seconds."""
        kind, program = self.builder
        if kind == "rest":
            found: list[str] = []
            seconds = watched(context, progress, build_over_rest(self.client, context, tags, options, found))
            return found[-1] if found else "", "", seconds
        with on_disk(context) as (folder, told):
            identity, metadata = told / "id", told / "metadata.json"
            if kind == "buildx":
                argv = buildx_arguments(folder, tags, options, secrets, metadata=metadata)
            elif kind == "buildkit":
                argv = buildkit_arguments(folder, tags, options, secrets, identity=identity)
            else:
                argv = classic_arguments(folder, tags, options, identity=identity)
            env = {**os.environ, "DOCKER_BUILDKIT": "0" if kind == "classic" else "1"}
            seconds = watched(context, progress, run_build([program, *argv], env))
            image_id, digest = read_metadata(metadata) if kind == "buildx" else (read_identity(identity), "")
            return image_id, digest, seconds

    def start(self, name: str, options: RunOptions | None = None) -> Container:
        """Start a container of the image `name` (see `ContainerEngine.start`)."""
        options = options or RunOptions()
        if not options.arguments:
            return self.start_over_api(name, options)
        clients = find_clients()
        if not clients:
            raise EngineError(
                f"the run arguments {' '.join(options.arguments)} need the docker program; none was found"
            )
        identity = programs.run([clients[-1].path, *run_arguments(name, options)]).stdout.strip()
        return self.container(identity, options)


def check_supported(kind: Builder, options: BuildOptions, secrets: Mapping[str, Path]) -> None:
    """Check that builder `kind` can do what is asked.

    Raises:
        EngineError: names what it cannot do and what could.
    """
    asked = {
        "--cache-to": any(kind == "classic" or one != INLINE for one in options.cache_to),
        "--builder": bool(options.builder),
    }
    if kind in WITHOUT_SECRETS:
        asked |= {"secrets": bool(secrets), "--ssh": bool(options.ssh), "--output": bool(options.output)}
    refused = [what for what, wanted in asked.items() if wanted]
    if kind != "buildx" and refused:
        raise EngineError(
            f"{', '.join(refused)}: not possible with this docker's {kind} builder",
            hint="install the docker buildx plugin",
        )


def read_metadata(path: Path) -> tuple[str, str]:
    """Return image id and manifest digest that buildx wrote to `path`; an empty text for what it did not say.

    Where an image only went into the engine's own store, it has no manifest, and what is called its digest is its id.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "", ""
    identity, digest = said.get("containerimage.config.digest", ""), said.get("containerimage.digest", "")
    return (str(identity), str(digest)) if identity else (str(digest), "")
