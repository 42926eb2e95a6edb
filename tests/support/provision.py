"""Provide the engine for one run: find or install the programs, start the daemons, say why where that cannot be."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from envbuild import programs
from tests.support.daemons import DaemonError, docker_registry, dockerd, temporary_folder

NEEDED = {
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
}
# docker.io of Debian 13 and later has its command line and BuildKit's front end in packages of their own
OPTIONAL = {
    "docker": "docker-cli",
    "docker-buildx": "docker-buildx",
    **{name: name for name in ("skopeo", "buildah", "podman", "crun", "umoci")},
}


OWN_ENGINES = "ENVBUILD_TEST_OWN_ENGINES"
"""The variable that tells each process of the tests to start an engine of its own."""


def engine_is_named() -> bool:
    """Tell whether the environment names an engine."""
    return bool(os.environ.get("ENVBUILD_TEST_DOCKER_HOST") and os.environ.get("ENVBUILD_TEST_REGISTRY"))


@contextlib.contextmanager
def engine_environment() -> Iterator[Mapping[str, str]]:
    """Yield the variables that tell the tests where the engine is, or (`ENVBUILD_TEST_ENGINE_SKIP`) why there is none.

    An engine that is already named by `ENVBUILD_TEST_DOCKER_HOST` and `ENVBUILD_TEST_REGISTRY` is taken as it is.
    """
    if engine_is_named():
        yield {}
        return
    if reason := missing_parts():
        yield {"ENVBUILD_TEST_ENGINE_SKIP": reason}
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder())
            registry = stack.enter_context(docker_registry(folder))
            host = stack.enter_context(dockerd(folder))
        except DaemonError as error:
            stack.close()
            yield {"ENVBUILD_TEST_ENGINE_SKIP": str(error)}
            return
        yield {"ENVBUILD_TEST_DOCKER_HOST": host, "ENVBUILD_TEST_REGISTRY": registry}


def missing_parts() -> str:
    """Install what an engine needs where that is possible; return why there can be none, or ""."""
    return _install() or _unable()


def _install() -> str:
    """Install what is missing where that is possible; return why the needed part could not be, or ""."""
    missing = [package for program, package in NEEDED.items() if programs.find(program) is None]
    extra = [package for program, package in OPTIONAL.items() if programs.find(program) is None]
    if os.geteuid() != 0 or programs.find("apt-get") is None or not missing:
        return ""
    print(f"installing {' '.join(missing + extra)}", flush=True)
    try:
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)
    except programs.ProgramError as error:
        return str(error)
    for package in extra:
        with contextlib.suppress(programs.ProgramError):
            _apt_get("install", "--yes", "--no-install-recommends", package)
    return ""


def _apt_get(*arguments: str) -> None:
    programs.run(["apt-get", "-q", *arguments], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _unable() -> str:
    if os.geteuid() != 0:
        return "the container engine needs root"
    if missing := [program for program in (*NEEDED, "docker") if programs.find(program) is None]:
        return f"no {', '.join(missing)} on PATH, and no apt-get to install it"
    return ""
