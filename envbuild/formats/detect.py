"""Which lock format a text is in, by its content first and its name second; reading any of them, writing the two of ours."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import PurePath
from typing import Literal, cast

from envbuild.core.errors import LockError, Problem
from envbuild.core.lock import Lock

LockFormat = Literal["conda-lock", "pylock", "pixi", "uv", "poetry", "pipfile", "mamba", "explicit", ""]

_READERS: dict[LockFormat, str] = {
    "conda-lock": "conda_lock:read_conda_lock",
    "pylock": "pylock:read_pylock",
    "pixi": "pixi_lock:read_pixi",
    "uv": "uv_lock:read_uv",
    "poetry": "poetry_lock:read_poetry",
    "pipfile": "pipfile_lock:read_pipfile",
    "mamba": "mamba_lock:read_mamba",
    "explicit": "explicit:read_explicit",
}
_PYLOCK_NAME = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_YAML_VERSION = re.compile(r"^version: *['\"]?(-?\d{1,9})['\"]?\s*(?:#.*)?$", re.MULTILINE)
_TOML_PACKAGE = re.compile(r"^\[\[package\]\]", re.MULTILINE)
# at the root of the document, above the first table: poetry.lock has the same key in a table
_ROOT_LOCK_VERSION = re.compile(r"(?:[^\[\n].*\n|\n)*?lock-version *=")


def lock_format(text: str, name: str = "") -> LockFormat:
    """Return the format of the lock file `text` whose file name is `name`; empty where it is none that envbuild reads."""
    if _PYLOCK_NAME.fullmatch(PurePath(name).name) or _ROOT_LOCK_VERSION.match(text):
        return "pylock"
    if re.search(r"^@EXPLICIT\s*$", text, re.MULTILINE):
        return "explicit"
    if text.lstrip()[:1] == "{":
        return _json_format(text)
    if _TOML_PACKAGE.search(text):
        return "poetry" if "\n[metadata]" in text and "content-hash" in text else "uv"
    return _yaml_format(text)


def _json_format(text: str) -> LockFormat:
    if '"lockVersion"' in text:
        return "mamba"
    return "pipfile" if '"pipfile-spec"' in text or '"_meta"' in text else ""


def _yaml_format(text: str) -> LockFormat:
    # much else has a version: an Azure environment, a compose file
    version = _YAML_VERSION.search(text)
    if _has_keys(text, "metadata", "package"):
        # conda-lock's own format has only ever had the version 1; pixi's count on from 3
        return "pixi" if version and int(version[1]) >= 3 else "conda-lock"
    return "pixi" if version and _has_keys(text, "environments", "packages") else ""


def _has_keys(text: str, *keys: str) -> bool:
    return all(re.search(rf"^{key}:", text, re.MULTILINE) for key in keys)


def read_lock(text: str, file: str, environment: str = "") -> Lock:
    """Return the lock that `text` means, whichever tool wrote it; `file` is its name, for the format and for messages.

    `environment` is the one to take where the file has several (pixi.lock).

    Raises:
        LockError: it is of no known format, or wrong in its own; every problem is named with its line or key.
    """
    found = lock_format(text, file)
    if not found:
        raise LockError(
            Problem(
                message="is not a lock file that envbuild reads",
                file=file,
                hint="known: conda-lock.yml, pylock.toml, pixi.lock, uv.lock, poetry.lock, Pipfile.lock, @EXPLICIT lists",
            )
        )
    module, _, function = _READERS[found].partition(":")
    reader = getattr(import_module(f"envbuild.formats.{module}"), function)
    return cast("Lock", reader(text, file, environment) if found == "pixi" else reader(text, file))


def write_lock(lock: Lock, name: str) -> str:
    """Return the text of `lock` for a file called `name`: pylock.toml, or else conda-lock.yml.

    Raises:
        LockError: the format cannot hold the lock.
        PlanError: a distribution has no file for one of the platforms.
    """
    if name.endswith(".toml"):
        from envbuild.formats.pylock import write_pylock

        return write_pylock(lock)
    from envbuild.formats.conda_lock import write_conda_lock

    return write_conda_lock(lock)
