"""The uv side of the pip solve: one `uv pip compile` for the files, one from its cache for who asked for what."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild import programs
from envbuild.core.lock import PipPackage
from envbuild.core.platforms import PLATFORMS, Platform
from envbuild.core.progress import Progress
from envbuild.net.clean import clean_environment
from envbuild.solve.distributions import python_minor
from envbuild.solve.failures import ResolverError
from envbuild.solve.indexes import IndexAccess, default_index, is_local
from envbuild.solve.markers import environments
from envbuild.solve.options import PipConflictError, PipRequest
from envbuild.solve.requirements import Asked
from envbuild.solve.stubs import stub_folder, stub_version
from envbuild.solve.uv_output import (
    LOG,
    LOG_FILTER,
    Annotations,
    Target,
    merge,
    parse_annotations,
    parse_log,
    read_pylock,
    write_previous,
)

_AT_ONCE = 4
_FINDING = threading.Lock()
_GLIBC_MINORS = (17, 28, *range(31, 41))
"""The minors X for which uv knows a target `manylinux_2_X`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to uv. `provided` are the fixed points that are left, `built` names that may come from source."""

    request: PipRequest
    asked: Asked
    access: IndexAccess
    environ: Mapping[str, str]
    target: Platform | None
    provided: Mapping[str, str]
    built: frozenset[str]

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the answer is for; none where nothing is said of them."""
        names = (self.target.subdir,) if self.target else self.request.options.platforms
        return tuple(PLATFORMS[name] for name in names)

    @property
    def uv_target(self) -> str:
        """Uv's name of the one platform that is asked; empty where several are, or one that uv has no name for."""
        return uv_target(self.target, self.request.glibc) if self.target else ""


def resolve(
    request: PipRequest, asked: Asked, access: IndexAccess, environ: Mapping[str, str], progress: Progress
) -> tuple[PipPackage, ...]:
    """Return the packages that answer `request`: for each of its platforms, or for all at once with markers.

    Raises:
        PipConflictError: what is provided cannot be accepted.
        SolveError: nothing satisfies the requirements.
        NetworkError: an index cannot be reached.
    """
    question = Question(
        request=request,
        asked=asked,
        access=access,
        environ=clean_environment(environ),
        target=None,
        provided={name: version for name, version in request.provided.items() if stub_version(version)},
        built=asked.built,
    )
    title = f"resolving {len(asked.lines)} requirements with uv"
    if request.platforms:
        with progress.step(f"{title} for {', '.join(request.platforms)}"):
            return _one_by_one(question, request.platforms)
    with progress.step(title):
        found = _answer(question)
        return found if _has_files(found, request) else _one_by_one(question, request.options.platforms)


def _one_by_one(question: Question, platforms: Sequence[str]) -> tuple[PipPackage, ...]:
    """Answer for each of `platforms` alone, several at once."""
    from concurrent.futures import ThreadPoolExecutor

    questions = [replace(question, target=PLATFORMS[name]) for name in platforms]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(package for answer in pool.map(_answer, questions) for package in answer)


def _has_files(packages: tuple[PipPackage, ...], request: PipRequest) -> bool:
    """Tell whether each platform has a file of everything for its C library, of which a universal answer knows nothing."""
    from envbuild.core.errors import PlanError
    from envbuild.core.lock import Lock, LockedPython
    from envbuild.core.selection import choose

    platforms = request.options.platforms
    lock = Lock(
        definition_hash="",
        platforms=platforms,
        python=LockedPython(version=request.python, provider="base"),
        virtual_packages=(f"__glibc={request.glibc[0]}.{request.glibc[1]}=0",),
    )
    try:
        for name in platforms:
            choose(packages, lock, PLATFORMS[name])
    except PlanError:
        return False
    return True


def _answer(question: Question) -> tuple[PipPackage, ...]:
    with tempfile.TemporaryDirectory(prefix="envbuild-uv-") as folder:
        try:
            return _compile(question, Path(folder))
        except ResolverError as error:
            retry = question.asked.allowed & error.without_wheel - question.built
            if retry:
                return _answer(replace(question, built=question.built | retry))
            if error.stubs:
                _raise_conflict(question, error)
            raise error.explained(question.asked, question.access) from None


def _raise_conflict(question: Question, error: ResolverError) -> None:
    """Raise a PipConflictError with what pip's side would take if the provided names in `error` were free.

    Returns where it would not work either, so that what is provided is not to blame.
    """
    freed = error.stubs
    found = None
    while found is None:
        free = replace(question, provided={n: v for n, v in question.provided.items() if n not in freed})
        with tempfile.TemporaryDirectory(prefix="envbuild-uv-") as folder:
            try:
                found = _compile(free, Path(folder), graph=False)
            except ResolverError as again:
                if not again.stubs - freed:
                    return
                freed = freed | again.stubs
    versions = {one.name: one.version for one in found}
    provided = {name: question.provided[name] for name in sorted(freed) if name in question.provided}
    problems = error.problems(question.asked, question.access, provided)
    raise PipConflictError(problems, {name: versions.get(name, "") for name in provided})


def _compile(question: Question, folder: Path, *, graph: bool = True) -> tuple[PipPackage, ...]:
    _write_inputs(question, folder)
    lock = folder / "pylock.toml"
    options = question.request.options
    moving = ["--upgrade"] if options.update_all else [text for name in options.update for text in ("-P", name)]
    log = _run(question, folder, ["--format", "pylock.toml", "--generate-hashes", *moving, "-o", str(lock)])
    raw = read_pylock(lock)
    target = Target(
        python=python_minor(question.request.python),
        platforms=question.platforms,
        single=question.target is not None,
        folder=Path(question.request.folder),
    )
    annotations = _annotations(question, folder, raw, log) if graph else Annotations()
    return merge(raw, annotations, question.asked, question.access, target)


def _annotations(question: Question, folder: Path, raw: Sequence[Mapping[str, object]], log: str) -> Annotations:
    """Return who asked for what, and which index has it.

    uv's log of the resolution tells the first. Where there is more than one index to choose from, or the log is not as we know
    it, uv is asked again, from its cache, for the same answer as annotated text.
    """
    access = question.access
    from_log = parse_log(log, raw, access.default or default_index())
    if from_log is not None and not (access.extra or access.find_links or access.no_index):
        return from_log
    pins = folder / "pins.txt"
    pins.write_text("".join(_pin(one) for one in raw))
    arguments = ["--format", "requirements.txt", "--emit-index-annotation", "--no-header", "-o", str(pins)]
    try:
        _run(question, folder, [*arguments, "--offline"])
    except ResolverError:
        _run(question, folder, arguments)  # an index that forbids caching
    return parse_annotations(pins.read_text())


def _pin(package: Mapping[str, object]) -> str:
    marker = f" ; {package['marker']}" if package.get("marker") else ""
    return f"{package['name']}=={package['version']}{marker}\n" if "version" in package else ""


def _write_inputs(question: Question, folder: Path) -> None:
    request, asked = question.request, question.asked
    (folder / "requirements.in").write_text("".join(f"{one}\n" for one in asked.lines))
    (folder / "pyproject.toml").write_text(_settings(question))
    fixed = [f"{name}=={stub_version(version)}" for name, version in sorted(question.provided.items())]
    (folder / "constraints.txt").write_text("".join(f"{one}\n" for one in [*asked.constraints, *fixed]))
    if request.previous and not request.options.update_all:
        write_previous(folder / "pylock.toml", request.previous, question.target)


def _settings(question: Question) -> str:
    """Return uv's settings: a universal answer is for our Python and platforms only, and has wheels for each of them.

    Without the limit uv answers for every later Python and every system that a marker names too.
    """
    if question.uv_target:
        return ""
    minor = python_minor(question.request.python)
    limits = environments(question.platforms, minor)
    required = f"required-environments = {json.dumps(limits)}\n" if question.platforms else ""
    return f"[tool.uv]\nenvironments = {json.dumps(limits)}\n{required}"


def _run(question: Question, folder: Path, arguments: Sequence[str]) -> str:
    """Run `uv pip compile` and return its log."""
    import uv

    # it asks sysconfig, which in Python 3.11 answers None to a second thread that comes while it is being filled
    with _FINDING:
        program = uv.find_uv_bin()
    argv = [program, "pip", "compile", "requirements.in", *_arguments(question), *arguments]
    done = programs.run(argv, cwd=folder, env=_environment(question, folder), check=False)
    if done.code != 0:
        raise ResolverError("\n".join(one for one in done.stderr.splitlines() if not one.startswith(LOG)), folder)
    return done.stderr


def _arguments(question: Question) -> list[str]:
    request, access = question.request, question.access
    built = [text for name in sorted(question.built) for text in ("--no-binary", name)]
    target = question.uv_target
    return [
        *("--quiet", "--no-python-downloads", "--color", "never"),
        *("--python-version", request.python),
        *("--only-binary", ":all:", *built),
        *(("--python-platform", target) if target else ("--universal",)),
        *("-c", "constraints.txt"),
        *(("--exclude-newer", request.options.exclude_newer) if request.options.exclude_newer else ()),
        *(("--offline",) if request.options.offline else ()),
        *(("--no-index",) if access.no_index else ()),
        *(("--prerelease", "allow") if request.index.pre else ()),
        *(text for host in access.trusted_hosts for text in ("--allow-insecure-host", host)),
        *(text for name in sorted(question.provided) for text in ("--no-emit-package", name)),
        *(text for link in access.find_links if is_local(link) for text in ("--find-links", link)),
        *(("--find-links", str(stub_folder(question.provided, question.asked.extras))) if question.provided else ()),
    ]


def _environment(question: Question, folder: Path) -> dict[str, str]:
    """Return uv's environment; index URLs go in here, because anyone on the machine can read an argument list."""
    access = question.access
    environ = {**question.environ, **_no_configuration(question.environ, folder), "RUST_LOG": LOG_FILTER}
    # uv wants an interpreter to ask; where PATH has none, our own will do
    environ["PATH"] = os.pathsep.join([environ.get("PATH") or os.defpath, str(Path(sys.executable).parent)])
    links = [link for link in access.find_links if not is_local(link)]
    if access.default:
        environ["UV_DEFAULT_INDEX"] = access.default
    if access.extra:
        environ["UV_INDEX"] = " ".join(access.extra)
    if links:
        environ["UV_FIND_LINKS"] = ",".join(links)
    if "UV_KEYRING_PROVIDER" not in environ and programs.find("keyring"):
        environ["UV_KEYRING_PROVIDER"] = "subprocess"
    return environ


def _no_configuration(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Hide uv's own configuration of this machine and user, and nothing else: git's and the keyring's stay.

    `--no-config` would hide our settings in `folder` as well.
    """
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config")
    own, system = folder / "config", folder / "system"
    if not own.is_dir():
        (system / "uv").mkdir(parents=True)
        (system / "uv" / "uv.toml").touch()
        own.mkdir()
        with contextlib.suppress(OSError):  # none, or not ours to read
            for one in home.iterdir():
                if one.name != "uv":
                    (own / one.name).symlink_to(one)
    return {"XDG_CONFIG_HOME": str(own), "XDG_CONFIG_DIRS": str(system)}


def uv_target(target: Platform, glibc: tuple[int, int]) -> str:
    """Return uv's name of `target` with the newest C library that `glibc` covers; empty where uv has no name for it."""
    if target.sys_platform != "linux":
        return target.uv
    if target.platform_machine not in ("x86_64", "aarch64"):
        return ""
    fitting = [minor for minor in _GLIBC_MINORS if (2, minor) <= glibc]
    return f"{target.platform_machine}-manylinux_2_{max(fitting, default=_GLIBC_MINORS[0])}"
