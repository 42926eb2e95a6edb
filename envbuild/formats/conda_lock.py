"""conda-lock.yml, version 1: read from any tool, written so that any tool can install from it.

What the format has no key for stands in `metadata.custom_metadata`: facts about the whole lock under `envbuild-…`, facts
about one package under its file's name, so that a package that moves changes only its own lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from envbuild.core.definition import Source
from envbuild.core.errors import LockError, Problem
from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.formats import checks, conda_entries, pip_entries
from envbuild.formats.canonical import canonical, per_platform
from envbuild.formats.facts import read_facts, to_facts
from envbuild.formats.fields import Table, as_table
from envbuild.formats.folding import fold
from envbuild.formats.urls import filename as url_filename
from envbuild.formats.urls import without_credentials
from envbuild.formats.yaml_text import load, scalar

_HEADER = """\
# Made by envbuild in conda-lock's format. Do not edit: change the definition and run `envbuild lock`.
# Other tools install from it too:
#     conda-lock install --name NAME THIS-FILE
#     micromamba create --name NAME --file THIS-FILE
"""
_OURS = "envbuild-"
_TOOL = "envbuild-tool/"
_TEXTS = ("definition-hash", "index-url", "solver", "pip-resolver", "exclude-newer")


def write_conda_lock(lock: Lock) -> str:
    """Return `lock` as the text of a conda-lock.yml; `read_conda_lock` gives back `per_platform(lock)`.

    Raises:
        LockError: a conda package has no MD5, or a pip package no URL, which the format demands.
        PlanError: a distribution has no file for one of the platforms.
    """
    whole = per_platform(lock)
    _check_writable(whole)
    entries = [(one.name, one.platform, one) for one in whole.conda]
    pip = [(one.name, platform, one) for one in whole.pip for platform in one.platforms or whole.platforms]
    lines = [
        *_metadata(whole, _custom(whole, pip)),
        "package:" if entries or pip else "package: []",
        *(line for _, _, one in sorted(entries, key=lambda one: one[:2]) for line in _conda_entry(one)),
        *(line for _, platform, one in sorted(pip, key=lambda one: one[:2]) for line in _pip_entry(one, platform)),
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _check_writable(lock: Lock) -> None:
    problems = [
        Problem(message=f"{one.name} {one.version} ({one.platform}) has no MD5, which conda-lock.yml needs")
        for one in lock.conda
        if not one.md5
    ]
    problems += [
        Problem(message=f"{one.name} {one.version} has no URL, which conda-lock.yml needs", hint="run envbuild lock")
        for one in lock.pip
        if any(not file.url and not file.path for file in one.files) or not pip_has_place(one)
    ]
    if problems:
        raise LockError(problems)


def pip_has_place(package: PipPackage) -> bool:
    """Tell whether `package` says where it is installed from."""
    return bool(package.vcs or package.directory or next(package.files, None))


def _metadata(lock: Lock, custom: Mapping[str, str]) -> Iterator[str]:
    yield "version: 1"
    yield "metadata:"
    yield from _mapping("content_hash", dict(lock.conda_content_hash))
    yield "  channels:" if lock.channels else "  channels: []"
    for channel in lock.channels:
        yield f"  - url: {scalar(channel)}"
        yield "    used_env_vars: []"
    yield from _sequence("platforms", lock.platforms)
    yield from _sequence("sources", tuple(one.path for one in lock.sources))
    hashed = [one for one in lock.sources if one.sha256]
    if hashed:
        yield "  inputs_metadata:"
    for one in hashed:
        yield f"    {scalar(one.path)}:"
        yield "      md5: ''"
        yield f"      sha256: {scalar(one.sha256)}"
    if custom:
        yield from _mapping("custom_metadata", custom)


def _mapping(name: str, pairs: Mapping[str, str]) -> Iterator[str]:
    yield f"  {name}:" if pairs else f"  {name}: {{}}"
    yield from (f"    {scalar(key)}: {scalar(one)}" for key, one in pairs.items())


def _sequence(name: str, items: tuple[str, ...]) -> Iterator[str]:
    yield f"  {name}:" if items else f"  {name}: []"
    yield from (f"  - {scalar(one)}" for one in items)


def _custom(lock: Lock, pip: list[tuple[str, str, PipPackage]]) -> dict[str, str]:
    facts = to_facts(lock)
    tools = facts.pop("tools", [])
    custom = {_OURS + key: one if isinstance(one, str) else _json(one) for key, one in facts.items()}
    if isinstance(tools, list):
        custom |= {_TOOL + one["name"]: _json(one) for one in tools}
    separate: dict[str, dict[str, object]] = {}
    for conda in lock.conda:
        _add(separate, _conda_key(conda), conda.platform, conda_entries.separate_facts(conda, lock.channels))
    for _, platform, package in pip:
        _add(separate, _pip_key(package), platform, pip_entries.separate_facts(package, lock.index_url))
    return custom | {key: _json(separate[key]) for key in sorted(separate) if separate[key] or "@" in key}


def _add(separate: dict[str, dict[str, object]], key: str, platform: str, facts: dict[str, object]) -> None:
    # one file may serve several platforms: its facts stand there once unless they differ
    if separate.setdefault(key, facts) != facts:
        separate[f"{key}@{platform}"] = facts


def _conda_key(package: CondaPackage) -> str:
    _, subdir, filename = conda_entries.place(package.url)
    return f"conda/{subdir}/{filename}"


def _pip_key(package: PipPackage) -> str:
    file = next(package.files, None)
    return f"pip/{url_filename(file.url or file.path)}" if file else f"pip/{package.name}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _conda_entry(package: CondaPackage) -> Iterator[str]:
    yield from _head(package.name, package.version, "conda", package.platform)
    yield from _dependencies(conda_entries.dependency_map(package.depends))
    yield f"  url: {scalar(package.url)}"
    yield from _hash({"md5": package.md5, "sha256": package.sha256})
    yield "  category: main"
    yield "  optional: false"


def _pip_entry(package: PipPackage, platform: str) -> Iterator[str]:
    url = scalar(pip_entries.entry_url(package))
    yield from _head(package.name, package.version, "pip", platform)
    yield from _dependencies(dict.fromkeys(package.dependencies, ""))
    yield f"  url: {url}"
    yield from _hash(pip_entries.entry_hashes(package))
    if pip_entries.is_direct(package):
        yield "  source:"
        yield "    type: url"
        yield f"    url: {scalar(pip_entries.source_url(package))}"
    yield "  category: main"
    yield "  optional: false"


def _head(name: str, version: str, manager: str, platform: str) -> Iterator[str]:
    yield f"- name: {scalar(name)}"
    yield f"  version: {scalar(version)}"
    yield f"  manager: {manager}"
    yield f"  platform: {scalar(platform)}"


def _dependencies(dependencies: Mapping[str, str]) -> Iterator[str]:
    yield "  dependencies:" if dependencies else "  dependencies: {}"
    yield from (f"    {scalar(name)}: {scalar(rest)}" for name, rest in dependencies.items())


def _hash(digests: Mapping[str, str]) -> Iterator[str]:
    known = {name: one for name, one in digests.items() if one}
    yield "  hash:" if known else "  hash: {}"
    yield from (f"    {name}: {scalar(one)}" for name, one in known.items())


def read_conda_lock(text: str, file: str) -> Lock:
    """Return the lock that the text of a conda-lock.yml (version 1, by any tool) means; `file` is for messages.

    The packages of all categories are in it.

    Raises:
        LockError: it is not such a file; every problem is named with its line and key.
    """
    root = load(text, file)
    if root.text("version") != "1":
        root.wrong(
            "version", f"{root.text('version')[:20]!r} is not a version of conda-lock's format that envbuild knows (1)"
        )
        root.notes.check()
    lock = _read(root)
    root.notes.check()
    return canonical(lock)


def _read(root: Table) -> Lock:
    metadata = root.table("metadata")
    custom = metadata.table("custom_metadata")
    facts = read_facts(_facts_table(custom))
    channels = tuple(_channel(one) for one in _channels(metadata))
    conda, pip = _packages(root, custom, channels, facts["index_url"])
    platforms = metadata.texts("platforms") or tuple(sorted({one.platform for one in conda}))
    ours = bool(facts["definition_hash"])
    facts["python"] = facts["python"] or conda_entries.python_of(conda)
    return Lock(
        **facts,
        platforms=platforms,
        channels=channels,
        conda=conda,
        pip=fold(pip, platforms),
        conda_content_hash=metadata.pairs("content_hash"),
        sources=_sources(metadata),
        created_by="envbuild" if ours else "conda-lock",
    )


def _facts_table(custom: Table) -> Table:
    data: dict[str, object] = {}
    tools = []
    for key in custom.data:
        if key.startswith(_TOOL):
            tools.append(_from_json(custom, key))
        elif key.startswith(_OURS):
            name = key.removeprefix(_OURS)
            data[name] = custom.text(key) if name in _TEXTS else _from_json(custom, key)
    return Table({**data, "tools": tools} if tools else data, custom.path, custom.notes)


def _from_json(custom: Table, key: str) -> object:
    try:
        return json.loads(custom.text(key))
    except (ValueError, RecursionError):
        custom.wrong(key, "is not JSON")
        return None


def _channels(metadata: Table) -> list[Table]:
    found = metadata.data.get("channels")
    if isinstance(found, list):
        named = [{"url": one} if isinstance(one, str) else one for one in found]
        return Table({"channels": named}, metadata.path, metadata.notes).tables("channels")
    return metadata.tables("channels")


def _channel(table: Table) -> str:
    return without_credentials(table.text("url", required=True))


def _sources(metadata: Table) -> tuple[Source, ...]:
    inputs = metadata.table("inputs_metadata")
    paths = dict.fromkeys((*metadata.texts("sources"), *inputs.data))
    return tuple(Source(path=one, sha256=checks.digest(inputs.table(one), "sha256")) for one in paths)


def _packages(
    root: Table, custom: Table, channels: tuple[str, ...], index_url: str
) -> tuple[tuple[CondaPackage, ...], list[PipPackage]]:
    conda: dict[tuple[str, str], CondaPackage] = {}
    pip: dict[tuple[str, str], PipPackage] = {}
    for entry in root.tables("package"):
        manager = entry.text("manager", required=True)
        if str(entry.data.get("name")).startswith("__"):
            continue  # a virtual package: the machine's, nothing to install
        if manager == "conda":
            package = conda_entries.read_conda(entry, _separate(entry, custom, "conda"), channels)
            _keep(conda, (package.name, package.platform), package, entry)
        elif manager in ("pip", "pypi"):
            distribution = pip_entries.read_pip(entry, _separate(entry, custom, "pip"), index_url)
            _keep(pip, (distribution.name, distribution.platforms[0]), distribution, entry)
        elif manager:
            entry.wrong("manager", f"{manager[:40]!r} is not conda or pip")
    return tuple(conda.values()), list(pip.values())


def _keep(
    found: dict[tuple[str, str], CondaPackage] | dict[tuple[str, str], PipPackage],
    key: tuple[str, str],
    package: object,
    entry: Table,
) -> None:
    # an entry is there once for each category that asks for it
    if found.setdefault(key, package) != package:  # type: ignore[arg-type]
        entry.wrong("name", f"{key[0]} is there twice for {key[1]}, and not the same")


def _separate(entry: Table, custom: Table, manager: str) -> Table:
    url = entry.text("url")
    _, subdir, filename = conda_entries.place(url)
    key = f"conda/{subdir}/{filename}" if manager == "conda" else _pip_file_key(entry, url, custom)
    for name in (f"{key}@{entry.text('platform')}", key):
        if name in custom.data:
            return as_table(_from_json(custom, name), (*custom.path, name), custom.notes)
    return Table({}, custom.path, custom.notes)


def _pip_file_key(entry: Table, url: str, custom: Table) -> str:
    name = f"pip/{url_filename(url.removeprefix('file:'))}"
    return name if name in custom.data else f"pip/{entry.text('name')}"
