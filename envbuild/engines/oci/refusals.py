"""What cannot be assembled without running something, said before anything is fetched. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from envbuild.core.errors import MustRunError, PlanError, Problem
from envbuild.core.plan import Plan
from envbuild.core.selection import Chosen

_ROAD = "build with a container engine (--engine docker, podman or buildah)"
_HYBRID = "or assemble the image without it and write `FROM` that image in a Dockerfile of your own"


def refuse(plan: Plan) -> None:
    """Check that `plan` needs nothing that only a running container can do.

    Raises:
        MustRunError: names every such thing, and the ways out.
        PlanError: the lock has something that must be a wheel first, or lacks a hash.
    """
    to_run, never = [*_steps(plan)], [*_packages(plan)]
    if never:
        raise PlanError([*to_run, *never])
    if to_run:
        raise MustRunError(to_run)


def _steps(plan: Plan) -> Iterator[Problem]:
    definition, lock = plan.definition, plan.lock
    python = lock.python
    ways = f"{_ROAD}, {_HYBRID}"
    reasons = {
        f"the apt packages {', '.join(lock.apt.packages)} run their scripts when installed": bool(lock.apt.packages),
        "Python comes from apt, whose packages run scripts when installed": python is not None
        and python.provider == "apt",
        "the definition has Docker steps of its own": bool(definition.docker_steps),
        "the base is a Dockerfile": bool(definition.base.dockerfile),
        "the base is a build context": definition.base.context is not None,
    }
    for reason, applies in reasons.items():
        if applies:
            yield Problem(message=f"the oci engine runs nothing, but {reason}", hint=ways)
    if not lock.base.reference:
        yield Problem(message="the lock names no base image", hint="run `envbuild lock` again")


def _packages(plan: Plan) -> Iterator[Problem]:
    for one in plan.selection.pip:
        name = f"{one.package.name} {one.package.version}".strip()
        if not one.is_wheel:
            yield Problem(
                message=f"the oci engine runs nothing, but {name} is {_kind(one)}, which must be built",
                hint=f"build a wheel of it first (`pip wheel`) and name that, or {_ROAD}",
            )
        elif one.file is not None and not one.file.sha256:
            yield Problem(message=f"{name}: the lock has no SHA-256 of {one.file.filename}", hint="lock again")
    for package in plan.selection.conda:
        if not package.sha256 and not package.md5:
            yield Problem(message=f"{package.name} {package.version}: the lock has no hash of it", hint="lock again")


def _kind(chosen: Chosen) -> str:
    if chosen.package.vcs is not None:
        return "from version control"
    return "a source distribution" if chosen.file is not None else "a folder"
