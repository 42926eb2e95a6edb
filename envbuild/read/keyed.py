"""Requirements written as tables, `name = {version = …}`: what Poetry, Pipenv, PDM, pixi and uv have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from envbuild.core.definition import PipRequirement
from envbuild.core.names import normalize
from envbuild.read.findings import Findings
from envbuild.read.nodes import Node, flag, strict_text, text, texts
from envbuild.read.pip_side import PipSide
from envbuild.read.requirement import VCS, is_marker, read_requirement

Translate = Callable[[str], str]
"""From a tool's own version constraint to a PEP 440 specifier; raises ValueError with the reason."""

_REFERENCES = ("rev", "ref", "tag", "branch")
_PLACES = ("git", "hg", "svn", "url", "path", "file")


def add_keyed(
    name: str, node: Node, translate: Translate, side: PipSide, findings: Findings, *, marker: str = ""
) -> None:
    """Add the requirement `name = node`; a list holds alternatives, each with a marker of its own."""
    for one in node if isinstance(node.value, list) else (node,):
        found = keyed_requirement(name, one, translate, findings, marker=marker)
        if found is not None:
            side.add(found)


def keyed_requirement(
    name: str, node: Node, translate: Translate, findings: Findings, *, marker: str = ""
) -> PipRequirement | None:
    """Return the requirement `name = node`; None after a problem was recorded."""
    extras = texts(node.get("extras"), findings)
    head = f"{name}[{','.join(extras)}]" if extras else name
    place = next((key for key in _PLACES if node.get(key)), "")
    editable = place in ("path", "file", "git") and (
        flag(node.get("editable"), findings) or flag(node.get("develop"), findings)
    )
    try:
        tail = _marker(node, marker, findings)
        if place:
            line = _place(name, head, place, node, findings)
        else:
            written = strict_text(node.get("version") if node.is_map else node, findings, "a version")
            line = head + translate(written)
    except ValueError as error:
        findings.refuse(node.origin, str(error), "write a PEP 440 specifier, for example >=1.2,<2")
        return None
    found = read_requirement(f"{line} ; {tail}" if tail else line, node.origin, findings, editable=editable)
    return replace(found, name=normalize(name)) if found is not None else None


def _place(name: str, head: str, place: str, node: Node, findings: Findings) -> str:
    target = text(node.get(place), findings)
    if place in ("url", "path", "file"):
        if "://" in target:
            return f"{head} @ {target}"
        local = target if target.startswith((".", "/", "~")) else f"./{target}"
        return local + head.removeprefix(name)
    reference = next((text(node.get(key), findings) for key in _REFERENCES if node.get(key)), "")
    sub = text(node.get("subdirectory"), findings)
    url = target if target.startswith(VCS) else f"{place}+{_full_url(target)}"
    return f"{head} @ {url}{f'@{reference}' if reference else ''}{f'#subdirectory={sub}' if sub else ''}"


def _full_url(target: str) -> str:
    # `git@host:owner/name.git` is ssh's short form, which PEP 508 does not have
    if target.startswith("git@") and "://" not in target:
        return "ssh://" + target.replace(":", "/", 1)
    return target


def _marker(node: Node, outer: str, findings: Findings) -> str:
    parts = [outer, *(text(node.get(key), findings) for key in ("markers", "marker", "env-markers"))]
    if python := text(node.get("python"), findings):
        parts.append(python_marker(python))
    if system := text(node.get("platform"), findings):
        parts.append(f'sys_platform == "{system}"')
    parts += [
        f"{key} {text(node.get(key), findings)}"
        for key in ("sys_platform", "os_name", "python_version")
        if node.get(key)
    ]
    known = [part for part in parts if part]
    wrong = next((part for part in known if not is_marker(part)), "")
    if wrong:
        raise ValueError(f"{wrong!r} is not an environment marker")
    return known[0] if len(known) == 1 else " and ".join(f"({part})" for part in known)


def python_marker(constraint: str) -> str:
    """Return the marker that says what Poetry's `python = "^3.8"` says."""
    from envbuild.read.poetry_version import to_pep440

    specifiers = [part for part in to_pep440(constraint).split(",") if part]
    key = (
        "python_full_version"
        if any(part.count(".") > 1 and not part.endswith(".*") for part in specifiers)
        else "python_version"
    )
    return " and ".join(f"{key} {_spaced(part)}" for part in specifiers)


def _spaced(specifier: str) -> str:
    operator = specifier[: len(specifier) - len(specifier.lstrip("<>=!~"))]
    return f'{operator} "{specifier[len(operator) :]}"'


def pep440(written: str) -> str:
    """Return a specifier that is PEP 440 already; `*` and nothing mean any version (Pipenv, pixi)."""
    stripped = written.strip()
    if stripped in ("", "*"):
        return ""
    if stripped[0].isdigit():
        return f"=={stripped}"
    return stripped
