"""A run on a Ray cluster: the snapshot and the locked versions go to its job server, over Ray's REST interface."""

from __future__ import annotations

import io
import json
import re
import shlex
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbuild.core.errors import NetworkError, ServiceError
from envbuild.core.keys import sha256
from envbuild.core.selection import Selection

ADDRESS = re.compile(r"(?:ray|https?)://[A-Za-z0-9.\-\[\]:]+/?")
_PORT = 8265
_POLL = 0.5
"""Seconds between two questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayJob:
    """What a cluster is asked to run. `name` is the submission's id."""

    name: str
    command: tuple[str, ...]
    folder: Path
    runtime: Mapping[str, Any]


def job_server(address: str) -> str:
    """Return the URL of the job server of the cluster at `address`: as it is, or, for `ray://host`, that host's port 8265."""
    if address.startswith("ray://"):
        return f"http://{address.removeprefix('ray://').rstrip('/').rsplit(':', 1)[0]}:{_PORT}"
    return address.rstrip("/")


def runtime_environment(selection: Selection, channels: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return Ray's description of the locked environment: every package by its exact version.

    Raises:
        ServiceError: a distribution is of this machine, or of version control, which a pinned name cannot say.
    """
    odd = [one.package.name for one in selection.pip if one.file is None or one.file.path or one.package.archive]
    if odd:
        raise ServiceError(f"{', '.join(odd)}: a Ray cluster installs what an index has, by name and version")
    pip = [f"{one.package.name}=={one.package.version}" for one in selection.pip]
    runtime: dict[str, Any] = {"env_vars": dict(variables)}
    if selection.conda:
        conda: list[Any] = [f"{one.name}={one.version}={one.build}" for one in selection.conda]
        runtime["conda"] = {"channels": list(channels), "dependencies": [*conda, *([{"pip": pip}] if pip else [])]}
    elif pip:
        runtime["pip"] = pip
    return runtime


def run_job(server: str, job: RayJob, *, log: Callable[[str], None], canceled: Callable[[], bool]) -> int:
    """Send `job` to the job server `server`, follow it to its end, and return 0 if it succeeded, else 1.

    `log` hears the job's output as it comes. A job that is `canceled` is stopped on the cluster.

    Raises:
        NetworkError: the server cannot be reached or refuses.
    """
    archive = packed(job.folder)
    package = f"_ray_pkg_{sha256(archive)[:32]}.zip"
    _ask(server, "PUT", f"/api/packages/gcs/{package}", archive)
    runtime = {**job.runtime, "working_dir": f"gcs://{package}"}
    body = {"entrypoint": shlex.join(job.command), "submission_id": job.name, "runtime_env": runtime}
    _ask(server, "POST", "/api/jobs/", json.dumps(body).encode())
    shown = 0
    while True:
        status = _ask(server, "GET", f"/api/jobs/{job.name}")
        said = str(_ask(server, "GET", f"/api/jobs/{job.name}/logs").get("logs", ""))
        if len(said) > shown:
            log(said[shown:].rstrip("\n"))
            shown = len(said)
        if status.get("status") in ("SUCCEEDED", "FAILED", "STOPPED"):
            if status.get("message"):
                log(str(status["message"]))
            return 0 if status["status"] == "SUCCEEDED" else 1
        if canceled():
            _ask(server, "POST", f"/api/jobs/{job.name}/stop", b"")
            return 1
        time.sleep(_POLL)


def packed(folder: Path) -> bytes:
    """Return the files below `folder` as a ZIP archive; equal folders make equal archives."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = (path.stat().st_mode & 0o777) << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _ask(server: str, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    kind = "application/json" if method == "POST" else "application/octet-stream"
    request = urllib.request.Request(f"{server}{path}", body, {"Content-Type": kind}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the address is http by its pattern
            content = answer.read()
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:1000]
        raise NetworkError(f"the Ray cluster at {server} answered {error.code} to {method} {path}: {said}") from error
    except OSError as error:
        raise NetworkError(
            f"the Ray cluster at {server} cannot be reached: {getattr(error, 'reason', error)}"
        ) from error
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
