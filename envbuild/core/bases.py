"""Which base images are supported, and which one is taken when the definition names none."""

from __future__ import annotations

import re

from envbuild.core.errors import PlanError, Problem

OLDEST_UBUNTU = (16, 4)
OLDEST_CONDA = (4, 5)
OLDEST_PYTHON = (3, 5)

UBUNTU_PYTHON = {"16.04": "3.5", "18.04": "3.6", "20.04": "3.8", "22.04": "3.10", "24.04": "3.12", "26.04": "3.14"}
"""The Python that each Ubuntu release has in its main archive."""

DEBIAN_PYTHON = {"9": "3.5", "10": "3.7", "11": "3.9", "12": "3.11", "13": "3.13"}

DEFAULT_IMAGE = "ubuntu:24.04"
"""The default base where the definition has no wish that another release meets better."""

GLIBC = {
    "ubuntu 16.04": "2.23",
    "ubuntu 18.04": "2.27",
    "ubuntu 20.04": "2.31",
    "ubuntu 22.04": "2.35",
    "ubuntu 24.04": "2.39",
    "ubuntu 26.04": "2.42",
    "debian 9": "2.24",
    "debian 10": "2.28",
    "debian 11": "2.31",
    "debian 12": "2.36",
    "debian 13": "2.41",
}
"""The C library of each release: what `__glibc` is when the base is known and nothing else is said."""


def default_image(python_minor: str) -> str:
    """Return the default base for Python `python_minor` (`3.10`): the Ubuntu release that has it, else the newest of those."""
    for release, version in UBUNTU_PYTHON.items():
        if version == python_minor and release >= "20.04":
            return f"ubuntu:{release}"
    return DEFAULT_IMAGE


def apt_python(distribution: str) -> str:
    """Return the Python version that `distribution` (`ubuntu 22.04`) has in its archive, or an empty text."""
    name, _, release = distribution.partition(" ")
    table = {"ubuntu": UBUNTU_PYTHON, "debian": DEBIAN_PYTHON}.get(name, {})
    return table.get(release, "")


def known_distribution(reference: str) -> str:
    """Return the distribution that a well-known image name promises (`ubuntu:22.04` → `ubuntu 22.04`), or an empty text.

    Only for images that cannot be read; what `/etc/os-release` says is always preferred.
    """
    name = reference.partition("@")[0]
    repository, _, tag = name.rpartition(":")
    last = repository.rsplit("/", 1)[-1]
    if last == "ubuntu" and re.fullmatch(r"\d\d\.\d\d", tag):
        return f"ubuntu {tag}"
    if last == "debian" and (found := re.match(r"(\d+)(?:[.-]|$)", tag)):
        return f"debian {found[1]}"
    if found := re.search(r"-ubuntu(\d\d\.\d\d)(?:$|-|:)", name):
        return f"ubuntu {found[1]}"
    return ""


def parse_os_release(text: str) -> str:
    """Return `id version` from the text of an `/etc/os-release` (os-release(5)), `ubuntu 22.04` for example."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    name = values.get("ID", "").strip("\"' ").lower()
    return f"{name} {values.get('VERSION_ID', '').strip(chr(34) + chr(39) + ' ')}".strip()


def check_distribution(distribution: str, allowed: tuple[str, ...], image: str) -> None:
    """Check that `distribution` (`ubuntu 22.04`) is supported, or allowed by its name.

    Raises:
        PlanError: names what `image` has and what is needed.
    """
    name, _, release = distribution.partition(" ")
    if name in allowed:
        return
    numbers = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    if name == "ubuntu" and numbers >= OLDEST_UBUNTU:
        return
    needed = f"Ubuntu {OLDEST_UBUNTU[0]}.{OLDEST_UBUNTU[1]:02d} or later"
    raise PlanError(
        Problem(
            message=f"base image {image} is {distribution or 'of no known distribution'}; {needed} is needed",
            hint=f'choose an Ubuntu base, or allow it by name: allow-distribution = ["{name or "debian"}"]',
        )
    )


def check_version(what: str, found: str, oldest: tuple[int, int], image: str) -> None:
    """Check that version `found` of `what` (`Python`, `conda`) in `image` is `oldest` or later.

    Raises:
        PlanError: names found and needed.
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    if numbers < oldest:
        raise PlanError(f"base image {image} has {what} {found}; {what} {oldest[0]}.{oldest[1]} or later is needed")
