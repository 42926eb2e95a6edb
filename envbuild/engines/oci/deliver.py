"""Assembling an image and taking it where it should go; what turns out to be damaged on the way is made anew, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from envbuild.core.errors import EngineError, IntegrityError
from envbuild.core.plan import Plan
from envbuild.engines.oci.assemble import Assembled, Assembler
from envbuild.engines.oci.earlier import previous_packages
from envbuild.engines.oci.early_push import pushing_early
from envbuild.engines.oci.output import Output
from envbuild.engines.oci.outputs import push, write_docker_archive, write_layout, write_oci_archive


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
    with _sending(assembler, destination) as sending:
        made = sending.assemble(plan, previous=previous, fresh=fresh)
    try:
        identity = _write(made, assembler, destination)
    except IntegrityError:
        assembler.store.forget([one.descriptor.digest for one in made.layers])
        made = assembler.assemble(plan, previous=previous)
        identity = _write(made, assembler, destination)
    assembler.store.name(destination.names, made.manifest)
    return made, identity


@contextmanager
def _sending(assembler: Assembler, destination: Destination) -> Iterator[Assembler]:
    """Yield what assembles, and sends each layer at once where a registry gets the image."""
    if destination.output.kind != "registry":
        yield assembler
        return
    with pushing_early(assembler.registry, assembler.store, destination.names[1:]) as made:
        yield replace(assembler, made=made)


def previous_layers(assembler: Assembler, plan: Plan) -> Sequence[Sequence[str]]:
    """Return the packages in each layer of the image that the settings append to, bottom first."""
    earlier = assembler.settings.append_to
    if not earlier:
        return ()
    return previous_packages(earlier, assembler.store, assembler.registry, plan.selection.platform)


def _write(made: Assembled, assembler: Assembler, destination: Destination) -> str:
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
    return made.config.digest if destination.docker is False else _load(made, assembler, destination)


def _load(made: Assembled, assembler: Assembler, destination: Destination) -> str:
    from envbuild.engines.docker import DockerEngine
    from envbuild.engines.oci.into_docker import load

    docker = DockerEngine()
    reason = docker.available()
    if reason is None:
        return load(made, assembler.store, docker, destination.names, assembler.progress)
    if destination.docker:
        raise EngineError(reason)
    return made.config.digest
