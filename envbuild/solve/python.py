"""Who brings Python: conda, the base image, the base's apt archive, or the user."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envbuild.core.bases import DEBIAN_PYTHON, DEFAULT_IMAGE, UBUNTU_PYTHON, apt_python, default_image
from envbuild.core.definition import CondaSpec, Definition
from envbuild.core.errors import SolveError
from envbuild.core.lock import LockedPython

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

CONDA_CHANNEL = "conda-forge"
"""Where Python is taken from when nothing else has it and the definition names no channel."""

_PATCHES = 40
_PROPOSED = tuple(f"3.{minor}" for minor in range(8, 15))
_BARE = re.compile(r"=?(\d+(?:\.\d+)*)(?:\.\*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """An interpreter that was found in a base image; `version` is `3.11` or the full one."""

    version: str
    interpreter: str


def wanted_python(definition: Definition) -> SpecifierSet:
    """Return the versions that the definition accepts; all, where it says nothing.

    Raises:
        SolveError: what it says is no version specifier (PEP 440).
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = definition.python.replace(" ", "")
    bare = _BARE.fullmatch(text)
    try:
        return SpecifierSet(f"=={bare[1]}.*" if bare else text)
    except InvalidSpecifier:
        raise SolveError(
            definition.origin.problem(
                f"python {definition.python!r} is not understood", "write 3.11, ==3.11.4, or >=3.10,<3.13"
            )
        ) from None


def accepts(wanted: SpecifierSet, version: str) -> bool:
    """Tell whether `wanted` accepts `version`; of a version without a third number, any that it may have."""
    from packaging.version import InvalidVersion, Version

    try:
        numbers = len(Version(version).release)
    except InvalidVersion:
        return False
    candidates = [version] if numbers > 2 else [f"{version}.{patch}" for patch in range(_PATCHES)]
    return any(wanted.contains(one, prereleases=True) for one in candidates)


def default_minor(wanted: SpecifierSet | None = None) -> str:
    """Return the Python to take where the base does not decide: the default base's, else the newest that is accepted."""
    default = UBUNTU_PYTHON[DEFAULT_IMAGE.rpartition(":")[2]]
    if wanted is None or accepts(wanted, default):
        return default
    known = sorted(
        {*UBUNTU_PYTHON.values(), *DEBIAN_PYTHON.values(), "3.12", "3.11", "3.9"}, key=_numbers, reverse=True
    )
    in_ubuntu = [one for one in known if one in UBUNTU_PYTHON.values()]
    return next((one for one in [*in_ubuntu, *known] if accepts(wanted, one)), default)


def possible_pythons(definition: Definition) -> tuple[str, ...]:
    """Return the Pythons (`3.11`) that pip's side may propose, the best first: those that the definition accepts before others.

    Where conda does not bring it, those that an Ubuntu release has come first; then older ones before newer ones, for what has no
    file for the default is mostly old.
    """
    try:
        wanted = wanted_python(definition)
    except SolveError:
        return ()
    default = _numbers(default_minor())

    def rank(minor: str) -> tuple[bool, bool, bool, int]:
        ours = not definition.uses_conda
        in_ubuntu = minor in UBUNTU_PYTHON.values()
        return (
            not accepts(wanted, minor),
            ours and not in_ubuntu,
            ours and _numbers(minor) > default,
            -_numbers(minor)[1],
        )

    return tuple(sorted(_PROPOSED, key=rank))


def default_base(definition: Definition) -> str:
    """Return the base image of a definition that names none."""
    return DEFAULT_IMAGE if definition.uses_conda else default_image(default_minor(wanted_python(definition)))


def best_in_base(pythons: Iterable[FoundPython], wanted: SpecifierSet) -> FoundPython | None:
    """Return the newest of `pythons` that is accepted."""
    fitting = [one for one in pythons if accepts(wanted, one.version)]
    return max(fitting, key=lambda one: (_numbers(one.version), one.interpreter), default=None)


def choose_python(definition: Definition, pythons: tuple[FoundPython, ...], distribution: str) -> LockedPython | None:
    """Return the Python of a definition without conda dependencies, or None where only conda can bring it.

    `pythons` and `distribution` (`ubuntu 22.04`) are the base's.
    """
    wanted = wanted_python(definition)
    if definition.user_managed:
        return _user_python(definition, pythons, wanted)
    found = best_in_base(pythons, wanted)
    if found is not None:
        return LockedPython(version=found.version, provider="base", interpreter=found.interpreter)
    if has_apt_python(definition, distribution):
        from_apt = apt_python(distribution)
        return LockedPython(version=from_apt, provider="apt", interpreter=f"/usr/bin/python{from_apt}")
    return None


def has_apt_python(definition: Definition, distribution: str) -> bool:
    """Tell whether the archive of `distribution` (`ubuntu 22.04`) has a Python that the definition accepts."""
    version = apt_python(distribution)
    return bool(version) and accepts(wanted_python(definition), version)


def still_good(definition: Definition, previous: LockedPython | None) -> bool:
    """Tell whether the Python of a previous lock is one that the definition accepts."""
    return previous is not None and accepts(wanted_python(definition), previous.version)


def with_python(definition: Definition, platform: str) -> tuple[CondaSpec, ...]:
    """Return the conda specs of `definition` for `platform` (a conda subdir), with Python and pip where the rest needs them and nobody wrote them.

    As conda has it, pip requirements bring `pip` along.
    """
    specs = list(definition.conda_for(platform))
    names = {spec.name for spec in specs}
    if "python" not in names and (definition.python or definition.pip):
        specs.append(python_spec(definition))
    if definition.pip and "pip" not in names and definition.uses_conda:
        specs.append(CondaSpec(text="pip", name="pip", origin=definition.pip[0].origin))
    return tuple(specs)


def python_spec(definition: Definition) -> CondaSpec:
    """Return the conda spec for the Python that the definition asks for, or for the default one."""
    text = definition.python.replace(" ", "") or ("" if definition.uses_conda else default_minor())
    bare = _BARE.fullmatch(text)
    version = f"{bare[1]}.*" if bare else text
    return CondaSpec(text=f"python {version}".strip(), name="python", version=version, origin=definition.origin)


def no_python(definition: Definition, image: str, distribution: str) -> SolveError:
    """Return the error for a Python that nobody can bring."""
    wanted = definition.python or default_minor()
    has = apt_python(distribution)
    found = f"{distribution} has Python {has}" if has else "none is known there"
    return SolveError(
        definition.origin.problem(
            f"Python {wanted} is not in base image {image} ({found}), and no conda channel can be reached to bring it",
            f"name a base image that has Python {wanted}, or a conda channel that can be reached",
        )
    )


def _user_python(definition: Definition, pythons: Iterable[FoundPython], wanted: SpecifierSet) -> LockedPython | None:
    path = definition.interpreter_path
    known = [one for one in pythons if not path or one.interpreter == path]
    found = best_in_base(known, wanted)
    if found is not None:
        return LockedPython(version=found.version, provider="user", interpreter=path or found.interpreter)
    bare = _BARE.fullmatch(definition.python.replace(" ", ""))
    if bare is None or "." not in bare[1]:
        return None
    return LockedPython(version=bare[1], provider="user", interpreter=path)


def locked_conda_python(versions: Iterable[str]) -> LockedPython | None:
    """Return the Python that conda brings, from the version on each platform; None where no platform has it."""
    found = sorted(set(versions), key=_numbers)
    if not found:
        return None
    # platforms may differ in the last number: what is common to all is what the lock can say
    minors = {".".join(one.split(".")[:2]) for one in found}
    version = found[0] if len(found) == 1 else min(minors, key=_numbers)
    return LockedPython(version=version, provider="conda")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
