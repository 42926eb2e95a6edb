"""`[tool.poetry]`, and `[tool.flit.metadata]`: projects from before PEP 621."""

from __future__ import annotations

from collections.abc import Iterable

from envbuild.core.definition import Definition
from envbuild.core.names import normalize
from envbuild.read.findings import Findings, fatal
from envbuild.read.groups import add_requirements
from envbuild.read.keyed import add_keyed
from envbuild.read.nodes import Node, flag, table, text, texts
from envbuild.read.pip_side import PipSide
from envbuild.read.poetry_version import to_pep440

_EXTRA_PRIORITIES = ("supplemental", "secondary")


def read_poetry(root: Node, file: str, findings: Findings, environment: str = "") -> Definition:
    """Return the main dependencies of a Poetry project, with those of the group or extra called `environment`."""
    poetry, side = root.get("tool", "poetry"), PipSide()
    groups = _groups(poetry)
    extras = poetry.get("extras").keys()
    if environment and environment not in (*groups, *extras):
        raise fatal(
            f"has no group and no extra {environment!r}",
            file=file,
            hint=f"it has: {', '.join((*groups, *extras)) or 'none'}",
        )
    wanted = (
        {normalize(name) for name in texts(poetry.get("extras", environment), findings)}
        if environment in extras
        else set()
    )
    for name, node in table(poetry.get("dependencies"), findings):
        if normalize(name) != "python" and (not _optional(node, findings) or normalize(name) in wanted):
            add_keyed(name, node, to_pep440, side, findings)
    for name, node in table(groups[environment], findings) if environment in groups else ():
        add_keyed(name, node, to_pep440, side, findings)
    add_sources(poetry.get("source"), side, findings)
    pin_sources(_dependencies(poetry, groups, environment), "source", poetry.get("source"), side, findings)
    left = [name for name in (*extras, *groups) if name != environment]
    if left:
        findings.note(
            poetry.origin, f"extras and groups that are not taken: {', '.join(left)}", "choose one with --environment"
        )
    return Definition(
        kind="pyproject",
        name=text(poetry.get("name"), findings),
        python=python_constraint(poetry.get("dependencies", "python"), findings),
        pip=tuple(side.requirements),
        index=side.index(),
        origin=poetry.origin,
    )


def python_constraint(node: Node, findings: Findings) -> str:
    """Return Poetry's `python = "^3.9"` as a PEP 440 specifier; `3.10` stays a bare version."""
    written = text(node, findings).strip()
    if not written or (written[0].isdigit() and "," not in written and "|" not in written):
        return written
    try:
        return to_pep440(written)
    except ValueError as error:
        findings.refuse(node.origin, str(error), "write a PEP 440 specifier, for example >=3.10,<3.13")
        return ""


def _groups(poetry: Node) -> dict[str, Node]:
    groups = {name: node.get("dependencies") for name, node in poetry.get("group").items()}
    if poetry.get("dev-dependencies"):
        groups.setdefault("dev", poetry.get("dev-dependencies"))
    return groups


def _dependencies(poetry: Node, groups: dict[str, Node], environment: str) -> list[tuple[str, Node]]:
    return [*poetry.get("dependencies").items(), *(groups[environment].items() if environment in groups else ())]


def _optional(node: Node, findings: Findings) -> bool:
    return flag(node.get("optional"), findings)


def add_sources(sources: Node, side: PipSide, findings: Findings) -> None:
    """Add `[[source]]` entries (Poetry, PDM, Pipenv): the first primary one is the index, the others are further ones."""
    for source in sources:
        url, priority = text(source.get("url"), findings), text(source.get("priority"), findings).lower()
        if url and priority != "explicit":  # an explicit one is for the packages that are pinned to it alone
            extra = priority in _EXTRA_PRIORITIES or flag(source.get("secondary"), findings) or bool(side.index_url)
            side.option("--extra-index-url" if extra else "--index-url", url, source.origin, findings)


def pin_sources(
    packages: Iterable[tuple[str, Node]], key: str, sources: Node, side: PipSide, findings: Findings
) -> None:
    """Pin each of `packages` that names an index under `key` (Poetry's `source`, Pipenv's `index`) to that of `sources`."""
    known = {text(source.get("name"), findings): text(source.get("url"), findings) for source in sources}
    taken = {one.name for one in side.requirements}
    for name, node in packages:
        for entry in node if isinstance(node.value, list) else (node,):
            index = text(entry.get(key), findings)
            if not index or normalize(name) not in taken or index.lower() == "pypi":
                continue
            if url := known.get(index):
                side.pin(name, url, entry.origin, findings, marker=text(entry.get("markers"), findings))
            else:
                findings.refuse(entry.origin, f"{name} comes from the source {index!r}, which is not there")


def read_flit(root: Node, findings: Findings) -> Definition:
    """Return the requirements of flit's own metadata table."""
    metadata, side = root.get("tool", "flit", "metadata"), PipSide()
    add_requirements(metadata.get("requires"), side, findings)
    return Definition(
        kind="pyproject",
        name=text(metadata.get("dist-name"), findings) or text(metadata.get("module"), findings),
        python=text(metadata.get("requires-python"), findings).replace(" ", ""),
        pip=tuple(side.requirements),
        origin=metadata.origin,
    )
