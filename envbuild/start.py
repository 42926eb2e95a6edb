"""The first `[tool.envbuild]` of a project: what is there already, said in the fewest keys."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, EnvbuildError, Problem
from envbuild.files import write_atomic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = str | bool | list[str] | Mapping[str, object]

_CONDA_FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")
_REQUIREMENTS = ("requirements.in", "requirements.txt")
_RETOLD = ("azureml_environment.json", "MLmodel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a project starts from: the files that were found, the table, and where it goes (`text` is the whole file then).

    An empty `text` says that the project has a table already.
    """

    found: tuple[str, ...]
    table: str
    path: Path
    text: str


def begin(folder: Path) -> Start:
    """Return the minimal table for the project in `folder`; nothing is written.

    Raises:
        DefinitionError: there is nothing to start from, or what is there is not understood.
    """
    path = folder / "pyproject.toml"
    written = _read(path)
    project = _parse(written, path)
    tool = project.get("tool")
    found = tuple(_found(folder, project))
    if isinstance(tool, dict) and "envbuild" in tool:
        return Start(found=found, table="", path=path, text="")
    if not found:
        raise DefinitionError(
            f"{folder} has nothing to start from",
            hint="write environment.yml, requirements.txt or pyproject.toml; or a [tool.envbuild] table by hand",
        )
    table = _table(_keys(folder, found, project))
    text = f"{written.rstrip()}\n\n{table}" if written.strip() else table
    _check(text, folder)
    return Start(found=found, table=table, path=path, text=text)


def write(start: Start) -> None:
    """Write the file of `start`: what stood there before is kept, byte for byte, with the table behind it."""
    write_atomic(start.path, start.text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(Problem(message=f"cannot be read: {error}", file=str(path))) from error


def _parse(text: str, path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(Problem(message=f"is not TOML: {error}", file=str(path))) from error


def _found(folder: Path, project: Mapping[str, object]) -> Iterator[str]:
    """Yield the files to start from, the one that says most first."""
    names = (*_RETOLD, *_CONDA_FILES)
    yield from (name for name in names if (folder / name).is_file())
    yield from (one.name for one in sorted(folder.glob("*.y*ml")) if one.name not in names and _is_azure(one))
    if "project" in project:
        yield "pyproject.toml"
    yield from (name for name in (*_REQUIREMENTS, "Dockerfile") if (folder / name).is_file())


def _is_azure(path: Path) -> bool:
    from envbuild.read.kinds import detect_kind

    try:
        return detect_kind(path) == "azure-v2"
    except EnvbuildError:
        return False


def _keys(folder: Path, found: tuple[str, ...], project: Mapping[str, object]) -> dict[str, Value]:
    """Return the table's entries. A file is named where the table can name it, and retold where it cannot."""
    first = found[0]
    keys: dict[str, Value] = {}
    if first in _CONDA_FILES:
        keys["conda-file"] = first
    elif first == "pyproject.toml":
        keys["project"] = True
    elif first in _REQUIREMENTS:
        keys["requirements"] = [first]
    elif first == "Dockerfile":
        return {"build": "."}
    else:
        return _retold(_definition(folder / first))
    if not _definition(folder / first).python:
        keys = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **keys}
    if "name" not in _section(project):
        keys = {"name": folder.resolve().name, **keys}
    return keys


def _section(project: Mapping[str, object]) -> Mapping[str, object]:
    section = project.get("project")
    return section if isinstance(section, dict) else {}


def _definition(path: Path) -> Definition:
    from envbuild.api import read_definition

    return read_definition(path)


def _retold(definition: Definition) -> dict[str, Value]:
    base = definition.base
    if base.dockerfile:
        raise DefinitionError(
            "the environment brings the text of a Dockerfile, which a table can only name",
            hint='write it to a file and `dockerfile = "FILE"`; or lock the folder as it is',
        )
    full: dict[str, Value] = {
        "name": definition.name,
        "version": definition.version,
        "python": "" if definition.conda else definition.python,
        "channels": list(definition.channels),
        "dependencies": [one.text for one in definition.conda],
        "pip": [one.text for one in definition.pip],
        "index-url": definition.index.index_url,
        "extra-index-urls": list(definition.index.extra_index_urls),
        "base": base.image,
        "registry": base.registry,
        "build": {"path": base.context.path, "dockerfile": base.context.dockerfile_path} if base.context else "",
        "apt": list(definition.apt),
        "docker-steps": list(definition.docker_steps),
        "user-managed": definition.user_managed,
        "interpreter-path": definition.interpreter_path,
        "variables": dict(definition.variables),
    }
    return {key: value for key, value in full.items() if value}


def _table(keys: Mapping[str, Value]) -> str:
    lines = ["[tool.envbuild]"]
    for key, value in keys.items():
        if isinstance(value, list) and len(value) > 1:
            lines += [f"{key} = [", *(f"  {_toml(one)}," for one in value), "]"]
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_toml(str(key))} = {_toml(one)}' for key, one in value.items())} }}"
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")


def _check(text: str, folder: Path) -> None:
    """Read what is about to be written, so that no `init` leaves a table that `lock` refuses."""
    from envbuild.read.pyproject import parse_pyproject
    from envbuild.read.sources import Files

    parse_pyproject(text, "pyproject.toml", Files(folder))
