"""Serve with the standard library alone, where granian is not installed: processes that share one listening socket."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import sys
import time
from types import FrameType
from typing import Any, Callable

from .logs import LOGGER
from .plain_http import ScoringServer
from .settings import Settings

STARTUP_EXIT_CODE = 3
BACKLOG = 1024
RESTART_PAUSE_S = 1.0


def serve(settings: Settings, load: Callable[[], Any]) -> int:
    """Serve until a signal ends it; return the exit code. `load` makes the application, in each worker.

    Raises:
        OSError: when the address cannot be listened on.
    """
    with listening_socket(settings) as listener:
        return _Supervisor(settings, load, listener).run()


def listening_socket(settings: Settings) -> socket.socket:
    """Return a socket that is bound to the service's address.

    Raises:
        OSError: when the address is taken or is not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError:
        listener.close()
        raise
    return listener


class _Supervisor:
    """Starts the workers, starts one again that dies, and stops them all in time."""

    def __init__(self, settings: Settings, load: Callable[[], Any], listener: socket.socket) -> None:
        self._settings = settings
        self._load = load
        self._listener = listener
        self._workers: dict[int, float] = {}
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._settings.workers):
            self._start()
        exit_code = 0
        while self._workers:
            pid, status = os.wait()
            started = self._workers.pop(pid, None)
            if started is not None and not self._stopping:
                exit_code = self._replace(pid, status, started)
        return exit_code

    def _replace(self, pid: int, status: int, started: float) -> int:
        """Start another worker for one that died; give up when the script cannot be started at all."""
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == STARTUP_EXIT_CODE:
            self._stop()
            return STARTUP_EXIT_CODE
        LOGGER.error("worker %d ended with status %d; starting another", pid, status)
        time.sleep(max(0.0, RESTART_PAUSE_S - (time.monotonic() - started)))
        self._start()
        return 0

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(_work(self._settings, self._load, self._listener))
        self._workers[pid] = time.monotonic()
        if self._stopping:  # the signal came between the fork and this line
            os.kill(pid, signal.SIGTERM)

    def _stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self._stopping = True
        for pid in list(self._workers):
            os.kill(pid, signal.SIGTERM)


def _work(settings: Settings, load: Callable[[], Any], listener: socket.socket) -> int:
    """Be one worker; return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    application = load()
    if application is None:
        return STARTUP_EXIT_CODE
    server = ScoringServer(listener, application, settings, _tls_context(settings))
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stops.append(number))
    listener.listen(BACKLOG)
    server.serve_while(lambda: not stops)
    server.finish(settings.stop_timeout_s)
    sys.stdout.flush()
    return 0


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
