"""Which engine to use: the one that was named, else the first that works here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

from envbuild.core.errors import EngineError, Problem
from envbuild.engines.protocol import ContainerEngine, Engine, ImageEngine


def _docker() -> ContainerEngine:
    from envbuild.engines.docker import DockerEngine

    return DockerEngine()


def _podman() -> ContainerEngine:
    from envbuild.engines.podman import PodmanEngine

    return PodmanEngine()


def _buildah() -> ImageEngine:
    from envbuild.engines.buildah import BuildahEngine

    return BuildahEngine()


def _oci() -> Engine:
    from envbuild.engines.oci.engine import OciEngine

    return OciEngine()


RUNNERS: dict[str, Callable[[], ContainerEngine]] = {"docker": _docker, "podman": _podman}
"""The engines that run containers, in the order in which they are tried."""

BUILDERS: dict[str, Callable[[], ImageEngine]] = {**RUNNERS, "buildah": _buildah}
"""The engines that build a context."""

ENGINES: dict[str, Callable[[], Engine]] = {**BUILDERS, "oci": _oci}
"""All engines; the last needs nothing but this machine."""


def pick(name: str = "auto") -> Engine:
    """Return the engine called `name`; `auto` is docker where `DOCKER_HOST` is set, else the first that works of docker, podman, buildah and oci.

    Raises:
        EngineError: there is no such engine, or none works; each one's reason is named.
    """
    return first_working(ENGINES, name)


def container_engine(name: str = "auto") -> ContainerEngine:
    """Return the engine called `name`, or the first that works, of those that run containers.

    Raises:
        EngineError: there is no such engine, or none works; each one's reason is named.
    """
    return first_working(RUNNERS, name)


EngineT = TypeVar("EngineT", bound=Engine)


def first_working(engines: Mapping[str, Callable[[], EngineT]], name: str = "auto") -> EngineT:
    """Return the one of `engines` that is called `name`, or the first that works.

    Where `DOCKER_HOST` is set, somebody chose docker: another engine would build on another machine than is meant.

    Raises:
        EngineError: as `pick`.
    """
    if name != "auto" and name not in engines:
        raise EngineError(f"engine {name!r} is not one of auto, {', '.join(engines)}")
    problems: list[Problem] = []
    chosen = bool(os.environ.get("DOCKER_HOST"))
    candidates = [name] if name != "auto" else ["docker"] if chosen else list(engines)
    for candidate in candidates:
        engine = engines[candidate]()
        reason = engine.available()
        if reason is None:
            return engine
        hint = "unset DOCKER_HOST, or say --engine NAME for another engine" if chosen and name == "auto" else ""
        problems.append(Problem(message=reason, hint=hint))
    raise EngineError(problems)
