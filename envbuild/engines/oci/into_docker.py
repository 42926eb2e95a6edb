"""Handing an image to a docker engine: only the layers that it lacks where its store allows that, else all."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.docker import DockerEngine
from envbuild.engines.oci.assemble import Assembled
from envbuild.engines.oci.outputs import docker_archive
from envbuild.engines.oci.store import Store

_MOST_IMAGES = 200
_BLOCK = 1 << 20


def load(
    image: Assembled, store: Store, engine: DockerEngine, names: Sequence[str], progress: Progress = SILENT
) -> str:
    """Load `image` into `engine` under `names` and return the id that it has there.

    Raises:
        EngineError: the engine does not take it.
    """
    keeps = keeps_layers(engine)
    present = present_layers(engine, image.diff_ids, image.config.digest) if keeps else 0
    # a store of blobs would keep them uncompressed, and a distant engine gets fewer bytes
    unpacked = keeps and urlsplit(os.environ.get("DOCKER_HOST") or "unix:").scheme == "unix"
    with progress.step(f"load {len(image.diff_ids) - present} layers into docker") as step:
        try:
            _send(image, store, engine, names, present, unpacked=unpacked)
        except EngineError as error:
            if not present:
                raise
            # what a store says that it has and what it can use of it differ: then all of it
            step.advance(0, str(error.problems[0].message)[:80])
            _send(image, store, engine, names, 0, unpacked=unpacked)
    found = engine.inspect(names[0])
    if found is None:
        raise EngineError(f"docker took the image {names[0]} but does not know it")
    return found.id


def keeps_layers(engine: DockerEngine) -> bool:
    """Tell whether the engine keeps layers, so that it may be sent only those that it lacks; not where it keeps blobs."""
    try:
        status = engine.client.info().get("DriverStatus") or []
    except Exception:  # noqa: BLE001 - a guess that may fail: all layers are always right
        return False
    return not any("io.containerd.snapshotter" in str(value) for pair in status for value in pair)


def present_layers(engine: DockerEngine, diff_ids: Sequence[str], image_id: str) -> int:
    """Return how many of the lowest layers the engine has, as far as its images tell.

    A layer is one only on top of the same layers below it, so that what counts is how two images begin.
    """
    most = 0
    try:
        for known in _known(engine, image_id):
            most = max(most, _shared(known, diff_ids))
            if most >= len(diff_ids) - 1:
                break  # at most the last one is new, which is how most images differ
    except Exception:  # noqa: BLE001 - a guess that may fail: all layers are always right
        return 0
    return most


def _known(engine: DockerEngine, image_id: str) -> Iterator[Sequence[str]]:
    api = engine.client.api
    identities = [str(one["Id"]) for one in api.images()[:_MOST_IMAGES]]
    for identity in sorted(identities, key=lambda one: one != image_id):
        yield _attributes(api, identity).get("RootFS", {}).get("Layers") or ()


def _attributes(api: Any, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = api.inspect_image(identity)
    return found


def _shared(known: Sequence[str], wanted: Sequence[str]) -> int:
    count = 0
    for one, other in zip(known, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count


def _send(
    image: Assembled, store: Store, engine: DockerEngine, names: Sequence[str], present: int, *, unpacked: bool
) -> None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    with _Pipe(lambda write: docker_archive(image, store, names, write, present=present, unpacked=unpacked)) as body:
        try:
            for event in _load(engine.client.api, body) or ():
                if "error" in event:
                    raise EngineError(f"docker cannot load the image: {event['error']}")
        except (DockerException, RequestException) as error:
            if body.failure is not None:
                raise body.failure from error
            raise EngineError(f"docker cannot load the image: {error}") from error


def _load(api: Any, body: Any) -> list[dict[str, Any]]:
    return list(api.load_image(body, quiet=True) or ())


class _Pipe:
    """What one thread writes, as the blocks that another reads: an archive is never whole in memory or on disk."""

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
