"""A conda environment on this machine as a conda file, read from its own records."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from envbuild.core.errors import DefinitionError
from envbuild.core.names import normalize

_SUBDIR = re.compile(r"/(?:noarch|linux-[a-z0-9_]+|osx-[a-z0-9]+|win-[a-z0-9]+)/?$")
_HOSTED = re.compile(r"https?://conda\.[a-z]+\.org/(?P<name>[^/]+)")


def existing_environment(name: str) -> dict[str, Any]:
    """Return the packages of the conda environment `name` (a name, a folder, or a Jupyter kernel that runs in one).

    Versions are pinned, builds are not, as `conda env export --no-builds` does.

    Raises:
        DefinitionError: there is no such environment.
    """
    prefix = _prefix(name)
    records = sorted(_records(prefix), key=lambda one: str(one["name"]))
    if not records:
        raise DefinitionError(f"{prefix} has no conda packages", hint="it is a folder with conda-meta/*.json")
    packages: list[Any] = [
        f"{one['name']}={one['version']}" for one in records if not str(one["name"]).startswith("__")
    ]
    from_conda = {normalize(str(one["name"])) for one in records}
    if pip := [line for line in sorted(_distributions(prefix)) if normalize(line.split("==")[0]) not in from_conda]:
        packages.append({"pip": pip})
    return {"name": prefix.name, "channels": _channels(records), "dependencies": packages}


def environment_folders() -> Iterator[Path]:
    """Yield the conda environments that this machine knows of: those in conda's list, and below its usual folders."""
    listed = Path.home() / ".conda" / "environments.txt"
    if listed.is_file():
        yield from (Path(line) for line in listed.read_text(encoding="utf-8").splitlines() if line.strip())
    active = [os.environ[one] for one in ("CONDA_PREFIX", "CONDA_ROOT", "MAMBA_ROOT_PREFIX") if os.environ.get(one)]
    roots = [
        *map(Path, active),
        *(Path.home() / one for one in ("miniconda3", "anaconda3", "miniforge3", "mambaforge")),
    ]
    named = [Path(one) for one in os.environ.get("CONDA_ENVS_PATH", "").split(os.pathsep) if one]
    for folder in (*named, Path.home() / ".conda" / "envs", *(root / "envs" for root in roots)):
        if folder.is_dir():
            yield from sorted(one for one in folder.iterdir() if one.is_dir())
    yield from roots


def _prefix(name: str) -> Path:
    if (Path(name) / "conda-meta").is_dir():
        return Path(name).resolve()
    known = [one for one in environment_folders() if (one / "conda-meta").is_dir()]
    for folder in known:
        if folder.name == name:
            return folder
    kernel = _kernel(name)
    if kernel is not None and (kernel / "conda-meta").is_dir():
        return kernel
    raise DefinitionError(
        f"there is no conda environment {name!r} on this machine",
        hint=f"known are {', '.join(sorted({one.name for one in known})) or 'none'}; a folder is accepted too",
    )


def _kernel(name: str) -> Path | None:
    """Return the prefix of the interpreter that a Jupyter kernel starts (kernel.json, `argv`)."""
    data = Path(os.environ.get("JUPYTER_DATA_DIR") or Path.home() / ".local" / "share" / "jupyter")
    try:
        argv = json.loads((data / "kernels" / name.lower() / "kernel.json").read_text(encoding="utf-8"))["argv"]
        return Path(argv[0]).parent.parent
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _records(prefix: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DefinitionError(f"{path} cannot be read: {error}") from error
        if isinstance(record, dict) and "name" in record and "version" in record:
            yield record


def _channels(records: list[dict[str, Any]]) -> list[str]:
    channels: dict[str, None] = {}
    for record in records:
        url = _SUBDIR.sub("", str(record.get("channel", "")))
        hosted = _HOSTED.fullmatch(url)
        if channel := hosted["name"] if hosted else url:
            channels[channel] = None
    return list(channels)


def _distributions(prefix: Path) -> Iterator[str]:
    """Yield `name==version` of what pip installed."""
    for path in sorted(prefix.glob("lib/python3.*/site-packages/*.dist-info/METADATA")):
        installer = path.with_name("INSTALLER")
        if installer.is_file() and installer.read_text(encoding="utf-8").strip() == "conda":
            continue
        headers = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"), headersonly=True)
        if headers["Name"] and headers["Version"]:
            yield f"{headers['Name']}=={headers['Version']}"
