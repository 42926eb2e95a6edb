"""A packaged service in a container of this machine: started, and answering before anybody is told of it."""

from __future__ import annotations

from pathlib import Path

from envbuild.core.plan import Plan
from envbuild.engines.local_service import wait_until_healthy
from envbuild.engines.protocol import Container, ContainerEngine, RunOptions


def start_service_container(
    engine: ContainerEngine,
    image: str,
    plan: Plan,
    options: RunOptions,
    *,
    limit: float = 0.0,
    trust: Path | None = None,
    patience: int = 10,
) -> Container:
    """Return the container of `image` (made from `plan`) once its service is healthy; one that does not get so is ended.

    `limit` and `trust` are those of `wait_until_healthy`; with a certificate it is asked over https. `patience` is that of
    `ContainerEngine.stop`.

    Raises:
        ServiceError: the container ended or did not answer; with the end of its log.
        EngineError: it cannot be started.
    """
    container = engine.start(image, options)
    try:
        url = container.url(plan.config.port)
        wait_until_healthy(
            f"{url.replace('http:', 'https:', 1) if trust else url}{plan.config.health}",
            alive=lambda: engine.running(container),
            log=lambda: engine.logs(container),
            limit=limit,
            trust=trust,
        )
    except BaseException:
        engine.stop(container, patience=patience)
        raise
    return container
