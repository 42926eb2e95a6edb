"""The files of a lock on this machine: local wheels checked, others fetched, several at once, each against its hash."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envbuild.core.errors import EnvbuildError, PlanError
from envbuild.core.lock import PipFile
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.oci.bytecode import Bytecode
from envbuild.engines.oci.wheels import WheelUnit
from envbuild.net.downloads import Download, DownloadCache
from envbuild.net.http import HttpClient
from envbuild.net.integrity import Integrity
from envbuild.net.url_variables import UrlVariables

Fetching = Mapping[tuple[str, str], "Future[WheelUnit]"]
"""The wheels that are on their way, by name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where the files of a lock come from; `root` is where its relative paths start, `urls` fills variables in its URLs."""

    root: Path = Path()
    urls: UrlVariables = field(default_factory=UrlVariables)
    client: HttpClient = field(default_factory=HttpClient)

    @contextmanager
    def fetching(
        self, units: Sequence[WheelUnit], progress: Progress = SILENT, *, compile_early: bool = False
    ) -> Iterator[Fetching]:
        """Begin to fetch the wheels of `units`, eight at a time, and yield what gives each as soon as it is there.

        With `compile_early` its bytecode is begun then, too: `units` come in the order in which they will be needed.
        """
        if not units:
            yield {}
            return
        stop = threading.Event()
        client = replace(self, client=replace(self.client, sleep=stop.wait))
        total = sum(one.size for one in units) or None
        with (
            progress.step(f"fetch {len(units)} wheels", total) as step,
            _Compiling(stop) as compiling,
            ThreadPoolExecutor(max_workers=8, thread_name_prefix="fetch") as pool,
        ):

            def one(above: int, unit: WheelUnit) -> WheelUnit:
                if stop.is_set():
                    raise EnvbuildError(f"{unit.name}: stopped")
                path = client.path(_file(unit))
                step.advance(unit.size, unit.name)
                here = replace(unit, path=path, size=path.stat().st_size)
                return replace(here, early=compiling.begin(here, above)) if compile_early else here

            try:
                sizes = [*accumulate((unit.size for unit in reversed(units)), initial=0)]
                above = reversed(sizes[:-1])
                yield {
                    (unit.name, unit.version): pool.submit(one, size, unit)
                    for size, unit in zip(above, units, strict=True)
                }
            finally:
                stop.set()

    def fetch(self, units: Sequence[WheelUnit], progress: Progress = SILENT) -> list[WheelUnit]:
        """Return `units` with their wheels at hand.

        Raises:
            NetworkError, IntegrityError, PlanError: one cannot be had, or is not what the lock promises.
        """
        if not units:
            return []
        with self.fetching(units, progress) as coming:
            return [coming[unit.name, unit.version].result() for unit in units]

    def path(self, file: PipFile) -> Path:
        """Return where `file` lies on this machine, its hash checked.

        Raises:
            NetworkError, IntegrityError, PlanError: as `fetch`.
        """
        local = self._local(file)
        promise = Integrity(sha256=file.sha256, size=file.size)
        if local is None:
            item = Download(url=self.urls.fill(file.url), filename=file.filename, sha256=file.sha256, size=file.size)
            return DownloadCache().fetch(item, self.client)
        if not local.is_file():
            raise PlanError(f"the lock's wheel {file.path or local} is not there")
        promise.check(local, file.filename)
        return local

    def _local(self, file: PipFile) -> Path | None:
        if file.path:
            return self.root / file.path
        if file.url.startswith("file://"):
            return Path(unquote(urlsplit(file.url).path))
        return None


_COMPILING, _SENDING = 3, 1
"""How long a byte of source takes to be compiled, and a byte of a wheel to be sent on once it is a layer."""


class _Compiling:
    """Makes bytecode, for as many packages at a time as there are processors.

    Of those that wait, the next is the one after which most is still to be done: itself to compile, and to send it and what
    lies above it, as an engine takes layers in their order.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._waiting: queue.PriorityQueue[tuple[int, str, WheelUnit, Future[Bytecode]]] = queue.PriorityQueue()
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="compile")

    def __enter__(self) -> _Compiling:
        self._pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def begin(self, unit: WheelUnit, above: int) -> Future[Bytecode]:
        """Return what will have the bytecode of `unit`; the wheels above it in the image have `above` bytes."""
        future: Future[Bytecode] = Future()
        still = _COMPILING * unit.source_size() + _SENDING * (unit.size + above)
        self._waiting.put((-still, unit.name, unit, future))
        self._pool.submit(self._next)
        return future

    def _next(self) -> None:
        _, _, unit, future = self._waiting.get()
        try:
            if self._stop.is_set():
                raise EnvbuildError(f"{unit.name}: stopped")
            future.set_result(unit.compiled())
        except BaseException as error:  # noqa: BLE001 - raised where the bytecode is asked for
            future.set_exception(error)


def _file(unit: WheelUnit) -> PipFile:
    assert unit.chosen.file is not None  # noqa: S101 - the engine refuses what is no wheel
    return unit.chosen.file
