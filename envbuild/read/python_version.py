"""Python's version as a definition says it, from conda's and from pip's ways to say it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envbuild.core.definition import CondaSpec


def python_of(specs: Iterable[CondaSpec]) -> str:
    """Return what the `python` entry of a conda list asks for, as a bare version or a PEP 440 specifier.

    Alternatives that no specifier can say give an empty text; the conda spec still holds them.
    """
    for spec in specs:
        if spec.name == "python":
            return bare(spec.version)
    return ""


def bare(version: str) -> str:
    """Return `3.10` for conda's `=3.10` and `3.10.*`, `==3.10.*,<4` for `3.10.*,<4`, `>=3.8,<3.10` for `3.8.*|3.9.*`."""
    if found := re.fullmatch(r"=?(\d+(?:\.\d+)*)(?:\.\*)?", version):
        return found[1]
    if "|" in version:
        return _one_range(version)
    terms = [f"=={term}" if term[:1].isdigit() else term for term in version.split(",")]
    specifier = ",".join(terms)
    return specifier if is_python_version(specifier) else ""


def _one_range(version: str) -> str:
    # rare, and the only need for `packaging` here
    from envbuild.read.poetry_version import to_pep440

    try:
        return to_pep440(version.strip("()"))
    except ValueError:
        return ""


_PEP_440 = re.compile(r"\s*(?:(?:==|!=|>=|<=|~=|>|<)\s*)?\d+(?:\.\d+)*(?:\.\*)?(?:(?:a|b|rc)\d+)?\s*")


def is_python_version(text: str) -> bool:
    """Tell whether `text` is a version or a specifier (PEP 440) of Python: `3.11`, `>=3.10,<3.13`."""
    return bool(text) and all(_PEP_440.fullmatch(part) for part in text.split(","))
