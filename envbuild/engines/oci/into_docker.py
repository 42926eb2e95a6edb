"""Handing an image to a docker engine: only the layers that it lacks where its store allows that, else all."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property

from envbuild.core.errors import EngineError, EnvbuildError
from envbuild.core.keys import sha256
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.docker_images import DockerImages
from envbuild.engines.oci.assemble import Assembled, Stack, Watcher
from envbuild.engines.oci.docker_archive import docker_archive
from envbuild.engines.oci.docker_load import send
from envbuild.engines.oci.spool import Room, Spool
from envbuild.engines.oci.store import Store, StoredLayer, Take
from envbuild.net.images import ImageSource, ResolvedImage

_WORTH_A_LOAD = 16 << 20
"""Bytes of layers that are loaded before the image is complete: fewer come with the rest, as each load takes its time."""

_ROOM = 1 << 30
"""Bytes of uncompressed layers that wait on the disk until the engine takes them; what is more is unpacked once more."""
_SPARE = 4 * _ROOM
"""Bytes that a disk must have free for that."""

PARTIAL = "dev.envbuild.partial"
"""The label of what an engine has of an image that is not complete yet."""


@contextlib.contextmanager
def into_docker(images: DockerImages, store: Store, progress: Progress = SILENT) -> Iterator[IntoDocker]:
    """Yield the way of one image from `store` to `images`."""
    way = IntoDocker(images, store, progress)
    try:
        yield way
    except BaseException:
        way.stop()
        raise
    finally:
        way.close()


class IntoDocker(Watcher):
    """Takes an image into a docker engine: layers while others are still being assembled, what is left in the end.

    An engine keeps layers only for images. So what it has until then is an image without a name, which is removed afterwards.
    """

    def __init__(self, images: DockerImages, store: Store, progress: Progress = SILENT) -> None:
        """Go from `store` to `images`."""
        self._images, self._store, self._progress = images, store, progress
        self._changed = threading.Condition()
        self._layers: dict[int, StoredLayer] = {}
        self._complete = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._partial: list[str] = []
        self._room = Room(_ROOM)
        self._spools: dict[int, Spool] = {}

    def begin(self, source: ImageSource, base: ResolvedImage, count: int) -> None:
        """Begin to load what is made, in a thread of its own."""
        if self._thread is None:
            told = (source, base, count)
            self._thread = threading.Thread(target=self._load_early, args=told, name="early", daemon=True)
            self._thread.start()

    def plain(self, number: int) -> Take | None:
        """Return what keeps layer `number` as a near engine takes it, so that it need not be unpacked for it once more."""
        if not self._unpacks or not self._store.has_free(_SPARE):
            return None
        self._spools[number] = Spool(self._room, self._store.nameless)
        return self._spools[number].write

    def made(self, number: int, layer: StoredLayer) -> None:
        """Take note of a layer; it is loaded as soon as all below it are made."""
        with self._changed:
            self._layers[number] = layer
            self._changed.notify()

    def load(self, image: Assembled, names: Sequence[str]) -> str:
        """Load what the engine lacks of `image` under `names`, and return the id that it has there.

        Raises:
            EngineError: the engine does not take it.
        """
        self._end_early()
        present = self._known.present(image.diff_ids)
        with self._progress.step(f"load {len(image.diff_ids) - present} layers into docker") as step:
            try:
                self._send(image, image.config_data, names, present)
            except EngineError as error:
                if not present:
                    raise
                # what a store says that it has and what it can use of it differ: then all of it
                step.advance(0, str(error.problems[0].message)[:80])
                self._send(image, image.config_data, names, 0)
        found = self._images.inspect(names[0])
        if found is None:
            raise EngineError(f"docker took the image {names[0]} but does not know it")
        return found

    def stop(self) -> None:
        """Give up what is being loaded: there will be no image."""
        self._stopped.set()

    def close(self) -> None:
        """Remove what was loaded before the image was complete."""
        self._end_early()
        self._forget(max(self._spools, default=-1) + 1)
        for identity in reversed(self._partial):
            with contextlib.suppress(EnvbuildError):  # whoever prunes the engine finds it by its label
                self._images.remove(identity)

    @cached_property
    def _keeps_layers(self) -> bool:
        return self._images.keep_layers()

    @cached_property
    def _known(self) -> KnownLayers:
        return KnownLayers(self._images.layers() if self._keeps_layers else iter(()))

    def _end_early(self) -> None:
        with self._changed:
            self._complete = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _load_early(self, source: ImageSource, base: ResolvedImage, count: int) -> None:
        # what fails here is tried once more in the end, which says why
        with contextlib.suppress(EnvbuildError):
            loaded = 0
            while self._keeps_layers and len(layers := self._above(loaded, count)) > loaded:
                loaded = len(layers)
                self._load_partial(Stack(base=base, source=source, layers=layers))

    def _above(self, loaded: int, count: int) -> tuple[StoredLayer, ...]:
        """Return the lowest layers as soon as they are enough more than `loaded`; no more where the rest comes with the image."""
        with self._changed:
            while True:
                layers = tuple(self._lowest())
                if self._complete or len(layers) == count:
                    return layers[:loaded]
                if sum(one.plain_size for one in layers[loaded:]) >= _WORTH_A_LOAD:
                    return layers
                self._changed.wait()

    def _lowest(self) -> Iterator[StoredLayer]:
        number = 0
        while number in self._layers:
            yield self._layers[number]
            number += 1

    def _load_partial(self, image: Stack) -> None:
        present = self._known.present(image.diff_ids)
        if present == len(image.diff_ids):
            return
        told = {name: image.base.configuration[name] for name in _PLATFORM if name in image.base.configuration}
        layers = {"type": "layers", "diff_ids": image.diff_ids}
        config = json.dumps(
            {**told, "config": {"Labels": {PARTIAL: "true"}}, "rootfs": layers}, sort_keys=True
        ).encode()
        self._send(image, config, (), present)
        self._partial.append(f"sha256:{sha256(config)}")
        self._known.add(image.diff_ids)

    def _send(self, image: Stack, config: bytes, names: Sequence[str], present: int) -> None:
        at_hand = {
            layer.diff_id: file
            for number, layer in enumerate(image.layers)
            if (spool := self._spools.get(number)) and (file := spool.whole(layer.plain_size))
        }
        told = docker_archive(
            image, config, self._store, names, present=present, unpacked=self._unpacks, at_hand=at_hand
        )
        send(told, self._images, self._stopped)
        self._forget(len(image.layers))

    def _forget(self, count: int) -> None:
        """Make room: the lowest `count` layers are where they should be."""
        for number in list(self._spools):
            if number < count:
                self._spools.pop(number).close()

    @property
    def _unpacks(self) -> bool:
        # a store of blobs would keep them uncompressed, and a distant engine gets fewer bytes
        return self._images.is_near and self._keeps_layers


_PLATFORM = ("architecture", "os", "variant")


class KnownLayers:
    """The layers of the images that an engine has, as far as was looked.

    A layer is one only on top of the same layers below it, so that what counts is how two images begin.
    """

    def __init__(self, layers: Iterator[Sequence[str]]) -> None:
        """Look through `layers`, those of one image after the other."""
        self._seen: list[Sequence[str]] = []
        self._rest = layers

    def add(self, diff_ids: Sequence[str]) -> None:
        """Take note of layers that the engine got."""
        self._seen.append(diff_ids)

    def present(self, diff_ids: Sequence[str]) -> int:
        """Return how many of the lowest of `diff_ids` the engine has."""
        most = max((_shared(known, diff_ids) for known in self._seen), default=0)
        # at most the last one is new, which is how most images differ: no need to look further
        while most < len(diff_ids) - 1 and (known := self._next()) is not None:
            self._seen.append(known)
            most = max(most, _shared(known, diff_ids))
        return most

    def _next(self) -> Sequence[str] | None:
        try:
            return next(self._rest, None)
        except Exception:  # noqa: BLE001 - a guess that may fail: all layers are always right
            return None


def _shared(known: Sequence[str], wanted: Sequence[str]) -> int:
    count = 0
    for one, other in zip(known, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count
