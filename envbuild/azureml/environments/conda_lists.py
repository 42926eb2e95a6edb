"""What stands in the lists of a conda file: names of conda specs and of pip's requirements, and how two of them compare."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envbuild.core.names import normalize

_CONDA = re.compile(r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<rest>.*)", re.DOTALL)
_PIP = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[^\]]*\])?\s*(?P<rest>.*)", re.DOTALL
)
_WHEEL = re.compile(r"(?:.*/)?(?P<name>[A-Za-z0-9_.]+)-[^-/]+(?:-\d[^-/]*)?-[^-/]+-[^-/]+-[^-/]+\.whl(?:[?#].*)?")
_EGG = re.compile(r".*#(?:.*&)?egg=(?P<name>[A-Za-z0-9._-]+).*")
REPEATABLE = frozenset({"--extra-index-url", "--find-links", "-f", "--trusted-host", "--no-binary", "--only-binary"})
"""pip's options that may be given several times, each with a value of its own."""


def conda_name(spec: str) -> str:
    """Return the package that a conda spec names, in lower case; the whole text where it names none."""
    found = _CONDA.fullmatch(spec.strip())
    return found["name"].lower() if found else spec


def is_python(spec: object) -> bool:
    """Tell whether an entry of `dependencies:` is the one for Python."""
    return isinstance(spec, str) and conda_name(spec) == "python"


def python_version(spec: str) -> str | None:
    """Return the version of a `python…` spec as it is written, with its operator unless that is `=`, or None without one."""
    found = _CONDA.fullmatch(spec.strip())
    rest = found["rest"].strip() if found else ""
    return re.sub(r"^==?\s*", "", rest) or None


def pip_key(requirement: str) -> tuple[str, str]:
    """Return what a requirement of pip's is known by: its normalised name (PEP 503) and its marker.

    A line without a name, such as a path, is known by its text.
    """
    text = requirement.strip().removeprefix("-e ").removeprefix("--editable ").strip()
    before, _, marker = _marker(text)
    found = _WHEEL.fullmatch(before) or _EGG.fullmatch(before)
    if found is None and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|[./]", before):
        found = _PIP.fullmatch(before)
    return (normalize(found["name"]), re.sub(r"\s+", "", marker)) if found else (text, "")


def _marker(text: str) -> tuple[str, str, str]:
    # a URL may hold a semicolon; a marker behind one needs a space before it (PEP 508)
    before, separator, marker = text.partition(" ;" if "://" in text else ";")
    return before.strip(), separator, marker.strip()


def merge(requirements: Iterable[str]) -> list[str]:
    """Return one requirement for each name and marker: extras united, versions joined by commas."""
    merged: dict[tuple[str, str], tuple[str, list[str], list[str], str]] = {}
    for text in requirements:
        before, _, marker = _marker(text.strip())
        found = _PIP.fullmatch(before)
        if found is None or found["rest"].startswith("@"):
            merged.setdefault((text, ""), (text, [], [], ""))
            continue
        _, extras, versions, _ = merged.setdefault(pip_key(text), (found["name"], [], [], marker))
        extras += [
            one.strip() for one in (found["extras"] or "[]")[1:-1].split(",") if one.strip() not in ("", *extras)
        ]
        versions += [one.strip() for one in found["rest"].split(",") if one.strip() not in ("", *versions)]
    return [_joined(*parts) for parts in merged.values()]


def _joined(name: str, extras: list[str], versions: list[str], marker: str) -> str:
    inside = f"[{','.join(extras)}]" if extras else ""
    return f"{name}{inside}{','.join(versions)}{f' ; {marker}' if marker else ''}"


def same_option(one: str, other: str) -> bool:
    """Tell whether `other` takes the place of `one`: the same option, and not another value of a repeatable one."""
    word, other_word = (
        one.split(maxsplit=1)[0].split("=", maxsplit=1)[0],
        other.split(maxsplit=1)[0].split("=", maxsplit=1)[0],
    )
    return word == other_word and (word not in REPEATABLE or one == other)
