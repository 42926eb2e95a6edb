"""A private dockerd and a private docker-registry: started for one run of the tests, gone after it.

Measured with docker.io 20.10 of Debian 12: it needs `--data-root`, `--exec-root`, `--pidfile` and `--host` of its own and
no configuration file; it then starts a containerd of its own below the exec-root, and picks overlay2 where the
file system allows it. The registry is on 127.0.0.1, which docker takes without TLS.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess  # noqa: TID251 (for the type that programs.start returns)
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from envbuild import programs
from tests.support.bridge import bridge

START_SECONDS = 60


class DaemonError(Exception):
    """A daemon did not start; the message holds the end of its log."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder with room for gigabytes (`TMPDIR`, else /var/tmp); what is still mounted in it at the end is unmounted."""
    folder = Path(tempfile.mkdtemp(prefix="envbuild-tests-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        yield folder
    finally:
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{folder}/"):
                programs.run(["umount", "--lazy", mounted], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def dockerd(folder: Path) -> Iterator[str]:
    """Run a docker daemon with all its files in `folder`, and yield its `unix://` address.

    Raises:
        DaemonError: it ends, or does not answer in time.
    """
    host = f"unix://{folder}/docker.sock"
    (folder / "daemon.json").write_text("{}")
    with bridge() as network:
        argv = [
            *("dockerd", f"--config-file={folder}/daemon.json", f"--host={host}", f"--pidfile={folder}/docker.pid"),
            *(f"--data-root={folder}/data", f"--exec-root={folder}/exec", *network),
        ]
        with running(argv, folder / "dockerd.log", lambda: _docker_answers(host)):
            yield host


@contextlib.contextmanager
def docker_registry(folder: Path) -> Iterator[str]:
    """Run an image registry with its blobs in `folder`, and yield `127.0.0.1:<port>`.

    Raises:
        DaemonError: it ends, or does not answer in time.
    """
    address = f"127.0.0.1:{_free_port()}"
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with running(["docker-registry", "serve", str(settings)], folder / "registry.log", lambda: _answers(address)):
        yield address


@contextlib.contextmanager
def running(argv: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Run a daemon while the block lasts, which starts when it is `ready`.

    Raises:
        DaemonError: it ends, or is not ready in time.
    """
    # the kernel ends it if this process is killed before it can
    process = programs.start(["setpriv", "--pdeathsig", "TERM", *argv], log=log)
    try:
        _wait(process, log, ready)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            state = f"ended with code {process.returncode}" if process.returncode is not None else "does not answer"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise DaemonError(f"{log.stem} {state}:\n{tail}")
        time.sleep(0.2)


def _docker_answers(host: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(host.removeprefix("unix://"))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _answers(address: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{address}/v2/", timeout=5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
