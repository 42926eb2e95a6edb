"""Serve with granian: one process for each worker, started again when it dies."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

from .logs import LOGGER
from .plain_server import listening_socket
from .settings import Settings

# Beyond the threads that call run(): threads for health checks, and for requests whose clients are slow.
SPARE_THREADS = 48
# granian cannot interrupt the read of a body; a worker with so many silent clients is replaced before it is full.
SILENT_CLIENTS = SPARE_THREADS // 2
RESPAWN_INTERVAL_S = 1.0
STARTUP_EXIT_CODE = 3


def is_available() -> bool:
    """Say whether granian can be imported."""
    try:
        import granian  # noqa: F401
    except ImportError:
        return False
    return True


def serve(settings: Settings, load: Callable[[], Any]) -> int:
    """Serve until a signal ends it; return the exit code. `load` makes the application, in each worker.

    Raises:
        OSError: when the address cannot be listened on.
    """
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings

    listening_socket(settings).close()  # granian would share a taken port with whoever holds it
    multiprocessing.set_start_method("fork", force=True)
    failed = mmap.mmap(-1, 1)  # shared with the workers; multiprocessing.Event would need /dev/shm
    server = Granian(
        "scoring",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads + SPARE_THREADS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.read_timeout_s * 1000),
        websockets=False,
        log_enabled=False,
        ssl_cert=Path(settings.tls_cert) if settings.tls_cert else None,
        ssl_key=Path(settings.tls_key) if settings.tls_key else None,
        ssl_protocol_min=SSLProtocols.tls12,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_INTERVAL_S,
        workers_kill_timeout=settings.stop_timeout_s,
    )
    _insist_on_stopping(server)
    try:
        server.serve(target_loader=partial(_start_worker, load, failed, os.getpid()), wrap_loader=False)
    except SystemExit as error:
        return STARTUP_EXIT_CODE if failed[0] else int(error.code or 0)
    return STARTUP_EXIT_CODE if failed[0] else 0


def _insist_on_stopping(server: Any) -> None:
    """Send the workers their signal again every second: on a busy machine about one stop in a hundred was not heard."""
    stop = server.signal_handler_interrupt

    def insist() -> None:
        while True:
            time.sleep(1.0)
            for worker in list(server.wrks):
                worker.terminate()

    def heard(*given: Any) -> None:
        stop(*given)
        threading.Thread(target=insist, daemon=True).start()

    server.signal_handler_interrupt = heard


def _start_worker(load: Callable[[], Any], failed: mmap.mmap, parent: int) -> Any:
    """Make the application; when it cannot be made, end the whole server rather than try again for ever."""
    application = load()
    if application is None:
        failed[0] = 1
        os.kill(parent, signal.SIGTERM)
        os._exit(STARTUP_EXIT_CODE)
    application.bodies.watch(SILENT_CLIENTS, partial(_ask_for_replacement, parent))
    return application


def _ask_for_replacement(parent: int) -> None:
    """Let the parent start other workers, and then stop these."""
    LOGGER.warning("%d clients or more do not send their bodies; replacing the workers", SILENT_CLIENTS)
    os.kill(parent, signal.SIGHUP)
