"""The uv side of the pip solve: one `uv pip compile` for the files, one from its cache for who asked for what."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import FileError
from envbuild.core.lock import PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.progress import Progress
from envbuild.net.clean import clean_environment
from envbuild.solve.distributions import python_minor
from envbuild.solve.failures import ResolverError
from envbuild.solve.indexes import IndexAccess, default_index, uv_options, uv_variables
from envbuild.solve.markers import environments
from envbuild.solve.options import PipRequest
from envbuild.solve.requirements import Asked
from envbuild.solve.stubs import stub_folder, stub_version
from envbuild.solve.uv_output import (
    LOG_FILTER,
    Annotations,
    Target,
    merge,
    parse_annotations,
    parse_log,
    read_pylock,
    without_log,
    write_previous,
)
from envbuild.solve.uv_pins import has_own_indexes, own_indexes, with_strayed
from envbuild.solve.uv_question import Question

_AT_ONCE = 4
_FINDING = threading.Lock()
_WIDTH = "10000"
"""What uv takes for the width of the terminal, so that it breaks no line of an explanation."""
_LOOKUPS = {"RES_OPTIONS": "timeout:1 attempts:5"}
"""resolv.conf(5): uv asks for many hosts at once, and where one question is lost the C library waits 5 seconds to ask again."""


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
        environ={**_LOOKUPS, **clean_environment(environ)},
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
    try:
        return _attempt(question)
    except ResolverError as error:
        retry = question.asked.allowed & error.without_wheel - question.built
        if retry:
            return _answer(replace(question, built=question.built | retry))
        from envbuild.solve.uv_failure import raise_failure

        raise_failure(question, error, _attempt)


def _attempt(question: Question) -> tuple[PipPackage, ...]:
    with tempfile.TemporaryDirectory(prefix="envbuild-uv-") as folder:
        found = _compile(question, Path(folder))
    again = with_strayed(question, found)
    return _attempt(again) if again else found


def _compile(question: Question, folder: Path) -> tuple[PipPackage, ...]:
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
    annotations = _annotations(question, folder, raw, log) if question.graph else Annotations()
    return merge(raw, annotations, question.asked, question.access, target)


def _annotations(question: Question, folder: Path, raw: Sequence[Mapping[str, object]], log: str) -> Annotations:
    """Return who asked for what, and which index has it.

    uv's log of the resolution tells the first. Where there is more than one index to choose from, or the log is not as we know
    it, uv is asked again, from its cache, for the same answer as annotated text.
    """
    access = question.access
    from_log = parse_log(log, raw, access.default or default_index())
    if from_log is not None and not (access.extra or access.pins or access.find_links or access.no_index):
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
    (folder / "excludes.txt").write_text("".join(f"{name}\n" for name in sorted(question.excluded)))
    fixed = [f"{name}=={stub_version(version)}" for name, version in sorted(question.provided.items())]
    (folder / "constraints.txt").write_text("".join(f"{one}\n" for one in [*asked.constraints, *fixed]))
    if request.previous and not request.options.update_all:
        write_previous(folder / "pylock.toml", request.previous, question.target)


def _settings(question: Question) -> str:
    """Return uv's settings: a universal answer is for our Python and platforms only, and has wheels for each of them.

    Without the limit uv answers for every later Python and every system that a marker names too.
    """
    if question.uv_target:
        return own_indexes(question)
    minor = python_minor(question.request.python)
    limits = environments(question.platforms, minor)
    required = f"required-environments = {json.dumps(limits)}\n" if question.platforms else ""
    return f"[tool.uv]\nenvironments = {json.dumps(limits)}\n{required}{own_indexes(question)}"


def _run(question: Question, folder: Path, arguments: Sequence[str]) -> str:
    """Run `uv pip compile` and return its log."""
    import uv

    # it asks sysconfig, which in Python 3.11 answers None to a second thread that comes while it is being filled
    with _FINDING:
        program = uv.find_uv_bin()
    project = ["pyproject.toml"] if has_own_indexes(question) else []
    argv = [program, "pip", "compile", "requirements.in", *project, *_arguments(question), *arguments]
    done = programs.run(argv, cwd=folder, env=_environment(question, folder), check=False)
    if "Failed to initialize cache" in done.stderr:
        raise FileError(f"uv cannot write its cache: {done.stderr.strip()}", hint="UV_CACHE_DIR names another folder")
    if done.code != 0:
        raise ResolverError(without_log(done.stderr), folder)
    return done.stderr


def _arguments(question: Question) -> list[str]:
    request, access = question.request, question.access
    built = [text for name in sorted(question.built) for text in ("--no-binary", name)]
    target = question.uv_target
    return [
        *("--quiet", "--no-python-downloads", "--color", "never"),
        *("--python-version", request.python),
        # wheels are chosen by tags and metadata alone: any interpreter will do, and ours need not be searched for
        *(("--python", sys.executable) if not question.built and sys.executable else ()),
        *("--only-binary", ":all:", *built),
        *(("--python-platform", target) if target else ("--universal",)),
        *("-c", "constraints.txt"),
        *(("--excludes", "excludes.txt") if question.excluded else ()),
        *(("--exclude-newer", request.options.exclude_newer) if request.options.exclude_newer else ()),
        *(("--offline",) if request.options.offline else ()),
        *uv_options(access),
        *(("--prerelease", "allow") if request.index.pre else ()),
        *(text for name in sorted(question.provided) for text in ("--no-emit-package", name)),
        *(("--find-links", str(stub_folder(question.provided, question.asked.extras))) if question.provided else ()),
    ]


def _environment(question: Question, folder: Path) -> dict[str, str]:
    environ = {
        **question.environ,
        **uv_variables(question.access),
        **_no_configuration(question.environ, folder),
        "RUST_LOG": LOG_FILTER,
        "COLUMNS": _WIDTH,
    }
    # uv wants an interpreter to ask; where PATH has none, our own will do
    environ["PATH"] = os.pathsep.join([environ.get("PATH") or os.defpath, str(Path(sys.executable).parent)])
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
