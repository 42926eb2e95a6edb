"""`[tool.conda-lock]`: conda's side of a project, in conda-lock's own words."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.definition import Definition
from envbuild.read.conda_env import CondaList, read_channels, read_platforms
from envbuild.read.findings import Findings
from envbuild.read.keyed import add_keyed
from envbuild.read.nodes import Node, table, text, texts
from envbuild.read.pip_side import PipSide
from envbuild.read.pixi import spec_text
from envbuild.read.poetry_version import to_pep440
from envbuild.read.python_version import python_of
from envbuild.read.sources import Include


def add_conda_lock(own: Node, project: Definition, findings: Findings, include: Include) -> Definition:
    """Return `project` (the dependencies of the other tables) with the channels, platforms and specs of conda-lock's table.

    The project's dependencies stay on pip's side: which conda package has which distribution is not known without the network.
    """
    side = PipSide()
    side.extend(project)
    conda = CondaList(findings=findings, include=include, side=side)
    for name, node in table(own.get("dependencies"), findings):
        if text(node.get("source"), findings) == "pypi":
            add_keyed(name, node, to_pep440, side, findings)
        else:
            conda.spec(spec_text(name, node, findings), node.origin)
    for url in texts(own.get("pip-repositories"), findings):
        side.option("--extra-index-url", url, own.get("pip-repositories").origin, findings)
    if project.pip:
        findings.note(own.origin, "the project's dependencies are taken from the index, not mapped to conda's names")
    conda.note_overlap()
    return replace(
        project,
        python=python_of(conda.specs) or project.python,
        channels=read_channels(own.get("channels"), findings),
        conda=tuple(conda.specs),
        pip=tuple(side.requirements),
        index=side.index(),
        platforms=read_platforms(own.get("platforms"), findings),
    )
