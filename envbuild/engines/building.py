"""What every engine that reads a Dockerfile does around its build: look whether the image is there, render, watch, keep the log."""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from envbuild.context import Context, fill_folder
from envbuild.core.errors import EngineError
from envbuild.core.keys import sha256
from envbuild.core.plan import Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.build_log import BuildLog, count_steps
from envbuild.engines.protocol import BuildOptions, BuiltImage, Image, ImageInfo
from envbuild.files import cache_root, write_atomic
from envbuild.programs import ProgramError, stream
from envbuild.render import SECRETS, Dialect, RenderOptions, render
from envbuild.render.dockerfile import instructions


class BuildsDockerfiles(ABC):
    """An engine that reads a Dockerfile: a plan is rendered in its dialect and built."""

    name: str

    @property
    def dialect(self) -> Dialect:
        """Which Dockerfiles it understands."""
        return "buildkit"

    @abstractmethod
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

    @abstractmethod
    def inspect(self, name: str) -> ImageInfo | None:
        """Return the image `name`, or None."""

    @abstractmethod
    def tag(self, name: str, new: str) -> None:
        """Give the image `name` the further name `new`."""

    @abstractmethod
    def push(self, name: str, progress: Progress = SILENT) -> str:
        """Send `name` to its registry and return the digest of its manifest there."""

    def push_all(self, names: tuple[str, ...], progress: Progress) -> str:
        """Send each of `names` and return the digest of the first."""
        digests = [self.push(name, progress) for name in names]
        return digests[0] if digests else ""

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
        """Make the image of `plan` (see `Engine.image`)."""
        options = options or BuildOptions()
        if options.push and not tags:
            raise EngineError("there is no name to push the image under", hint="say --tag REGISTRY/NAME:TAG")
        # with arguments or a stage of a Dockerfile it is something else than the key says
        named = (name, *tags) if options.makes_the_keys else tags
        image = Image(
            name=named[0] if named else "", key=plan.image_key, engine=self.name, built=False, id="", tags=tags
        )
        found = self.inspect(name) if reuse and options.makes_the_keys and not options.no_cache else None
        if found is not None:
            for tag in tags:
                self.tag(name, tag)
            digest = self.push_all(tags, progress) if options.push else ""
            return replace(image, id=found.id, size=found.size, digest=digest)
        wording = replace(render_options or RenderOptions.of(plan.definition.image), dialect=self.dialect)
        context = render(plan, options=wording, root=root)
        # a builder elsewhere pushes what it built; the name made of the key is for this machine alone
        elsewhere = options.push and bool(options.builder)
        wishes = replace(options, platform=options.platform or plan.selection.platform.oci, push=elsewhere)
        names = tags if elsewhere else named
        built = self.build(context, names, options=wishes, secrets=secrets, progress=progress)
        digest = self.push_all(tags, progress) if options.push and not elsewhere else built.digest
        return replace(image, built=True, id=built.id, digest=digest, size=built.size, seconds=round(built.seconds, 2))

    def sized(self, identity: str, digest: str, seconds: float) -> BuiltImage:
        """Return the image that was built, with its size where the engine keeps it."""
        found = self.inspect(identity)
        return BuiltImage(id=identity, digest=digest, size=found.size if found else 0, seconds=seconds)


@contextmanager
def on_disk(context: Context) -> Iterator[tuple[Path, Path]]:
    """Yield the context written to a folder, and a second folder for what the build tells; both vanish."""
    with tempfile.TemporaryDirectory(prefix="envbuild-build-") as temporary:
        folder, told = Path(temporary, "context"), Path(temporary, "told")
        folder.mkdir()
        told.mkdir()
        fill_folder(context, folder)
        yield folder, told


class BuildFailedError(EngineError):
    """The engine's own word that a build failed."""


Build = Callable[[Callable[[str], None]], None]
"""Builds, and gives each line that the engine prints to the function that it is called with."""


def watched(context: Context, progress: Progress, build: Build) -> float:
    """Run `build`, show its steps, and return its seconds.

    Raises:
        EngineError: `build` did; it is worded with the failing step, and the full log is kept in the cache.
    """
    start = time.monotonic()
    with progress.step("build the image", count_steps(instructions(context.dockerfile))) as step:
        log = BuildLog(context, step)
        try:
            build(log.take)
        except BuildFailedError as error:
            log.take(str(error))
            raise log.failure(str(_keep(log))) from error
        except ProgramError as error:
            raise log.failure(str(_keep(log))) from error
    return time.monotonic() - start


def run_build(argv: list[str], env: Mapping[str, str]) -> Build:
    """Return a build for `watched` that runs a program."""

    def build(take: Callable[[str], None]) -> None:
        stream(argv, take, env=env)

    return build


def used_secrets(context: Context, secrets: Mapping[str, Path]) -> dict[str, Path]:
    """Return those of `secrets` that the Dockerfile of `context` uses.

    Raises:
        EngineError: one has an id that no Dockerfile of ours uses, nor this one's own steps; or its file is not there.
    """
    for name, path in secrets.items():
        if name not in SECRETS and name not in context.secrets:
            known = ", ".join(sorted({*SECRETS, *context.secrets}))
            raise EngineError(f"secret {name!r} is not used by the Dockerfile; it uses {known}")
        if not path.is_file():
            raise EngineError(f"the file of secret {name!r}, {path}, does not exist")
        if "," in str(path):
            raise EngineError(f"the file of secret {name!r}, {path}, has a comma in its path, which builders split at")
    return {name: path for name, path in secrets.items() if name in context.secrets}


def read_identity(path: Path) -> str:
    """Return the image id that a build wrote to `path`.

    Raises:
        EngineError: it wrote none.
    """
    if not path.is_file():
        raise EngineError("the build ended well but named no image")
    return path.read_text(encoding="ascii").strip()


def _keep(log: BuildLog) -> Path:
    # one file for each Dockerfile, so that builds side by side keep apart and old logs do not pile up
    path = cache_root() / "builds" / f"{sha256(log.context.dockerfile.encode())[:16]}.log"
    write_atomic(path, "\n".join(log.lines) + "\n")
    return path
