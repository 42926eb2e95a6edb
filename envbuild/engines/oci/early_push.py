"""Layers go to a registry while others are still being assembled; what is in doubt is left to the push at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from envbuild.core.errors import EnvbuildError
from envbuild.core.reference import ImageReference
from envbuild.engines.oci.assemble import Watcher
from envbuild.engines.oci.store import Store, StoredLayer
from envbuild.net.registry import RegistryClient
from envbuild.net.registry_push import Blob, push_blob

_AT_ONCE = 4


@contextlib.contextmanager
def pushing_early(client: RegistryClient, store: Store, names: Sequence[str]) -> Iterator[Watcher]:
    """Yield what sends a layer of `store` to the repository of the first of `names`; all are sent when the block ends.

    A blob that no manifest names is nothing to a registry, so that an image that is refused in the end leaves no trace.
    """
    reference = ImageReference.parse(names[0])

    def send(layer: StoredLayer) -> None:
        # the push at the end sends what this could not, and says why it cannot
        with contextlib.suppress(EnvbuildError):
            push_blob(client, reference, Blob(descriptor=layer.descriptor, open=lambda: store.open(layer.descriptor)))

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="early") as pool:

        class Sender(Watcher):
            def made(self, number: int, layer: StoredLayer) -> None:
                del number
                pool.submit(send, layer)

        try:
            yield Sender()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
