"""A run on a Ray cluster: the snapshot and the locked versions go to its job server, over Ray's REST interface."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from envbuild.azureml.runs.inside import SENDING
from envbuild.azureml.runs.sent import Output, SentFiles
from envbuild.core.errors import NetworkError, ServiceError
from envbuild.core.keys import sha256
from envbuild.core.selection import Selection

ADDRESS = re.compile(r"(?:ray|https?)://[A-Za-z0-9.\-\[\]:]+/?")
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of a variable
"""The variable that holds the token of a cluster that asks for one, as Ray's own tools read it."""

_PORT = 8265
_RUNNER = ".envbuild-run"
_POLL = 0.5
"""Seconds between two questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayJob:
    """What a cluster is asked to run. `name` is the submission's id, `names` the folder of the modules that the run brings.

    The files of the folders `watched`, below `folder`, come back at the end.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    names: Path
    watched: tuple[str, ...]
    runtime: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RayResult:
    """How a job ended: 0 if it succeeded, else 1; and what it sent back, None where that is nothing."""

    code: int
    files: SentFiles | None


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
    odd += [one.package.name for one in selection.code]
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


def run_job(server: str, job: RayJob, *, log: Callable[[str], None], canceled: Callable[[], bool]) -> RayResult:
    """Send `job` to the job server `server`, follow it to its end, and return how it ended.

    `log` hears the job's output as it comes. A job that is `canceled` is stopped on the cluster.

    Raises:
        NetworkError: the server cannot be reached or refuses, or what the job made does not come back whole.
    """
    archive = packed({"": job.folder, f"{_RUNNER}/names": job.names, f"{_RUNNER}/sending.py": SENDING})
    # a name of its own: jobs that share a package share the folder that they write to, and what earlier ones left there
    package = f"_ray_pkg_{sha256(job.name.encode() + archive)[:32]}.zip"
    _ask(server, "PUT", f"/api/packages/gcs/{package}", archive)
    runtime = {**job.runtime, "working_dir": f"gcs://{package}"}
    entry = shlex.join(["python", f"{_RUNNER}/sending.py", ":".join(job.watched), *job.command])
    body = {"entrypoint": entry, "submission_id": job.name, "runtime_env": runtime}
    _ask(server, "POST", "/api/jobs/", json.dumps(body).encode())
    output = Output(log)
    while True:
        status = _ask(server, "GET", f"/api/jobs/{job.name}")
        ended = status.get("status") in ("SUCCEEDED", "FAILED", "STOPPED")
        output.show(str(_ask(server, "GET", f"/api/jobs/{job.name}/logs").get("logs", "")), ended=ended)
        if ended:
            if status.get("message"):
                # the end of the log follows in it, which was shown already
                log(str(status["message"]).partition(", last available logs")[0])
            return RayResult(code=0 if status["status"] == "SUCCEEDED" else 1, files=output.files())
        if canceled():
            _ask(server, "POST", f"/api/jobs/{job.name}/stop", b"")
            return RayResult(code=1, files=None)
        time.sleep(_POLL)


def packed(places: Mapping[str, Path]) -> bytes:
    """Return files, and all files below folders, as a ZIP archive, by the place that each has in it; equal ones are equal."""
    found: dict[str, Path] = {}
    for place, top in places.items():
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[PurePosixPath(place, path.relative_to(top).as_posix()).as_posix()] = path
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(found):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (found[name].stat().st_mode & 0o777) << 16
            archive.writestr(entry, found[name].read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _ask(server: str, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    kind = "application/json" if method == "POST" else "application/octet-stream"
    headers = {"Content-Type": kind}
    if token := os.environ.get(TOKEN):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{server}{path}", body, headers, method=method)  # noqa: S310
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
