"""Python interpreters of this machine: found, never downloaded."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import EngineError
from envbuild.net.clean import clean_environment
from envbuild.programs import uv_argv


def find_interpreter(minor: tuple[int, int], environ: Mapping[str, str] = os.environ) -> Path:
    """Return an interpreter of CPython `minor`: one that uv finds on PATH or keeps itself, one of pyenv's, or the one that runs this.

    Raises:
        EngineError: there is none; the versions that are there are named.
    """
    version = f"{minor[0]}.{minor[1]}"
    environment = clean_environment(environ)
    found = programs.run(uv_argv("python", "find", "--system", f"cpython@{version}"), env=environment, check=False)
    if found.code == 0:
        return Path(found.stdout.strip())
    if kept := _pyenv(version, environ) or _running(version):
        return kept
    others = ", ".join(_versions(environment)) or "none"
    raise EngineError(
        f"this machine has no Python {version}, which the lock is for (it has {others})",
        hint=f"install Python {version} on this machine, or build an image instead",
    )


def _pyenv(version: str, environ: Mapping[str, str]) -> Path | None:
    """Return pyenv's newest interpreter of `version`: its shims on PATH work only for the versions that are switched on."""
    root = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME") or Path.home()) / ".pyenv")
    found = [one for one in root.glob(f"versions/{version}.*/bin/python") if one.is_file()]
    return max(found, key=lambda one: _numbers(one.parts[-3]), default=None)


def _running(version: str) -> Path | None:
    """Return the interpreter under the virtual environment that this runs in, if it is of `version`: PATH may not have it."""
    own = Path(sys.base_prefix) / "bin" / f"python{version}"
    return own if version == f"{sys.version_info[0]}.{sys.version_info[1]}" and own.is_file() else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _versions(environment: Mapping[str, str]) -> list[str]:
    argv = uv_argv("python", "list", "--only-installed", "--output-format", "json")
    listed = programs.run(argv, env=environment, check=False)
    try:
        found = {str(one["version"]) for one in json.loads(listed.stdout)}
    except (ValueError, KeyError, TypeError):
        found = set()
    return sorted(found | {platform.python_version()}, key=_numbers)
