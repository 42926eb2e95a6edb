"""Sending layers to a docker engine (`docker load`), as a stream: an archive is never whole in memory or on disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from envbuild.core.errors import EngineError
from envbuild.engines.docker import DockerEngine
from envbuild.engines.oci.assemble import Stack
from envbuild.engines.oci.outputs import docker_archive
from envbuild.engines.oci.store import Store

_BLOCK = 1 << 20


def send(
    image: Stack,
    config: bytes,
    store: Store,
    engine: DockerEngine,
    names: Sequence[str],
    *,
    present: int = 0,
    unpacked: bool = False,
) -> None:
    """Load an image of the configuration `config` into `engine`; see `docker_archive`.

    Raises:
        EngineError: the engine does not take it.
        IntegrityError, NetworkError: a layer is damaged or cannot be had.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    def produce(write: Any) -> None:
        docker_archive(image, config, store, names, write, present=present, unpacked=unpacked)

    api: Any = engine.client.api
    with _Pipe(produce) as body:
        try:
            for event in api.load_image(body, quiet=True) or ():
                if "error" in event:
                    raise EngineError(f"docker cannot load the image: {event['error']}")
        except (DockerException, RequestException) as error:
            if body.failure is not None:
                raise body.failure from error
            raise EngineError(f"docker cannot load the image: {error}") from error


class _Pipe:
    """What one thread writes, as the blocks that another reads."""

    def __init__(self, produce: Any) -> None:
        self._produce = produce
        self._blocks: queue.Queue[bytes | None] = queue.Queue(maxsize=8)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
        self._waiting = bytearray()
        self.failure: Exception | None = None

    def __enter__(self) -> _Pipe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self.failure is not None and not isinstance(self.failure, BrokenPipeError):
            raise self.failure

    def __iter__(self) -> Iterator[bytes]:
        while (block := self._blocks.get()) is not None:
            yield block
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._produce(self._write)
            self._put(bytes(self._waiting))
        except Exception as error:  # noqa: BLE001 - raised where the blocks are read
            self.failure = error
        self._put(None)

    def _write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _BLOCK:
            self._put(bytes(self._waiting))
            self._waiting.clear()

    def _put(self, block: bytes | None) -> None:
        while not self._stopped.is_set():
            try:
                self._blocks.put(block, timeout=0.2)
            except queue.Full:
                continue
            return
        if block is not None:
            raise BrokenPipeError
