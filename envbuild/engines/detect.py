"""Which engine to use: the one that was named, else the first that works here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from envbuild.core.errors import EngineError, Problem
from envbuild.core.platforms import image_platform
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
    """Return the engine called `name`; `auto` is the first that works of docker, podman, buildah and oci.

    Raises:
        EngineError: there is no such engine, or none works; each one's reason is named.
    """
    return _first_working(ENGINES, name)


def container_engine(name: str = "auto") -> ContainerEngine:
    """Return the engine called `name`, or the first that works, of those that run containers.

    Raises:
        EngineError: there is no such engine, or none works; each one's reason is named.
    """
    return _first_working(RUNNERS, name)


EngineT = TypeVar("EngineT", bound=Engine)


def _first_working(engines: Mapping[str, Callable[[], EngineT]], name: str) -> EngineT:
    if name != "auto" and name not in engines:
        raise EngineError(f"engine {name!r} is not one of auto, {', '.join(engines)}")
    problems: list[Problem] = []
    for candidate in engines if name == "auto" else [name]:
        engine = engines[candidate]()
        reason = engine.available()
        if reason is None:
            return engine
        problems.append(Problem(message=reason))
    raise EngineError(problems)


def inspect_base(reference: str) -> str:
    """Return the digest (`sha256:…`) under which a local engine pulled the image `reference`, empty where none has one.

    Only a digest that a registry gave is told: an image that was only built here has none that another machine could pull.
    """
    architecture = image_platform().oci.rpartition("/")[2]
    for make in BUILDERS.values():
        engine = make()
        try:
            found = engine.inspect(reference) if engine.available() is None else None
        except EngineError:
            continue
        if found is not None and found.architecture == architecture:
            name = reference.partition("@")[0].rpartition(":")[0] or reference
            digests = [one.partition("@")[2] for one in found.digests if one.partition("@")[0].endswith(name)]
            return digests[0] if digests else ""
    return ""
