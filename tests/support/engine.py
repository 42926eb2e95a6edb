"""The container engine as tests see it: where it is, and its command line."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.programs import Completed


def missing_engine() -> str:
    """Return why there is no engine for this run, or ""."""
    if os.environ.get("ENVBUILD_TEST_DOCKER_HOST"):
        return ""
    return os.environ.get("ENVBUILD_TEST_ENGINE_SKIP") or "no engine: run the tests with `python -m tests`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A docker daemon and a registry on loopback.

    `folder` holds an empty docker configuration, and in `bin/` the client that belongs to the daemon.
    """

    docker_host: str
    registry: str
    folder: Path

    @classmethod
    def from_environment(cls, stack: contextlib.ExitStack) -> Engine:
        """Return the engine that the environment names; its folder lasts as long as `stack`."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-tests-")))
        (folder / "bin").mkdir()
        (folder / "bin/docker").symlink_to(_client())
        return cls(
            docker_host=os.environ["ENVBUILD_TEST_DOCKER_HOST"],
            registry=os.environ["ENVBUILD_TEST_REGISTRY"],
            folder=folder,
        )

    @property
    def client(self) -> str:
        """Return the docker program that belongs to the daemon."""
        return str(self.folder / "bin/docker")

    def settings(self) -> dict[str, str]:
        """Return the variables that point a program at this engine, with nothing of the user's docker configuration."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"DOCKER_HOST": self.docker_host, "DOCKER_CONFIG": str(self.folder), "PATH": path}

    def environment(self) -> dict[str, str]:
        """Return this process's environment with `settings`, for a program that is started."""
        return {**os.environ, **self.settings()}

    def docker(self, *arguments: str | Path, check: bool = True) -> Completed:
        """Run `docker` with `arguments`.

        Raises:
            ProgramError: its code is not 0 (with `check`).
        """
        return programs.run([self.client, *map(str, arguments)], env=self.environment(), check=check)

    def build(
        self,
        context: Path,
        *,
        tag: str,
        network: str = "host",
        secrets: Mapping[str, Path] | None = None,
        options: Sequence[str] = (),
    ) -> str:
        """Build `context` with BuildKit and return what it printed; `secrets` maps an id to a file.

        With `network="host"`, RUN steps reach the tests' servers on 127.0.0.1 and whatever this machine reaches;
        `network="default"` is the daemon's bridge, which reaches the outside but not this machine's loopback.

        Raises:
            ProgramError: the build failed.
        """
        mounts = [f"--secret=id={name},src={path}" for name, path in (secrets or {}).items()]
        argv = [self.client, "build", "--progress=plain", f"--network={network}", f"--tag={tag}", *mounts, *options]
        done = programs.run([*argv, str(context)], env={**self.environment(), "DOCKER_BUILDKIT": "1"})
        return done.stdout + done.stderr

    def run(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Run `command` in a container of `image`, remove it, and return what it printed to stdout.

        Raises:
            ProgramError: its code is not 0.
        """
        return self.docker("run", "--rm", *options, image, *command).stdout


def _client() -> str:
    """Return Debian's docker program, which came with the daemon, else the one on PATH."""
    packaged = Path("/usr/bin/docker")
    return str(packaged) if packaged.exists() else programs.find("docker") or str(packaged)
