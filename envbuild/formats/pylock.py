"""pylock.toml (PEP 751): read from any tool, written so that pip, uv and PDM install from it. Ours is in `[tool.envbuild]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from envbuild.core.definition import Source
from envbuild.core.errors import LockError, PlanError, Problem
from envbuild.core.lock import Lock, LockedPython, PipPackage
from envbuild.core.names import is_shallow
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import choose, marker_environment
from envbuild.formats import checks
from envbuild.formats.canonical import canonical
from envbuild.formats.facts import read_facts, to_facts
from envbuild.formats.fields import Table
from envbuild.formats.pip_values import package_to_dict, read_package, set_only
from envbuild.formats.python_range import COMMON_PLATFORMS, lowest_python
from envbuild.formats.toml_text import entry, key, load, string, value


def write_pylock(lock: Lock, *, pip_part: bool = False) -> str:
    """Return `lock` as the text of a pylock.toml; `read_pylock` gives back `canonical(lock)`.

    With `pip_part` the conda packages of the lock are left out, else they are refused.

    Raises:
        LockError: there are conda packages, or a file has no place or no hash, which the format demands.
    """
    whole = canonical(lock)
    _check_writable(whole, pip_part=pip_part)
    facts = to_facts(whole)
    tools = facts.pop("tools", ())
    lines = [
        'lock-version = "1.0"',
        *entry("environments", [platform_marker(one) for one in whole.platforms if one in PLATFORMS]),
        *_requires_python(whole.python),
        'created-by = "envbuild"',
        *(() if whole.pip else ("packages = []",)),
        "",
        "[tool.envbuild]",
        *_facts(whole, facts),
        *_sources(whole.sources),
    ]
    if isinstance(tools, list):
        lines += [line for one in tools for line in _package("tool.envbuild.tools", one)]
    lines += [line for one in whole.pip for line in _package("packages", _for_others(one))]
    return "\n".join(lines) + "\n"


def _check_writable(lock: Lock, *, pip_part: bool) -> None:
    problems = []
    if lock.conda and not pip_part:
        problems.append(
            Problem(
                message=f"the lock has {len(lock.conda)} conda packages, which pylock.toml cannot hold",
                hint="write conda-lock.yml, or ask for the pip part only",
            )
        )
    for one in lock.pip:
        name = f"{one.name} {one.version}"
        if any(not file.url and not file.path for file in one.files):
            problems.append(Problem(message=f"{name} has a file without URL and path", hint="run envbuild lock"))
        if any(not file.hashes for file in one.files):
            problems.append(Problem(message=f"{name} has a file without hash", hint="run envbuild lock"))
        if not (one.vcs or one.directory or next(one.files, None)):
            problems.append(Problem(message=f"{name} has no file", hint="run envbuild lock"))
    if problems:
        raise LockError(problems)


def platform_marker(subdir: str) -> str:
    """Return the marker that is true on `subdir` only."""
    platform = PLATFORMS[subdir]
    return f"sys_platform == '{platform.sys_platform}' and platform_machine == '{platform.platform_machine}'"


def _requires_python(python: LockedPython | None) -> Iterator[str]:
    if python is not None:
        yield f'requires-python = "=={python.minor[0]}.{python.minor[1]}.*"'


def _facts(lock: Lock, facts: Mapping[str, object]) -> Iterator[str]:
    if "definition-hash" in facts:
        yield f"definition-hash = {string(lock.definition_hash)}"
    yield f"platforms = {value(lock.platforms)}"
    if lock.channels:
        yield f"channels = {value(lock.channels)}"
    for name, one in facts.items():
        if name != "definition-hash":
            yield f"{key(name)} = {value(one)}"
    if lock.conda_content_hash:
        yield f"conda-content-hash = {value(dict(lock.conda_content_hash))}"


def _sources(sources: tuple[Source, ...]) -> Iterator[str]:
    if sources:
        yield ""
        yield "[tool.envbuild.sources]"
        yield from (f"{string(one.path)} = {string(one.sha256)}" for one in sources)


def _for_others(package: PipPackage) -> dict[str, object]:
    # another tool knows markers only, so the platforms of a package are said in them as well
    data = package_to_dict(package)
    known = [one for one in package.platforms if one in PLATFORMS]
    if not known:
        return data
    places = " or ".join(f"({platform_marker(one)})" if len(known) > 1 else platform_marker(one) for one in known)
    both = f"({package.marker}) and ({places})" if package.marker else places
    ours = set_only({"platforms": list(package.platforms), "marker": package.marker})
    ordered = {"name": data.pop("name"), "version": data.pop("version", ""), "marker": both}
    return set_only({**ordered, **data, "marker": both, "tool": {"envbuild": ours}})


def _package(path: str, data: Mapping[str, object]) -> Iterator[str]:
    yield ""
    yield f"[[{path}]]"
    for name, one in data.items():
        if name == "wheels" and isinstance(one, list):
            yield "wheels = ["
            yield from (f"    {value(wheel)}," for wheel in one)
            yield "]"
        else:
            yield from entry(name, one)


def read_pylock(text: str, file: str) -> Lock:
    """Return the lock that the text of a pylock.toml (by any tool) means; `file` is for messages.

    What another tool wrote says no platforms: it is for those common ones that its markers and files allow.

    Raises:
        LockError: it is not such a file; every problem is named with its key.
    """
    root = load(text, file)
    version = root.text("lock-version", required=True)
    if version and version.partition(".")[0] != "1":
        root.wrong("lock-version", f"{version[:20]!r} is not a version of pylock.toml that envbuild knows (1.0)")
        root.notes.check()
    lock = _read(root)
    root.notes.check()
    _validate(root)
    ours = root.table("tool").table("envbuild")
    return canonical(lock if ours.has("platforms") else _with_platforms(lock, root.texts("environments")))


def _read(root: Table) -> Lock:
    ours = root.table("tool").table("envbuild")
    if not root.has("packages"):
        root.wrong("packages", "is missing")
    facts = read_facts(ours)
    facts["python"] = facts["python"] or lowest_python(checks.specifier(root))
    return Lock(
        **facts,
        platforms=ours.texts("platforms"),
        channels=ours.texts("channels"),
        pip=tuple(_read_package(one) for one in root.tables("packages")),
        conda_content_hash=ours.pairs("conda-content-hash"),
        sources=tuple(Source(path=path, sha256=digest) for path, digest in ours.pairs("sources")),
        created_by=root.text("created-by", required=True),
    )


def _read_package(table: Table) -> PipPackage:
    package = read_package(table)
    if not package.platforms:
        return package
    return replace(package, marker=checks.marker(table.table("tool").table("envbuild")))


def _validate(root: Table) -> None:
    """Hold the file against the specification as `packaging` knows it."""
    from packaging.pylock import Pylock, PylockValidationError

    if not all(map(is_shallow, root.texts("environments"))):
        raise LockError(Problem(message="is nested beyond any marker", file=root.notes.file, key="environments"))
    try:
        Pylock.from_dict(root.data)
    except RecursionError as error:
        raise LockError(Problem(message="is nested beyond any lock", file=root.notes.file)) from error
    except PylockValidationError as error:
        problem = Problem(message=error.message, file=root.notes.file, key=error.context or "")
        raise LockError(problem) from error


def _with_platforms(lock: Lock, environments: tuple[str, ...]) -> Lock:
    from packaging.markers import Marker

    markers = [Marker(one) for one in environments]
    allowed = [
        name
        for name in COMMON_PLATFORMS
        if not markers or any(one.evaluate(marker_environment(lock, PLATFORMS[name])) for one in markers)
    ]
    return replace(lock, platforms=tuple(name for name in allowed if _is_complete(lock, name)) or tuple(allowed))


def _is_complete(lock: Lock, name: str) -> bool:
    try:
        choose(lock.pip, lock, PLATFORMS[name])
    except PlanError:
        return False
    return True
