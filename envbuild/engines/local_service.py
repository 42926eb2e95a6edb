"""A service as a process of this machine: a locked environment's interpreter, our server, the same layout as in an image."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import sys
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
    trust: Path | None = None

    @property
    def url(self) -> str:
        """Where it answers; over https where it has a certificate, which is the one to trust."""
        return f"{'https' if self.trust else 'http'}://127.0.0.1:{self.port}"

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
    _check_port(port)
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
    service = LocalService(pid=process.pid, port=port, log=log, folder=folder, trust=_certificate(variables))
    return _healthy(service, lambda: process.poll() is None, app.health, start_limit)


def start_router(
    server: Path, routes: Path, folder: Path, *, port: int, variables: Mapping[str, str], wait: bool = True
) -> LocalService:
    """Start the `server` (its folder) as a router on 127.0.0.1:`port` for the file `routes`; log to `router.log` in `folder`.

    It runs on this Python, told nothing but `variables`. With `wait` it must answer: a deployment that gets traffic is healthy.

    Raises:
        ServiceError: the port is taken, it ended, or did not answer in time; the message holds the end of its log.
    """
    _check_port(port)
    folder, log = folder.resolve(), folder.resolve() / "router.log"
    argv = [sys.executable, str(server), "--routes", str(routes.resolve()), "--host", "127.0.0.1", "--port", str(port)]
    # variables of the calling program must not become the router's settings
    clean = {name: one for name, one in os.environ.items() if not name.startswith(("AZUREML_", "AML_", "ENVBUILD_"))}
    process = programs.start(argv, log=log, cwd=folder, env={**clean, **variables})
    service = LocalService(pid=process.pid, port=port, log=log, folder=folder, trust=_certificate(variables))
    return _healthy(service, lambda: process.poll() is None, "/") if wait else service


def _certificate(variables: Mapping[str, str]) -> Path | None:
    return Path(variables["ENVBUILD_TLS_CERT"]) if variables.get("ENVBUILD_TLS_CERT") else None


def _check_port(port: int) -> None:
    """Refuse a port that somebody listens on: whoever that is would be taken for the service."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServiceError(f"port {port} of 127.0.0.1 is taken: {error.strerror}") from error


def _healthy(service: LocalService, alive: Callable[[], bool], health: str, limit: float = 0.0) -> LocalService:
    """Wait until the service answers; one that does not is ended."""
    try:
        wait_until_healthy(
            f"{service.url}{health}",
            alive=alive,
            log=lambda: _tail(service.log),
            trust=service.trust,
            limit=limit,
        )
    except BaseException:
        service.stop()
        raise
    return service


def wait_until_healthy(
    url: str, *, alive: Callable[[], bool], log: Callable[[], str], limit: float = 0.0, trust: Path | None = None
) -> None:
    """Ask `url` until it answers 200, for `limit` seconds where that is more than the usual limit.

    `trust` is the certificate that it must show.

    Raises:
        ServiceError: `alive` said no, or the time is over; with what `log` returns.
    """
    patience = max(limit, _START_LIMIT)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if _answers(url, trust):
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


def trusting(certificate: Path | None) -> ssl.SSLContext:
    """Return a context for a client that takes this certificate and no other, whatever name it was made for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if certificate is not None:
        # the certificate itself, not who signed it
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(certificate)
    return context


def _answers(url: str, trust: Path | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5, context=trusting(trust)) as answer:  # noqa: S310
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
