"""Sending layers to a docker engine (`docker load`), as a stream: what comes next is made ready while the engine takes what came before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from envbuild.core.errors import EngineError
from envbuild.engines.docker_images import DockerImages
from envbuild.engines.docker_socket import FilePart
from envbuild.engines.oci.docker_archive import DockerArchive, Pieces


def send(archive: DockerArchive, images: DockerImages, stopped: threading.Event) -> None:
    """Load the image of `archive` among `images`, unless it is `stopped`.

    Raises:
        EngineError: the engine does not take it, or it was stopped.
        IntegrityError, NetworkError: a layer is damaged or cannot be had.
    """

    def unless_stopped() -> Pieces:
        for piece in archive.pieces():
            if stopped.is_set():
                raise EngineError("the load was stopped")
            yield piece

    with _Ahead(unless_stopped()) as pieces:
        try:
            images.load(archive.size, pieces)
        except EngineError as error:
            if pieces.failure is not None:
                raise pieces.failure from error
            raise


class _Ahead:
    """What another iterator yields, taken from it by a thread that is a few ahead."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._ready: queue.Queue[bytes | FilePart | None] = queue.Queue(maxsize=8)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
        self.failure: Exception | None = None

    def __enter__(self) -> _Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def __iter__(self) -> Iterator[bytes | FilePart]:
        while (piece := self._ready.get()) is not None:
            yield piece
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for piece in self._pieces:
                if not self._put(piece):
                    return
        except Exception as error:  # noqa: BLE001 - raised where the pieces are taken
            self.failure = error
        self._put(None)

    def _put(self, piece: bytes | FilePart | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(piece, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False
