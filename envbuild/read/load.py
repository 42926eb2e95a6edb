"""From a path to a definition: the edge of this room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.read.findings import fatal
from envbuild.read.kinds import detect_kind
from envbuild.read.sources import Files
from envbuild.read.text import decode


def read_definition(path: Path, *, environment: str = "") -> Definition:
    """Return the definition in the file or folder `path`; `environment` chooses among several in one file.

    `sources` of the result names every file that was read, relative to the definition's folder, with its SHA-256.

    Raises:
        DefinitionError: every problem that was found, each with its file and line or key.
    """
    files = Files(path.parent)
    content = files(path.name)
    kind = detect_kind(path)
    if kind == "pyproject":
        from envbuild.read.pyproject import parse_pyproject

        found = parse_pyproject(decode(content, path.name), path.name, files, environment)
    elif kind == "requirements":
        from envbuild.read.requirements_txt import parse_requirements

        found = parse_requirements(decode(content, path.name, pep263=True), path.name, files)
    elif kind == "conda":
        from envbuild.read.conda_env import parse_conda

        found = parse_conda(decode(content, path.name), path.name, files)
    else:
        raise fatal("is not a file that defines an environment", file=path.name)
    return replace(found, sources=files.sources)
