"""`[project]` and `[dependency-groups]` of a pyproject.toml (PEP 621, PEP 735)."""

from __future__ import annotations

from envbuild.core.definition import Origin
from envbuild.core.names import normalize
from envbuild.read.findings import Findings
from envbuild.read.nodes import Node, many, strict_text, table
from envbuild.read.pip_side import PipSide
from envbuild.read.requirement import read_requirement
from envbuild.read.requirements_txt import read_lines
from envbuild.read.sources import Include
from envbuild.read.text import decode


def add_requirements(node: Node, side: PipSide, findings: Findings, *, constraint: bool = False) -> None:
    """Add a list of PEP 508 requirements."""
    for entry in many(node, findings, "requirements"):
        if written := strict_text(entry, findings, "a requirement"):
            one = read_requirement(written, entry.origin, findings)
            if one is not None:
                side.add(one, constraint=constraint)


def add_project(root: Node, side: PipSide, findings: Findings, include: Include) -> None:
    """Add the project's own dependencies, also where setuptools reads them from files."""
    project = root.get("project")
    dynamic = [strict_text(one, findings) for one in many(project.get("dynamic"), findings)]
    if "dependencies" not in dynamic:
        add_requirements(project.get("dependencies"), side, findings)
        return
    files = root.get("tool", "setuptools", "dynamic", "dependencies", "file")
    if files:
        add_files(files, side, findings, include)
    else:
        findings.refuse(
            project.get("dynamic").origin,
            "says that the dependencies are dynamic: only the project's build backend knows them, and no foreign code is run to read",
            "list them under [project] dependencies, or under [tool.envbuild] pip",
        )


def add_files(node: Node, side: PipSide, findings: Findings, include: Include, *, constraint: bool = False) -> None:
    """Add one requirements file, or a list of them."""
    for entry in (node,) if isinstance(node.value, str) else many(node, findings, "files"):
        if path := strict_text(entry, findings, "a file's path"):
            into = PipSide() if constraint else side
            read_lines(decode(include(path), path, pep263=True), path, include, findings, into)
            for one in into.requirements if constraint else ():
                side.add(one, constraint=True)


def add_extras(
    root: Node, names: list[Node], side: PipSide, findings: Findings, done: frozenset[str] = frozenset()
) -> None:
    """Add the project's optional dependencies called `names`; one that names the project itself leads on to others."""
    project = root.get("project")
    offered = {normalize(key): value for key, value in table(project.get("optional-dependencies"), findings)}
    own = normalize(strict_text(project.get("name"), findings) or "-")
    for entry in names:
        name = normalize(strict_text(entry, findings, "an extra's name"))
        if name not in offered:
            findings.refuse(
                entry.origin, f"{name!r} is not an extra of the project", f"it has: {', '.join(offered) or 'none'}"
            )
        elif name not in done:
            inner = PipSide()
            add_requirements(offered[name], inner, findings)
            for one in inner.requirements:
                if one.name == own:
                    further = [Node(value=extra, origin=entry.origin) for extra in one.extras]
                    add_extras(root, further, side, findings, done | {name})
                else:
                    side.add(one)


def add_group(
    root: Node, name: str, at: Origin, side: PipSide, findings: Findings, *, trail: tuple[str, ...] = ()
) -> None:
    """Add the dependency group `name`, with those that it includes (PEP 735)."""
    groups = {normalize(key): value for key, value in table(root.get("dependency-groups"), findings)}
    wanted = normalize(name)
    if wanted not in groups:
        findings.refuse(at, f"{name!r} is not a dependency group", f"there are: {', '.join(groups) or 'none'}")
        return
    if wanted in trail:
        findings.refuse(at, f"dependency groups include one another: {' → '.join((*trail, wanted))}")
        return
    for entry in many(groups[wanted], findings, "requirements"):
        if entry.is_map:
            _include_group(root, entry, side, findings, (*trail, wanted))
        elif written := strict_text(entry, findings, "a requirement"):
            one = read_requirement(written, entry.origin, findings)
            if one is not None:
                side.add(one)


def _include_group(root: Node, entry: Node, side: PipSide, findings: Findings, trail: tuple[str, ...]) -> None:
    if entry.keys() != ("include-group",):
        findings.refuse(entry.origin, "is neither a requirement nor an include", 'write {include-group = "name"}')
        return
    inner = entry.get("include-group")
    add_group(root, strict_text(inner, findings, "a group's name"), inner.origin, side, findings, trail=trail)
