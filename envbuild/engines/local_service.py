"""A service as a process of this machine: a locked environment's interpreter, our server, the same layout as in an image."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import Problem, ServiceError
from envbuild.core.plan import App

_START_LIMIT = 120.0
"""Seconds that `init()` may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalService:
    """A running service: its process, its address, and the file that it logs to."""

    pid: int
    port: int
    log: Path
    folder: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self, patience: float = 10.0) -> None:
        """End the process, gently first; all that it started goes with it."""
        for number, limit in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            if _gone(self.pid, limit):
                return


def place(app: App, folder: Path) -> Mapping[str, str]:
    """Write the files of `app` below `folder` as if it were `/`, and return its variables with paths of this machine.

    Raises:
        ServiceError: a file cannot be written.
    """
    try:
        for file in app.files:
            target = folder / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(file.source).read_bytes() if file.source else file.content)
            target.chmod(file.mode)
    except OSError as error:
        raise ServiceError(f"{error.filename} cannot be placed: {error.strerror or error}") from error
    return {name: f"{folder}{value}" if value.startswith("/") else value for name, value in app.variables}


def start_service(
    app: App,
    python: Path,
    folder: Path,
    *,
    port: int,
    variables: Mapping[str, str],
    before: Sequence[str] = (),
    start_limit: float = 0.0,
) -> LocalService:
    """Place `app` below `folder`, start its command with `python` on 127.0.0.1:`port`, and wait until it answers.

    `before` stands before the command: a program that starts it within limits. `start_limit` is how many seconds it has
    at least, where that is more than the usual limit.

    Raises:
        ServiceError: it ended, or did not answer in time; the message holds the end of its log.
    """
    environment = {**os.environ, **variables, **place(app, folder)}
    environment.update(
        {"VIRTUAL_ENV": str(python.parent.parent), "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}"}
    )
    # bytecode that is kept makes the second start several times faster
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    server = folder / app.command[1].lstrip("/")
    log = folder / "service.log"
    argv = [*before, str(python), str(server), "--host", "127.0.0.1", "--port", str(port)]
    process = programs.start(argv, log=log, cwd=folder / app.workdir.lstrip("/"), env=environment)
    service = LocalService(pid=process.pid, port=port, log=log, folder=folder)
    try:
        wait_until_healthy(
            f"{service.url}{app.health}",
            alive=lambda: process.poll() is None,
            log=lambda: _tail(log),
            limit=start_limit,
        )
    except BaseException:
        service.stop()
        raise
    return service


def wait_until_healthy(url: str, *, alive: Callable[[], bool], log: Callable[[], str], limit: float = 0.0) -> None:
    """Ask `url` until it answers 200, for `limit` seconds where that is more than the usual limit.

    Raises:
        ServiceError: `alive` said no, or the time is over; with what `log` returns.
    """
    patience = max(limit, _START_LIMIT)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if _answers(url):
            return
        if not alive():
            raise ServiceError(
                Problem(
                    message=f"the service ended before it answered\n{log()}",
                    hint="did init() fail? its traceback is above",
                )
            )
        time.sleep(0.1)
    raise ServiceError(f"the service did not answer {url} within {patience:.0f} s\n{log()}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError, OSError):
        return False


def _tail(log: Path, lines: int = 40) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _gone(pid: int, limit: float) -> bool:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def running(service: LocalService) -> Iterator[LocalService]:
    """Yield `service` and stop it at the end of the block."""
    try:
        yield service
    finally:
        service.stop()
