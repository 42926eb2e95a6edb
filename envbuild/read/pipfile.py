"""Pipenv's `Pipfile`: the packages, not the development packages."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.definition import Definition, Origin
from envbuild.read.findings import Findings
from envbuild.read.keyed import add_keyed, pep440
from envbuild.read.nodes import only_keys, table, text
from envbuild.read.pip_side import PipSide
from envbuild.read.poetry import add_sources, pin_sources
from envbuild.read.python_version import is_python_version
from envbuild.read.toml_nodes import parse_toml

KEYS = ("source", "packages", "dev-packages", "requires", "pipenv", "scripts", "build-system", "pipfile", "categories")


def parse_pipfile(source: str, file: str) -> Definition:
    """Return what the Pipfile `source` says.

    Raises:
        DefinitionError: every problem of the file.
    """
    root, findings, side = parse_toml(source, file), Findings(), PipSide()
    if not root.get("packages").is_map:
        only_keys(root, KEYS, findings, what="a Pipfile")
    for name, node in table(root.get("packages"), findings):
        add_keyed(name, node, pep440, side, findings)
    add_sources(root.get("source"), side, findings)
    pin_sources(root.get("packages").items(), "index", root.get("source"), side, findings)
    left = [key for key, node in root.items() if key not in KEYS or (key == "dev-packages" and node)]
    if left:
        findings.note(Origin(file=file), f"packages that are not taken: {', '.join(left)}")
    requires = root.get("requires")
    python = text(requires.get("python_full_version"), findings) or text(requires.get("python_version"), findings)
    if python and not (is_python_version(python) and python[0].isdigit()):
        findings.refuse(requires.origin, f"{python!r} is not a version of Python", 'write python_version = "3.11"')
    found = Definition(
        kind="pipfile", python=python, pip=tuple(side.requirements), index=side.index(), origin=Origin(file=file)
    )
    return replace(found, notes=findings.close())
