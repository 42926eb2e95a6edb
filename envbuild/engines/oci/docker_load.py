"""Sending layers to a docker engine (`docker load`), as a stream: an archive is never whole in memory or on disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from envbuild.core.errors import EngineError
from envbuild.engines.docker_images import DockerImages
from envbuild.engines.oci.assemble import Stack
from envbuild.engines.oci.outputs import docker_archive
from envbuild.engines.oci.store import Store

_BLOCK = 1 << 20


def send(
    image: Stack,
    config: bytes,
    store: Store,
    images: DockerImages,
    names: Sequence[str],
    *,
    stopped: threading.Event,
    present: int = 0,
    unpacked: bool = False,
) -> None:
    """Load an image of the configuration `config` among `images`, unless it is `stopped`; see `docker_archive`.

    Raises:
        EngineError: the engine does not take it, or it was stopped.
        IntegrityError, NetworkError: a layer is damaged or cannot be had.
    """

    def produce(write: Any) -> None:
        def unless_stopped(data: bytes) -> None:
            if stopped.is_set():
                raise EngineError("the load was stopped")
            write(data)

        docker_archive(image, config, store, names, unless_stopped, present=present, unpacked=unpacked)

    with _Pipe(produce) as body:
        try:
            images.load(body)
        except EngineError as error:
            if body.failure is not None:
                raise body.failure from error
            raise


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
