"""The base image: its tag becomes a digest, and its files say which Python it has, without running it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from envbuild.core.bases import (
    OLDEST_CONDA,
    OLDEST_PYTHON,
    check_distribution,
    check_version,
    known_distribution,
)
from envbuild.core.definition import Definition
from envbuild.core.errors import EnvbuildError
from envbuild.core.lock import LockedBase
from envbuild.core.platforms import PLATFORMS
from envbuild.core.progress import Progress
from envbuild.core.reference import ImageReference
from envbuild.solve.base_contents import Contents, read_contents

InspectBase = Callable[[str], str]
"""Asks a local container engine for the digest (`sha256:…`) that it pulled an image reference with; empty where it has none."""


_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """The base as the lock records it, and what its files say."""

    locked: LockedBase
    contents: Contents = field(default_factory=Contents)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseQuestion:
    """Which base is meant, for which platforms (conda subdirs), and how it may be asked for.

    `read` says that the image's files are wanted as well. `previous` keeps its digest unless it is for another reference.
    """

    reference: str
    registry: str = ""
    platforms: tuple[str, ...] = ()
    read: bool = True
    offline: bool = False
    previous: LockedBase = field(default_factory=LockedBase)
    inspect: InspectBase | None = None


def check_base(definition: Definition, facts: BaseFacts) -> None:
    """Check what is known of the base against what is supported.

    Raises:
        PlanError: names what was found and what is needed.
    """
    image = facts.locked.reference
    if facts.locked.distribution:
        check_distribution(facts.locked.distribution, definition.allow_distribution, image)
    if facts.contents.conda:
        check_version("conda", facts.contents.conda, OLDEST_CONDA, image)
    for found in facts.contents.pythons:
        if found.interpreter == definition.interpreter_path:
            check_version("Python", found.version, OLDEST_PYTHON, image)


def look_at_base(question: BaseQuestion, progress: Progress) -> BaseFacts:
    """Return digest and contents of the base as far as a registry, or else a local engine, answers.

    What is out of reach is a note: the lock then says that the tag is unresolved, and the next one that can fills it in.
    """
    if not question.reference:
        return BaseFacts(locked=LockedBase())
    known = LockedBase(
        reference=question.reference,
        digest=question.reference.partition("@")[2],
        distribution=known_distribution(question.reference),
    )
    if question.previous.reference == question.reference and question.previous.digest:
        known = question.previous
    if known.digest and not question.read:
        return BaseFacts(locked=known)
    try:
        return _from_registry(question, known)
    except EnvbuildError as error:
        return _from_engine(question, known, error.problems[0].message, progress)


def _from_registry(question: BaseQuestion, known: LockedBase) -> BaseFacts:
    if question.offline:
        raise EnvbuildError("--offline was said")
    reference = image_reference(question, known.digest)
    _check_address(reference.registry)
    from envbuild.net.http import HttpClient, Patience
    from envbuild.net.registry import RegistryClient, RegistrySource

    client = RegistryClient(http=HttpClient(patience=Patience(connect=5.0, read=30.0, attempts=2)))
    targets = [PLATFORMS[name] for name in question.platforms if PLATFORMS[name].sys_platform == "linux"]
    if not targets:
        return BaseFacts(locked=replace(known, digest=client.manifest(reference)[0].digest))
    images = [(target, client.resolve(reference, target)) for target in targets]
    contents = (
        read_contents(RegistrySource(client=client, reference=reference), images[0][1]) if question.read else Contents()
    )
    locked = LockedBase(
        reference=question.reference,
        digest=images[0][1].pin,
        platform_digests=tuple(sorted((target.subdir, image.digest) for target, image in images)),
        distribution=contents.distribution or known.distribution,
    )
    return BaseFacts(locked=locked, contents=contents)


def _check_address(registry: str) -> None:
    """Fail at once where `registry` has no address: without a network the question would only cost time."""
    import socket

    if any(os.environ.get(name) for name in _PROXIES):
        return
    host = registry.rpartition(":")[0] or registry
    try:
        socket.getaddrinfo(host.strip("[]"), None)
    except OSError as error:
        raise EnvbuildError(f"the host name {host} cannot be resolved") from error


def image_reference(question: BaseQuestion, digest: str) -> ImageReference:
    """Return what a registry is asked for: the reference in the registry that the definition names, by `digest` if known."""
    host = question.registry.removeprefix("https://").removeprefix("http://").strip("/")
    text = question.reference
    reference = ImageReference.parse(f"{host}/{text}" if host and not text.startswith(f"{host}/") else text)
    return reference.with_digest(digest) if digest else reference


def _from_engine(question: BaseQuestion, known: LockedBase, reason: str, progress: Progress) -> BaseFacts:
    digest = known.digest or (question.inspect(question.reference) if question.inspect else "")
    if not digest:
        progress.note(
            f"base image {question.reference} keeps its tag for now, its digest is not known: {reason}; "
            "the next lock that can reach it fills it in"
        )
    return BaseFacts(locked=replace(known, digest=digest))
