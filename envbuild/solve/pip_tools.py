"""The pip side with pip-tools: `pip-compile` chooses the versions, the index's own pages tell their files and hashes.

`--generate-hashes` is not used: it downloads every file of every pin to hash it, where the index already says the hash.
pip resolves for the interpreter and the machine that it runs on, so that is all that can be asked of it.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild import files, programs
from envbuild.core.errors import SolveError
from envbuild.core.lock import PipPackage
from envbuild.core.names import normalize
from envbuild.core.platforms import this_platform
from envbuild.core.progress import Progress
from envbuild.net.clean import clean_environment
from envbuild.solve.distributions import python_minor
from envbuild.solve.failures import ResolverError
from envbuild.solve.indexes import IndexAccess, is_local
from envbuild.solve.lookup import Lookup, Pins
from envbuild.solve.options import PipConflictError, PipRequest
from envbuild.solve.requirements import Asked
from envbuild.solve.stubs import stub_folder, stub_version
from envbuild.solve.uv_output import parse_annotations

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:==(\S+)| @ (\S+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    request: PipRequest
    asked: Asked
    access: IndexAccess
    environ: Mapping[str, str]
    provided: Mapping[str, str]
    built: frozenset[str]


def resolve(
    request: PipRequest, asked: Asked, access: IndexAccess, environ: Mapping[str, str], progress: Progress
) -> tuple[PipPackage, ...]:
    """Return the packages that answer `request` on this machine's platform.

    Raises:
        SolveError: nothing satisfies the requirements, or they are for what pip-tools cannot answer for.
        PipConflictError: what is provided cannot be accepted.
        NetworkError: an index cannot be reached.
    """
    _check(request)
    question = _Question(
        request=request,
        asked=asked,
        access=access,
        environ=clean_environment(environ),
        provided={name: version for name, version in request.provided.items() if stub_version(version)},
        built=asked.built,
    )
    with progress.step(f"resolving {len(asked.lines)} requirements with pip-tools"):
        pins = _answer(question)
    lookup = Lookup(request=request, asked=asked, access=access, here=this_platform().subdir)
    return lookup.packages(pins, progress)


def _check(request: PipRequest) -> None:
    here = this_platform().subdir
    asked = request.platforms or request.options.platforms
    if set(asked) - {here}:
        raise SolveError(
            f"pip-tools answers for the platform that it runs on only ({here}); {', '.join(asked)} is asked",
            hint="take the default resolver: --pip-resolver uv",
        )
    if request.index.pins:
        names = ", ".join(sorted({one.name for one in request.index.pins}))
        raise SolveError(
            f"pip-tools cannot take single packages ({names}) from an index of their own",
            hint="take the default resolver: --pip-resolver uv",
        )
    if request.options.offline:
        raise SolveError("pip-tools cannot work offline", hint="take the default resolver: --pip-resolver uv")
    problems = [
        one.origin.problem(
            f"`{one.text}`: pip-tools does not say at which commit it found version control",
            hint="take the default resolver: --pip-resolver uv",
        )
        for one in request.requirements
        if one.kind == "vcs"
    ]
    if problems:
        raise SolveError(problems)


def _answer(question: _Question) -> Pins:
    with tempfile.TemporaryDirectory(prefix="envbuild-pip-tools-") as folder:
        try:
            return _compile(question, Path(folder))
        except ResolverError as error:
            retry = question.asked.allowed & error.names - question.built
            if retry:
                return _answer(replace(question, built=question.built | retry))
            if error.stubs:
                _raise_conflict(question, error)
            raise error.explained(question.asked, question.access) from None


def _raise_conflict(question: _Question, error: ResolverError) -> None:
    """Raise a PipConflictError with what would be taken if what is provided were free; return where that fails too."""
    free = replace(question, provided={n: v for n, v in question.provided.items() if n not in error.stubs})
    with tempfile.TemporaryDirectory(prefix="envbuild-pip-tools-") as folder:
        try:
            found = _compile(free, Path(folder))
        except ResolverError:
            return
    provided = {name: question.provided[name] for name in sorted(error.stubs) if name in question.provided}
    problems = error.problems(question.asked, question.access, provided)
    raise PipConflictError(problems, {name: found.versions.get(name, "") for name in provided})


def _compile(question: _Question, folder: Path) -> Pins:
    request, asked = question.request, question.asked
    fixed = [f"{name}=={stub_version(version)}" for name, version in sorted(question.provided.items())]
    (folder / "requirements.in").write_text("".join(f"{one}\n" for one in asked.lines))
    (folder / "constraints.txt").write_text("".join(f"{one}\n" for one in [*asked.constraints, *fixed]))
    output = folder / "requirements.txt"
    if not request.options.update_all:
        kept = [one for one in request.previous if one.version and one.archive is None and one.vcs is None]
        output.write_text("".join(f"{one.name}=={one.version}\n" for one in kept))
    argv = [_interpreter(question), "-m", "piptools", "compile", "requirements.in", *_arguments(question)]
    done = programs.run(argv, cwd=folder, env=_environment(question), check=False)
    if done.code != 0:
        raise ResolverError(_said(done, asked), folder)
    return _read(output.read_text(), question.provided)


def _said(done: programs.Completed, asked: Asked) -> str:
    """Return pip's reasons without its log, its advice and the traceback that pip-tools puts behind them."""
    lines = [line.strip() for line in done.stderr.partition("Traceback (most recent")[0].splitlines()]
    lost = [line for line in lines if "Retry(total=0" in line]
    if lost:
        return f"Request failed: {lost[-1].partition('connection broken by ')[2]}"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    causes = re.search(r"The conflict is caused by:(.*?)\n\s*\n", done.stdout, re.DOTALL)

    def written(match: re.Match[str]) -> str:
        return asked.lines[int(match[1]) - 1].written

    text = "\n".join([*errors, *(causes[1].splitlines() if causes else [])]) or "pip-compile failed"
    return re.sub(r"-r requirements\.in \(line (\d+)\)", written, text)


def _read(text: str, provided: Mapping[str, str]) -> Pins:
    found = [match for line in text.splitlines() if (match := _PIN.match(line))]
    pins = {normalize(one[1]): one for one in found}
    return Pins(
        versions={name: one[2] or "" for name, one in sorted(pins.items()) if name not in provided},
        urls={name: one[3] for name, one in pins.items() if one[3]},
        annotations=parse_annotations(text),
    )


def _arguments(question: _Question) -> list[str]:
    request, options = question.request, question.request.options
    newer = ("--uploaded-prior-to", options.exclude_newer) if options.exclude_newer else ()
    links = [link for link in question.access.find_links if is_local(link)]
    if question.provided:
        links.append(str(stub_folder(question.provided, question.asked.extras)))
    return [
        *("--verbose", "--no-config", "--no-header", "--no-emit-options", "--strip-extras", "--allow-unsafe"),
        *("--annotation-style", "split", "-c", "constraints.txt", "-o", "requirements.txt"),
        *(("--pre",) if request.index.pre else ()),
        *newer,
        *(("--upgrade",) if options.update_all else ()),
        *(text for name in options.update for text in ("-P", name)),
        *(text for link in links for text in ("--find-links", link)),
    ]


def _environment(question: _Question) -> dict[str, str]:
    """Return pip's environment: its whole configuration, so that URLs with credentials are in no argument list."""
    access = question.access
    settings = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": access.default,
        "PIP_EXTRA_INDEX_URL": " ".join(access.extra),
        "PIP_FIND_LINKS": " ".join(link for link in access.find_links if not is_local(link)),
        "PIP_TRUSTED_HOST": " ".join(access.trusted_hosts),
        "PIP_NO_INDEX": "1" if access.no_index else "",
        "PIP_ONLY_BINARY": ":all:",
        "PIP_NO_BINARY": ",".join(sorted(question.built)),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    return {**question.environ, **{name: value for name, value in settings.items() if value}}


def _interpreter(question: _Question) -> str:
    """Return an interpreter of the Python asked for that has pip-tools: this one, or a virtual environment made for it."""
    import uv

    minor = python_minor(question.request.python)
    if sys.version_info[:2] == minor:
        return sys.executable
    name = f"{minor[0]}.{minor[1]}"
    wanted = [f"{one}=={importlib.metadata.version(one)}" for one in ("pip", "pip-tools")]
    place = files.cache_root() / "pip-tools" / "-".join([name, *(one.replace("==", "-") for one in wanted)])
    python = place / "bin" / "python"
    run = [uv.find_uv_bin(), "--no-config", "--no-python-downloads", "--quiet"]
    with files.exclusive(place.with_name(f"{place.name}.lock")):
        if (place / "complete").is_file():
            return str(python)
        environ = (
            {**question.environ, "UV_DEFAULT_INDEX": question.access.default}
            if question.access.default
            else question.environ
        )
        try:
            programs.run([*run, "venv", "--clear", "--python", name, str(place)], env=question.environ)
            programs.run([*run, "pip", "install", "--python", str(python), *wanted], env=environ)
        except programs.ProgramError as error:
            raise SolveError(
                f"pip-tools needs Python {name} to answer for it: {question.access.safe(str(error))}",
                hint=f"install Python {name}, or take the default resolver: --pip-resolver uv",
            ) from None
        (place / "complete").touch()
    return str(python)
