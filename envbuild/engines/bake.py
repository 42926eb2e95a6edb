"""All environments of a project in one build: a folder with a `docker-bake.json` and a context for each, and how buildx is called.

The file is as Docker's "Bake file reference" has it. BuildKit solves all its targets as one graph: what several have in
common (the base, its checks, apt, the installers) is done once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbuild import programs
from envbuild.context import Context, fill_folder
from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.docker import find_clients
from envbuild.engines.protocol import BuildOptions
from envbuild.files import new_folder
from envbuild.programs import ProgramError, stream

BAKE_FILE = "docker-bake.json"

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeTarget:
    """One environment: its target's name (see `target_name`), its context, and the names that its image gets."""

    name: str
    context: Context
    tags: tuple[str, ...]
    platform: str
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()


def target_name(text: str) -> str:
    """Return `text` as a target's name, which bake allows letters, digits, `_` and `-` for."""
    return _FORBIDDEN.sub("-", text).strip("-") or "image"


def bake_file(
    targets: Sequence[BakeTarget], options: BuildOptions | None = None, secrets: Mapping[str, Path] | None = None
) -> str:
    """Return the text of the bake file: paths start at its folder; a target has those of `secrets` that it uses.

    Raises:
        EngineError: two targets have one name, or there is none.
    """
    names = [one.name for one in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise EngineError(
            f"several environments would be the target {', '.join(twice)}" if twice else "there is nothing to bake",
            hint="give their files or environments other names",
        )
    options, secrets = options or BuildOptions(), secrets or {}
    content = {
        "group": {"default": {"targets": names}},
        "target": {one.name: dict(_target(one, options, secrets)) for one in targets},
    }
    return json.dumps(content, indent=2) + "\n"


def _target(target: BakeTarget, options: BuildOptions, secrets: Mapping[str, Path]) -> Iterator[tuple[str, Any]]:
    output = ["type=registry"] if options.push else ["type=docker"] if options.load else []
    output = [options.output] if options.output else output
    used = [
        f"id={name},src={path.absolute()}" for name, path in sorted(secrets.items()) if name in target.context.secrets
    ]
    wanted: dict[str, Any] = {
        "context": target.name,
        "tags": target.tags,
        "platforms": [target.platform],
        "target": options.target,
        "args": dict(options.build_args),
        "secret": used,
        "ssh": options.ssh,
        "network": options.network,
        "cache-from": target.cache_from,
        "cache-to": target.cache_to,
        "output": output,
        "no-cache": options.no_cache,
        "pull": options.pull,
    }
    yield from ((name, _escaped(value)) for name, value in wanted.items() if value)


def _escaped(value: Any) -> Any:
    """Bake takes `${` and `%{` in a text for templates of its own."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return {name: _escaped(one) for name, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, (list, tuple)) else value


def write_bake(targets: Sequence[BakeTarget], text: str, folder: Path, *, overwrite: bool = False) -> None:
    """Write the bake file `text` and the context of each target to `folder`, in one step.

    Raises:
        EnvbuildError: `folder` exists and is not empty (unless `overwrite`), or cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as temporary:
        for target in targets:
            (temporary / target.name).mkdir()
            fill_folder(target.context, temporary / target.name)
        (temporary / BAKE_FILE).write_text(text, encoding="utf-8")


def entitlements(options: BuildOptions) -> tuple[str, ...]:
    """Return what buildx asks a person's leave for when a bake file wants it; whoever gave the option has given it."""
    return (*(("network.host",) if options.network == "host" else ()), *(("ssh",) if options.ssh else ()))


def bake_arguments(builder: str, allowed: Sequence[str] = ()) -> list[str]:
    """Return what follows `docker` to build all targets of the bake file in the current folder."""
    argv = ["buildx", "bake", f"--file={BAKE_FILE}", "--progress=plain", *(f"--allow={one}" for one in allowed)]
    return [*argv, f"--builder={builder}"] if builder else argv


def bake(folder: Path, *, options: BuildOptions | None = None, progress: Progress = SILENT) -> None:
    """Build what `write_bake` wrote to `folder` with the same `options`.

    Raises:
        EngineError: there is no docker with buildx, or the build failed; its last lines are told.
    """
    client = next((one for one in find_clients() if one.buildx), None)
    if client is None:
        raise EngineError(
            "no docker program with buildx was found, which `docker buildx bake` needs",
            hint="install the docker buildx plugin, or build each environment with `envbuild image`",
        )
    options = options or BuildOptions()
    allowed = entitlements(options)
    if allowed and "--allow" not in programs.run([client.path, "buildx", "bake", "--help"], check=False).stdout:
        allowed = ()  # before 0.18 it asked no leave and knew no such flag
    argv = [client.path, *bake_arguments(options.builder, allowed)]
    # the files of secrets and caches lie outside the folder, and a person named them
    env = {**os.environ, "BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
    with progress.step("bake all environments") as step:
        try:
            # paths of a bake file start at the current folder, not at the file
            stream(argv, lambda line: step.advance(0, line), cwd=folder, env=env)
        except ProgramError as error:
            tail = "\n".join(f"  | {line}" for line in error.completed.stdout.strip().splitlines()[-20:])
            raise EngineError(f"the build of {folder / BAKE_FILE} failed\n{tail}") from error
