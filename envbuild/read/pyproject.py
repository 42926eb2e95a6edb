"""`pyproject.toml`: `[tool.envbuild]` where there is one, else the tables of the project and of other tools."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.definition import Definition
from envbuild.read.findings import Findings, Origin, fatal
from envbuild.read.groups import add_extras, add_group, add_project
from envbuild.read.nodes import Node, line, table
from envbuild.read.own_code import named_code, own_code
from envbuild.read.pip_side import PipSide
from envbuild.read.sources import Include
from envbuild.read.toml_nodes import parse_toml

_TABLES = (
    ("tool", "envbuild"),
    ("project",),
    ("dependency-groups",),
    ("workspace",),
    ("tool", "poetry"),
    ("tool", "pixi"),
    ("tool", "conda-lock"),
    ("tool", "flit"),
    ("tool", "uv", "dev-dependencies"),
)


def defines_environment(source: str, file: str) -> bool:
    """Tell whether the pyproject.toml `source` has any table that `parse_pyproject` reads, and is not only for linters and the like.

    Raises:
        DefinitionError: it is not TOML.
    """
    root = parse_toml(source, file)
    return any(root.get(*keys) for keys in _TABLES)


def parse_pyproject(source: str, file: str, include: Include, environment: str = "") -> Definition:
    """Return what the pyproject.toml `source` says; `environment` chooses among several.

    Raises:
        DefinitionError: every problem of the file, or that it defines no environment.
    """
    root = parse_toml(source, file)
    findings = Findings()
    definition = _read(root, file, findings, include, environment)
    return replace(definition, notes=findings.close())


def parse_own_project(source: str, file: str, include: Include, extras: tuple[str, ...] = ()) -> Definition | None:
    """Return what the project itself needs, with those of its `extras`; None where the file says nothing of a project.

    Raises:
        DefinitionError: every problem of the file.
    """
    root, findings, side = parse_toml(source, file), Findings(), PipSide()
    if not root.get("project"):
        if not root.get("tool", "poetry"):
            return None
        from envbuild.read.poetry import read_poetry

        found = read_poetry(root, file, findings)
        return replace(found, code=named_code(root, file), notes=findings.close())
    add_project(root, side, findings, include)
    add_extras(root, [Node(value=one, origin=Origin(file=file)) for one in extras], side, findings)
    _apply_tools(root.get("tool"), side, findings)
    pip, index = tuple(side.requirements), side.index()
    return Definition(
        kind="pyproject",
        pip=pip,
        index=index,
        code=named_code(root, file),
        notes=findings.close(),
        origin=root.get("project").origin,
    )


def parse_pixi(source: str, file: str, include: Include, environment: str = "") -> Definition:
    """Return what the pixi.toml `source` says; `environment` chooses among several.

    Raises:
        DefinitionError: every problem of the file, or that it defines no environment.
    """
    from envbuild.read.pixi import read_pixi

    root = parse_toml(source, file)
    findings = Findings()
    definition = read_pixi(root, root, findings, include, environment)
    return replace(definition, notes=findings.close())


def _read(root: Node, file: str, findings: Findings, include: Include, environment: str) -> Definition:
    tool = root.get("tool")
    for part in (root.get("project"), tool, root.get("dependency-groups"), *(node for _, node in tool.items())):
        table(part, findings)
    table(root.get("project", "optional-dependencies"), findings)
    if tool.get("envbuild").is_map:
        from envbuild.read.tool_envbuild import read_envbuild

        return read_envbuild(root, file, findings, include, environment)
    if root.get("workspace", "channels") or root.get("project", "channels"):
        from envbuild.read.pixi import read_pixi

        return read_pixi(root, root, findings, include, environment)
    if tool.get("pixi", "workspace") or tool.get("pixi", "project"):
        from envbuild.read.pixi import read_pixi

        return replace(read_pixi(root, tool.get("pixi"), findings, include, environment), kind="pyproject")
    found = _of_project(root, file, findings, include, environment)
    if tool.get("conda-lock"):
        from envbuild.read.conda_lock_table import add_conda_lock

        return add_conda_lock(tool.get("conda-lock"), found or Definition(kind="pyproject"), findings, include)
    if found is None:
        raise fatal(
            "defines no environment: it has none of [tool.envbuild], [project], [dependency-groups], [tool.poetry], [tool.pixi] and "
            "[tool.conda-lock]",
            file=file,
            hint="write [tool.envbuild], or list the dependencies under [project]",
        )
    return found


def _of_project(root: Node, file: str, findings: Findings, include: Include, environment: str) -> Definition | None:
    tool, project = root.get("tool"), root.get("project")
    own_poetry = tool.get("poetry", "dependencies") and not project.get("dependencies")
    if tool.get("poetry") and (own_poetry or not project):
        from envbuild.read.poetry import read_poetry

        return replace(read_poetry(root, file, findings, environment), code=own_code(root, file))
    if project or root.get("dependency-groups") or tool.get("uv", "dev-dependencies"):
        return read_project(root, file, findings, include, environment)
    if tool.get("flit", "metadata"):
        from envbuild.read.poetry import read_flit

        return read_flit(root, findings)
    return None


def read_project(root: Node, file: str, findings: Findings, include: Include, environment: str) -> Definition:
    """Return the project's dependencies, with those of the extra or group called `environment`; no project: all groups."""
    side = PipSide()
    project = root.get("project")
    extras, groups = project.get("optional-dependencies").keys(), root.get("dependency-groups").keys()
    if project:
        add_project(root, side, findings, include)
    if environment in groups:
        add_group(root, environment, Origin(file=file), side, findings)
    elif environment in extras:
        add_extras(root, [Node(value=environment, origin=Origin(file=file))], side, findings)
    elif environment:
        raise fatal(
            f"has no extra and no group {environment!r}",
            file=file,
            hint=f"it has: {', '.join((*extras, *groups)) or 'none'}",
        )
    _apply_tools(root.get("tool"), side, findings)
    left = [name for name in (*extras, *groups) if name != environment]
    if not project:
        for name in left:
            add_group(root, name, Origin(file=file), side, findings)
    elif left:
        findings.note(
            project.origin, f"extras and groups that are not taken: {', '.join(left)}", "choose one with --environment"
        )
    return Definition(
        kind="pyproject",
        name=line(project.get("name"), findings),
        python=line(project.get("requires-python"), findings).replace(" ", ""),
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
        code=own_code(root, file),
        origin=project.origin,
    )


def _apply_tools(tool: Node, side: PipSide, findings: Findings) -> None:
    if tool.get("uv") or tool.get("pdm"):
        from envbuild.read.uv_table import apply_pdm, apply_uv

        apply_uv(tool.get("uv"), side, findings)
        apply_pdm(tool.get("pdm"), side, findings)
