"""What an engine is: it turns a plan into an image. Container engines also run, move and describe images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from envbuild.core.progress import SILENT, Progress

if TYPE_CHECKING:
    from envbuild.context import Context
    from envbuild.core.plan import Plan
    from envbuild.render import RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a person may say about one build, in BuildKit's words.

    `platform` is OCI's name; `cache_from`, `cache_to` and `output` are passed on as written; `network` is the RUN steps'
    (`host`, `none`); `builder` names a buildx builder; `ssh` are agents such as `default`.
    """

    platform: str = ""
    no_cache: bool = False
    pull: bool = False
    build_args: tuple[tuple[str, str], ...] = ()
    target: str = ""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    output: str = ""
    push: bool = False
    load: bool = False
    ssh: tuple[str, ...] = ()
    network: str = ""
    builder: str = ""

    @property
    def makes_the_keys(self) -> bool:
        """Whether what is built is the image that the key names, and is in the engine afterwards."""
        return not (self.build_args or self.target or self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image as the engine knows it: `digest` is its manifest's where the engine tells; `size` in bytes."""

    id: str
    digest: str = ""
    size: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(BuiltImage):
    """What `Engine.image` returns; `built` is False where an image of the same key was there already."""

    name: str
    key: str
    engine: str
    built: bool
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image in the engine. `digests` are `name@sha256:…` of registries that it came from or went to."""

    id: str
    size: int
    architecture: str = ""
    digests: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    config: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a container runs. `ports` maps the container's TCP port to one of 127.0.0.1, 0 for any that is free.

    `memory` and `shm_size` are Docker's sizes (`512m`); `arguments` are further arguments of `docker run`, as written.
    """

    name: str = ""
    ports: tuple[tuple[int, int], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()
    network: str = ""
    user: str = ""
    memory: str = ""
    cpus: float = 0.0
    shm_size: str = ""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that was started; `ports` maps its TCP ports to those of 127.0.0.1."""

    id: str
    engine: str
    ports: tuple[tuple[int, int], ...] = ()

    def url(self, port: int) -> str:
        """Return where the container's `port` answers on this machine."""
        return f"http://127.0.0.1:{dict(self.ports)[port]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a service used: CPU seconds so far, and bytes of memory, at this moment or at their peak."""

    cpu_seconds: float
    memory: int


class Engine(Protocol):
    """Turns a plan into an image."""

    name: str

    def available(self) -> str | None:
        """Return why this engine cannot work here, or None when it can."""

    def image(
        self,
        plan: Plan,
        *,
        name: str,
        tags: tuple[str, ...] = (),
        reuse: bool = True,
        options: BuildOptions | None = None,
        render_options: RenderOptions | None = None,
        secrets: Mapping[str, Path] | None = None,
        root: Path = Path(),
        progress: Progress = SILENT,
    ) -> Image:
        """Make the image of `plan` under `name` and `tags`; with `reuse`, one that exists under `name` is not built again.

        Raises:
            EngineError: the build failed.
        """


class ImageEngine(Engine, Protocol):
    """Builds contexts and keeps images."""

    def build(
        self,
        context: Context,
        tags: tuple[str, ...],
        *,
        options: BuildOptions | None = None,
        secrets: Mapping[str, Path] | None = None,
        progress: Progress = SILENT,
    ) -> BuiltImage:
        """Build `context` and tag it; `secrets` maps ids to files.

        Raises:
            EngineError: names the failing step, the lines of the definition that asked for it, and the full log.
        """

    def inspect(self, name: str) -> ImageInfo | None:
        """Return the image called `name` (or with that id), or None where there is none."""

    def tag(self, name: str, new: str) -> None:
        """Give the image `name` the further name `new`."""

    def pull(self, name: str, progress: Progress = SILENT) -> None:
        """Fetch `name` from its registry."""

    def push(self, name: str, progress: Progress = SILENT) -> str:
        """Send `name` to its registry and return the digest of its manifest there."""

    def save(self, name: str, path: Path) -> None:
        """Write `name` to `path` as a docker-archive, in one step."""

    def remove_image(self, name: str) -> None:
        """Remove the name; the image goes with its last one."""


class ContainerEngine(ImageEngine, Protocol):
    """Runs containers too."""

    def start(self, name: str, options: RunOptions | None = None) -> Container:
        """Start a container of the image `name` and return at once."""

    def logs(self, container: Container) -> str:
        """Return what the container printed so far."""

    def running(self, container: Container) -> bool:
        """Tell whether the container still runs."""

    def usage(self, container: Container) -> Usage:
        """Return what the running container used; a container that ended used nothing more."""

    def stop(self, container: Container, *, patience: int = 10) -> None:
        """End the container, gently for `patience` seconds, and remove it."""
