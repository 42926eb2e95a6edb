"""`[tool.uv]` and `[tool.pdm]` beside `[project]`: where the project's dependencies come from."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.definition import PipRequirement
from envbuild.core.names import normalize
from envbuild.read.findings import Findings
from envbuild.read.groups import add_requirements
from envbuild.read.keyed import keyed_requirement
from envbuild.read.nodes import Node, flag, table, text, texts
from envbuild.read.pip_side import PipSide
from envbuild.read.poetry import add_sources

WORKSPACE = "uv-workspace:"
"""What stands before the name, as the target of a package whose folder the uv workspace knows (`folders.with_folders`)."""


def apply_uv(uv: Node, side: PipSide, findings: Findings) -> None:
    """Apply uv's indexes, constraints and sources to what was read of the project."""
    indexes = {text(index.get("name"), findings): text(index.get("url"), findings) for index in uv.get("index")}
    for index in uv.get("index"):
        _index(index, side, findings)
    if url := text(uv.get("index-url"), findings):
        side.option("--index-url", url, uv.get("index-url").origin, findings)
    for key, option in (("extra-index-url", "--extra-index-url"), ("find-links", "--find-links")):
        for url in texts(uv.get(key), findings):
            side.option(option, url, uv.get(key).origin, findings)
    side.no_index = flag(uv.get("no-index"), findings) or side.no_index
    side.pre = side.pre or text(uv.get("prerelease"), findings) == "allow"
    for key, option in (("no-binary-package", "--no-binary"), ("no-build-package", "--only-binary")):
        for name in texts(uv.get(key), findings):
            side.option(option, name, uv.get(key).origin, findings)
    add_requirements(uv.get("constraint-dependencies"), side, findings, constraint=True)
    if uv.get("override-dependencies"):
        findings.note(uv.get("override-dependencies").origin, "has no effect: a requirement is never overridden")
    sources = {normalize(name): node for name, node in table(uv.get("sources"), findings)}
    side.requirements[:] = [
        one for old in side.requirements for one in _from_source(old, sources.get(old.name), findings)
    ]
    for name in dict.fromkeys(one.name for one in side.requirements if one.name in sources):
        _pin(name, sources[name], indexes, side, findings)


def _pin(name: str, source: Node, indexes: dict[str, str], side: PipSide, findings: Findings) -> None:
    for node in source if isinstance(source.value, list) else (source,):
        if not node.get("index"):
            continue
        index = text(node.get("index"), findings)
        if index not in indexes:
            known = ", ".join(filter(None, indexes)) or "none"
            findings.refuse(
                node.origin, f"{name} comes from the index {index!r}, which is not there", f"known: {known}"
            )
        else:
            side.pin(name, indexes[index], node.origin, findings, marker=text(node.get("marker"), findings))


def _index(index: Node, side: PipSide, findings: Findings) -> None:
    if flag(index.get("explicit"), findings):
        return  # for the packages that are pinned to it alone
    if url := text(index.get("url"), findings):
        default = flag(index.get("default"), findings)
        side.option("--index-url" if default else "--extra-index-url", url, index.origin, findings)


def _from_source(one: PipRequirement, source: Node | None, findings: Findings) -> list[PipRequirement]:
    if source is None or one.kind != "name":
        return [one]
    found: list[PipRequirement] = []
    for node in source if isinstance(source.value, list) else (source,):
        if node.get("workspace").value is True:
            found.append(replace(one, kind="path", target=f"{WORKSPACE}{one.name}"))
        elif any(node.get(key) for key in ("git", "url", "path")):
            extras = [Node(value=extra) for extra in one.extras]
            inner = Node(value={**dict(node.items()), "extras": Node(value=extras)}, origin=one.origin)
            placed = keyed_requirement(one.name, inner, str, findings, marker=one.marker)
            found += [placed] if placed is not None else []
        elif one not in found:
            found.append(one)
    return found


def apply_pdm(pdm: Node, side: PipSide, findings: Findings) -> None:
    """Apply PDM's `[[tool.pdm.source]]`."""
    add_sources(pdm.get("source"), side, findings)
    if pdm.get("dev-dependencies"):
        findings.note(pdm.get("dev-dependencies").origin, "development dependencies are not taken")
