"""The first `[tool.envbuild]` of a project: what is there already, said in the fewest keys."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild.beginnings import Beginning, find_beginnings, folders_below
from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, Problem
from envbuild.files import write_atomic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = str | bool | list[str] | Mapping[str, object]

_VERSION = re.compile(r"(?:python-)?(\d+\.\d+)(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a project starts from: the definition that is `used`, and the table for it.

    `unused` are other definitions that stand there, `refused` those that are not understood. `text` is the whole file at `path` with the table; both are empty where none is needed: where the project has a table
    already (`used` is empty then), or where a table cannot name what is `used`, which is a definition as it is.
    """

    path: Path
    used: str = ""
    table: str = ""
    text: str = ""
    unused: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def begin(folder: Path) -> Start:
    """Return the minimal table for the project in `folder`; nothing is written.

    Raises:
        DefinitionError: there is nothing to start from, or what is there is not understood.
    """
    path = folder / "pyproject.toml"
    written = _read(path)
    project = _parse(written, path)
    tool = project.get("tool")
    if isinstance(tool, dict) and "envbuild" in tool:
        return Start(path=path)
    there = find_beginnings(folder)
    if not there.usable:
        raise _nothing(folder, tuple(one for problems in there.problems.values() for one in problems))
    first = there.usable[0]
    keys = _keys(first, folder, written)
    read = {one.path for one in first.definition.sources}
    start = Start(
        path=folder / first.name,
        used=first.name,
        unused=tuple(one.name for one in there.usable if one.name not in read),
        refused=tuple(there.problems),
    )
    if keys is None:
        return start
    table = _table({**_named(first.definition, keys, folder, project), **_python(first, keys, folder), **keys})
    return replace(start, path=path, table=table, text=_with(written, table))


def write(start: Start) -> None:
    """Write the file of `start`: what stood there before is kept, byte for byte, with the table behind it."""
    write_atomic(start.path, start.text)


def _nothing(folder: Path, problems: tuple[Problem, ...]) -> DefinitionError:
    if problems:
        return DefinitionError(problems)
    below = folders_below(folder)
    if below:
        places = ", ".join(below)
        return DefinitionError(
            f"{folder} itself has nothing to start from, folders below have: {places}",
            hint=f"envbuild init {folder / below[0]}, or lock a file there as it is",
        )
    return DefinitionError(
        f"{folder} has nothing to start from",
        hint="write environment.yml, requirements.txt or pyproject.toml; or a [tool.envbuild] table by hand",
    )


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


def _keys(first: Beginning, folder: Path, written: str) -> dict[str, Value] | None:
    """Return the shortest entries that mean what `first` means; None where no table can say it.

    What is about to be written is read: so no `init` leaves a table that `lock` refuses, or that says less than the file.
    """
    for keys in _ways(first):
        if _understood(_with(written, _table(keys)), folder) == _bare(first.definition):
            return keys
    return None


def _ways(first: Beginning) -> list[dict[str, Value]]:
    """Return the entries to try: a file is named where the table can name it, and retold where it cannot."""
    if first.kind == "conda":
        return [{"conda-file": first.name}]
    if first.kind == "requirements":
        return [{"requirements": [first.name]}]
    if first.kind == "pyproject":
        return [{"project": True}]
    if first.kind == "dockerfile":
        return [{"build": "."}, {"build": {"path": ".", "dockerfile": first.name}}]
    if first.kind in ("pixi", "pipfile", "setup.cfg"):
        # their tools write them; a copy here would fall behind
        return []
    full = _retold(first.definition)
    beside = [
        one.path for one in first.definition.sources if one.path != first.name and one.path.endswith(("yml", "yaml"))
    ]
    packages = ("channels", "dependencies", "pip", "python", "index-url", "extra-index-urls")
    rest = {key: value for key, value in full.items() if key not in packages}
    return [*({**rest, "conda-file": one} for one in beside), full]


def _understood(text: str, folder: Path) -> str:
    from envbuild.read.pyproject import parse_pyproject
    from envbuild.read.sources import Files

    try:
        return _bare(parse_pyproject(text, "pyproject.toml", Files(folder)))
    except DefinitionError:
        return ""


def _bare(definition: Definition) -> str:
    """Return a hash of what `definition` asks for; what a build context holds is no matter here."""
    context = definition.base.context
    base = replace(definition.base, context=replace(context, content_hash="") if context else None)
    return replace(definition, base=base).hash


def _retold(definition: Definition) -> dict[str, Value]:
    base = definition.base
    full: dict[str, Value] = {
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
        "platforms": list(definition.platforms),
    }
    return {key: value for key, value in full.items() if value}


def _named(
    definition: Definition, keys: Mapping[str, Value], folder: Path, project: Mapping[str, object]
) -> dict[str, Value]:
    section = project.get("project")
    if isinstance(section, dict) and "name" in section:
        return {}
    if "conda-file" in keys and len(keys) == 1 and definition.name:
        # the file says it
        return {}
    return {"name": definition.name or folder.resolve().name}


def _python(first: Beginning, keys: Mapping[str, Value], folder: Path) -> dict[str, Value]:
    """Return the version that the project says elsewhere, where its packages need one; else the base image's is used."""
    definition = first.definition
    if (
        definition.python
        or "python" in keys
        or not definition.pip
        or definition.base.context
        or definition.user_managed
    ):
        return {}
    for name in (".python-version", "runtime.txt"):
        found = _VERSION.fullmatch(_read(folder / name).strip())
        if found:
            return {"python": found[1]}
    return {}


def _with(written: str, table: str) -> str:
    return f"{written.rstrip()}\n\n{table}" if written.strip() else table


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
