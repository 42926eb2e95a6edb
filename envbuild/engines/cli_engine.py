"""What podman and buildah share: each is driven through its program, which keeps images in the same store."""

from __future__ import annotations

import json
import os
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envbuild import programs
from envbuild.context import Context
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.argv import buildah_arguments
from envbuild.engines.building import BuildsDockerfiles, on_disk, read_identity, run_build, used_secrets, watched
from envbuild.engines.protocol import BuildOptions, BuiltImage, ImageInfo
from envbuild.files import beside


class CliEngine(BuildsDockerfiles):
    """An engine that is a program: `podman` or `buildah`. `options` stand before every subcommand (`--root DIR`)."""

    name: str
    image_inspect: tuple[str, ...]

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        """Use the program with `options`, which say where its store is; none means its own configuration."""
        self.options = options

    def available(self) -> str | None:
        """Return why the program cannot be used, or None."""
        if programs.find(self.name) is None:
            return f"the program {self.name} is not installed"
        said = programs.run([self.name, *self.options, "info"], check=False)
        return None if said.code == 0 else f"{self.name} does not work here: {_last_line(said.stderr)}"

    def run(self, *arguments: str | Path, check: bool = True) -> programs.Completed:
        """Run the program with `arguments`."""
        return programs.run([self.name, *self.options, *map(str, arguments)], check=check)

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
        options, secrets = options or BuildOptions(), used_secrets(context, secrets or {})
        with on_disk(context) as (folder, told):
            argv = buildah_arguments(folder, tags, options, secrets, identity=told / "id")
            seconds = watched(context, progress, run_build([self.name, *self.options, *argv], dict(os.environ)))
            identity = read_identity(told / "id")
        digest = self.push_all(tags, progress) if options.push else ""
        return self.sized(identity, digest, seconds)

    def inspect(self, name: str) -> ImageInfo | None:
        """Return the image `name`, or None."""
        said = self.run(*self.image_inspect, name, check=False)
        if said.code != 0:
            return None
        found = json.loads(said.stdout)
        return self.info(found[0] if isinstance(found, list) else found)

    @abstractmethod
    def info(self, attributes: Mapping[str, Any]) -> ImageInfo:
        """Return what the program's `inspect` says as our value."""

    def tag(self, name: str, new: str) -> None:
        """Give the image `name` the further name `new`."""
        self.run("tag", name, new)

    def pull(self, name: str, progress: Progress = SILENT) -> None:
        """Fetch `name` from its registry."""
        with progress.step(f"pull {name}"):
            self.run("pull", "--quiet", name)

    def push(self, name: str, progress: Progress = SILENT) -> str:
        """Send `name` to its registry and return the digest of its manifest there."""
        with progress.step(f"push {name}"), tempfile.TemporaryDirectory(prefix="envbuild-push-") as temporary:
            digest = Path(temporary, "digest")
            self.run("push", f"--digestfile={digest}", name)
            return digest.read_text(encoding="ascii").strip()

    def save(self, name: str, path: Path) -> None:
        """Write `name` to `path` as a docker-archive; `path` is there only when it is whole."""
        with beside(path) as temporary:
            partial = temporary / "image.tar"
            self.run("push", name, f"docker-archive:{partial}:{name}")
            partial.replace(path)

    def remove_image(self, name: str) -> None:
        """Remove the name; the image goes with its last one."""
        self.run("rmi", name)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
