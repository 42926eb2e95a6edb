"""A service in a container of this machine: started, and answering before anybody is told of it."""

from __future__ import annotations

from pathlib import Path

from envbuild.engines.local_service import wait_until_healthy
from envbuild.engines.protocol import Container, ContainerEngine, RunOptions


def start_service_container(
    engine: ContainerEngine,
    image: str,
    options: RunOptions,
    *,
    port: int,
    health: str,
    limit: float = 0.0,
    trust: Path | None = None,
    patience: int = 10,
) -> Container:
    """Return the container of `image` once its service is healthy: it answers `health`, a path, on its `port` with 200.

    One that does not get so is ended. `limit` and `trust` are those of `wait_until_healthy`; with a certificate it is asked
    over https. `patience` is that of `ContainerEngine.stop`.

    Raises:
        ServiceError: the container ended or did not answer; with the end of its log.
        EngineError: it cannot be started.
    """
    container = engine.start(image, options)
    try:
        url = container.url(port)
        wait_until_healthy(
            f"{url.replace('http:', 'https:', 1) if trust else url}{health}",
            alive=lambda: engine.running(container),
            log=lambda: engine.logs(container),
            limit=limit,
            trust=trust,
        )
    except BaseException:
        engine.stop(container, patience=patience)
        raise
    return container
