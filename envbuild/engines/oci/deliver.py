"""Assembling an image and taking it where it should go; what turns out to be damaged on the way is made anew, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envbuild.core.errors import EngineError, IntegrityError
from envbuild.core.plan import Plan
from envbuild.engines.oci.assemble import Assembled, Assembler
from envbuild.engines.oci.earlier import previous_packages
from envbuild.engines.oci.early_push import pushing_early
from envbuild.engines.oci.output import Output
from envbuild.engines.oci.outputs import push, write_docker_archive, write_layout, write_oci_archive

if TYPE_CHECKING:
    from envbuild.engines.oci.into_docker import IntoDocker


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an image goes, under which names; `docker` says whether to hand it to docker, None to do so if one answers.

    The first of `names` is the image's own, the others are what a registry is sent.
    """

    output: Output
    names: tuple[str, ...]
    docker: bool | None = False


def deliver(
    assembler: Assembler, plan: Plan, destination: Destination, *, fresh: bool = False
) -> tuple[Assembled, str]:
    """Assemble the image of `plan`, take it to `destination`, and return it with the id that it has there.

    Raises:
        PlanError, NetworkError, IntegrityError, EngineError: it cannot be assembled, or not be taken there.
    """
    previous = previous_layers(assembler, plan)
    with _docker(assembler, destination) as docker:
        with _watched(assembler, destination, docker) as watched:
            made = watched.assemble(plan, previous=previous, fresh=fresh)
        try:
            identity = _write(made, assembler, destination, docker)
        except IntegrityError:
            assembler.store.forget([one.descriptor.digest for one in made.layers])
            made = assembler.assemble(plan, previous=previous)
            identity = _write(made, assembler, destination, docker)
    assembler.store.name(destination.names, made.manifest)
    return made, identity


@contextmanager
def _docker(assembler: Assembler, destination: Destination) -> Iterator[IntoDocker | None]:
    """Yield the way into docker, if the image goes there.

    Raises:
        EngineError: it must, and docker does not answer.
    """
    if destination.docker is False:
        yield None
        return
    from envbuild.engines.docker import DockerEngine
    from envbuild.engines.docker_images import DockerImages
    from envbuild.engines.oci.into_docker import into_docker

    engine = DockerEngine()
    reason = engine.available()
    if reason is not None and destination.docker:
        raise EngineError(reason)
    if reason is not None:
        yield None
        return
    with into_docker(DockerImages(engine), assembler.store, assembler.progress) as docker:
        yield docker


@contextmanager
def _watched(assembler: Assembler, destination: Destination, docker: IntoDocker | None) -> Iterator[Assembler]:
    """Yield what assembles, and sends each layer at once to where the image goes."""
    if destination.output.kind == "registry":
        with pushing_early(assembler.registry, assembler.store, destination.names[1:]) as watcher:
            yield replace(assembler, watcher=watcher)
    else:
        yield assembler if docker is None else replace(assembler, watcher=docker)


def previous_layers(assembler: Assembler, plan: Plan) -> Sequence[Sequence[str]]:
    """Return the packages in each layer of the image that the settings append to, bottom first."""
    earlier = assembler.settings.append_to
    if not earlier:
        return ()
    return previous_packages(earlier, assembler.store, assembler.registry, plan.selection.platform)


def _write(made: Assembled, assembler: Assembler, destination: Destination, docker: IntoDocker | None) -> str:
    names, store, path = destination.names, assembler.store, destination.output.path
    match destination.output.kind:
        case "oci":
            write_layout(made, store, path, names)
        case "oci-archive":
            write_oci_archive(made, store, path, names)
        case "docker-archive":
            write_docker_archive(made, store, path, names)
        case "registry":
            push(made, store, assembler.registry, names[1:], assembler.progress)
        case "docker" | "store":
            pass  # the layers are in the store already
    return made.config.digest if docker is None else docker.load(made, names)
