"""Whether a project is a package whose code can be installed, as uv, Poetry and pip see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from envbuild.core.definition import CodeFolder
from envbuild.read.nodes import Node


def own_code(root: Node, file: str) -> tuple[CodeFolder, ...]:
    """Return the folder of the project in `file` (a parsed pyproject.toml) as code of its own environment; none without a project.

    Such a project is installed where it says how it is built.
    """
    found = named_code(root, file)
    if not found or found[0].left_out or root.get("build-system") or root.get("tool", "uv", "package").value is True:
        return found
    return (replace(found[0], left_out="it has no [build-system]"),)


def named_code(root: Node, file: str) -> tuple[CodeFolder, ...]:
    """Return the same of a project that a requirement names: it is installed unless it says that it is no package."""
    tool, project = root.get("tool"), root.get("project")
    described = project or tool.get("poetry")
    if not described:
        return ()
    says_no = {
        "tool.uv.package": tool.get("uv", "package"),
        "tool.poetry.package-mode": tool.get("poetry", "package-mode"),
    }
    left_out = next((f"it says {key} = false" for key, node in says_no.items() if node.value is False), "")
    return (CodeFolder(path=PurePosixPath(file).parent.as_posix(), left_out=left_out, origin=described.origin),)


def with_folder(code: tuple[CodeFolder, ...], folder: CodeFolder) -> tuple[CodeFolder, ...]:
    """Return `code` with `folder`; one that is there already is wanted wherever either marker holds."""
    known = next((one for one in code if one.path == folder.path), None)
    if known is None:
        return (*code, folder)
    markers = dict.fromkeys((known.marker, folder.marker))
    both = "" if "" in markers else " or ".join(f"({one})" if len(markers) > 1 else one for one in markers)
    left_out = known.left_out and folder.left_out
    return tuple(replace(one, marker=both, left_out=left_out) if one is known else one for one in code)
