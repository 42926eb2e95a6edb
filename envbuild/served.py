"""A packaged service that answers on this machine while a block of code lasts: as a process, or in a container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.api import Package, install
from envbuild.core.errors import ServiceError
from envbuild.core.progress import SILENT, Progress

if TYPE_CHECKING:
    from envbuild.core.plan import Plan
    from envbuild.engines.local_service import LocalService
    from envbuild.engines.protocol import Image


@contextmanager
def serve_local(
    package: Package, *, port: int, folder: Path | None = None, progress: Progress = SILENT
) -> Iterator[LocalService]:
    """Serve `package` as a process of this machine on 127.0.0.1:`port` while the block runs.

    Raises:
        ServiceError: the service ended or did not answer; with the end of its log.
    """
    from tempfile import TemporaryDirectory

    from envbuild.engines.local_service import running, start_service

    plan = package.plan
    if plan.app is None:
        raise ServiceError("there is nothing to serve")
    environment = install(plan.lock, definition=plan.definition, root=package.root, code=plan.code, progress=progress)
    with TemporaryDirectory(prefix="envbuild-service-") as temporary:
        target = folder or Path(temporary)
        service = start_service(
            plan.app, environment.python, target, port=port, variables=dict(plan.definition.variables)
        )
        with running(service):
            yield service


@contextmanager
def serve_container(image: Image, plan: Plan, *, port: int) -> Iterator[str]:
    """Serve `image` (made from `plan`) in a container on 127.0.0.1:`port` while the block runs; yield its URL.

    Raises:
        ServiceError: the container ended or did not answer; with the end of its log.
    """
    from envbuild.engines.container_service import start_service_container
    from envbuild.engines.detect import container_engine
    from envbuild.engines.protocol import RunOptions

    engine = container_engine(image.engine)
    options = RunOptions(ports=((plan.config.port, port),))
    container = start_service_container(
        engine, image.id or image.name, options, port=plan.config.port, health=plan.config.health
    )
    try:
        yield container.url(plan.config.port)
    finally:
        engine.stop(container)
