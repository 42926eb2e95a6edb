"""A packaged service started within limits of CPU and memory, asked, measured and ended; once for each pair of limits."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import api
from envbuild.azureml.packaging.package import python_of
from envbuild.azureml.profiling.replay import Replayed, replay
from envbuild.azureml.profiling.sweep import Measurement
from envbuild.core.errors import EnvbuildError, ServiceError
from envbuild.core.progress import Progress

if TYPE_CHECKING:
    from envbuild.engines.protocol import BuildOptions, Usage

GB = 1024**3
_SAMPLE_EVERY = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked at each pair of limits: `count` requests, the `bodies` in turn, over `concurrency` connections.

    No request begins after `limit` seconds.
    """

    bodies: Sequence[bytes]
    count: int
    concurrency: int = 1
    limit: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A service that runs within limits: its port, and what tells its use."""

    port: int
    usage: Callable[[], Usage]


Start = Callable[[float, float], contextlib.AbstractContextManager[Limited]]
"""Starts the service with that many CPUs and GB of memory, and ends it after the block."""


def measure(start: Start, load: Load, cpu: float, memory: float) -> Measurement:
    """Return how the service does with `cpu` CPUs and `memory` GB; that it does not is a result, not an error."""
    try:
        with start(cpu, memory) as service:
            warm = replay(service.port, load.bodies[:1], count=1)
            with _watched(service) as use:
                done = replay(
                    service.port, load.bodies, count=load.count, concurrency=load.concurrency, limit=load.limit
                )
    except EnvbuildError as error:
        return Measurement(cpu=cpu, memory=memory, error=str(error))
    return _measured(cpu, memory, done, use, (warm.failures or done.failures or [""])[0])


def _measured(cpu: float, memory: float, done: Replayed, use: _Use, failure: str) -> Measurement:
    return Measurement(
        cpu=cpu,
        memory=memory,
        latencies=tuple(done.latencies),
        queries=done.queries,
        seconds=done.seconds,
        max_cpu=use.cpu,
        max_memory=use.memory / GB,
        error=failure,
    )


@dataclass(slots=True)
class _Use:
    cpu: float = 0.0
    memory: int = 0


@contextlib.contextmanager
def _watched(service: Limited) -> Iterator[_Use]:
    """Yield the most CPUs and bytes in use, which grow while the block runs."""
    use, ended = _Use(), threading.Event()

    def watch() -> None:
        at, before = time.monotonic(), service.usage()
        while True:
            last = ended.wait(_SAMPLE_EVERY)
            with contextlib.suppress(EnvbuildError):
                now = service.usage()
                passed = time.monotonic() - at
                # a sample of a few milliseconds at the end would say anything
                if passed >= _SAMPLE_EVERY / 2 or not use.cpu:
                    use.cpu = max(use.cpu, (now.cpu_seconds - before.cpu_seconds) / max(passed, 1e-3))
                    at, before = time.monotonic(), now
                use.memory = max(use.memory, now.memory)
            if last:
                return

    watcher = threading.Thread(target=watch, name="usage")
    watcher.start()
    try:
        yield use
    finally:
        ended.set()
        watcher.join()


def as_process(made: api.Package, progress: Progress) -> Start:
    """Return what starts `made` as a process of this machine; the environment is installed now.

    Raises:
        EngineError: it cannot be installed.
    """
    from envbuild.azureml.services.targets import free_port
    from envbuild.engines.limits import Limits, cpu_quota, group_usage, limiting_argv
    from envbuild.engines.local_service import running, start_service

    plan = made.plan
    if plan.app is None:
        raise ServiceError("there is nothing to serve")
    app = plan.app
    python = python_of(made, progress)

    @contextlib.contextmanager
    def start(cpu: float, memory: float) -> Iterator[Limited]:
        before = limiting_argv(Limits(cpus=cpu, memory=int(memory * GB)))
        with tempfile.TemporaryDirectory(prefix="envbuild-profile-") as folder:
            variables = dict(plan.definition.variables)
            service = start_service(app, python, Path(folder), port=free_port(), variables=variables, before=before)
            with running(service), cpu_quota(service.pid, cpu):
                yield Limited(port=service.port, usage=lambda: group_usage(service.pid))

    return start


def as_container(made: api.Package, options: BuildOptions, engine_name: str, progress: Progress) -> Start:
    """Return what starts `made` as a container; the image is made now, unless it is there.

    Raises:
        EngineError: no engine works here, or the image cannot be built.
    """
    from envbuild.engines.container_service import start_service_container
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    plan = made.plan
    engine = container_engine(engine_name)
    image = api.image(plan, engine=engine.name, options=options, root=made.root, progress=progress)

    @contextlib.contextmanager
    def start(cpu: float, memory: float) -> Iterator[Limited]:
        options = RunOptions(ports=((plan.config.port, 0),), cpus=cpu, memory=f"{int(memory * 1024)}m")
        container = start_service_container(
            engine, image.id or image.name, options, port=plan.config.port, health=plan.config.health, patience=2
        )
        try:
            yield Limited(port=dict(container.ports)[plan.config.port], usage=lambda: engine.usage(container))
        finally:
            engine.stop(container, patience=2)

    return start
