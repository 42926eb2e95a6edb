"""From a path to a definition: the edge of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from envbuild.core.definition import Base, Definition, Origin
from envbuild.core.errors import DefinitionError, Problem
from envbuild.read.base_notes import note_base_packages
from envbuild.read.findings import fatal
from envbuild.read.kinds import IN_FOLDER, Kind, kind_of
from envbuild.read.sources import Files
from envbuild.read.text import decode

Parser = Callable[[str, str, Files, str], Definition]
"""Text, file name, access to further files, and the name of the chosen environment."""


def read_definition(path: Path, *, environment: str = "") -> Definition:
    """Return the definition in the file or folder `path`; `environment` chooses among several in one file.

    `sources` of the result names every file that was read, relative to the definition's folder, with its SHA-256; the
    `content_hash` of a local build context covers its files, and is empty, with a note, where there is no such folder.

    Raises:
        DefinitionError: every problem that was found, each with its file and line or key.
    """
    place = _in_folder(path) if path.is_dir() else path
    files = Files(place.parent)
    text = decode(files(place.name), place.name, pep263=place.suffix in (".txt", ".in"))
    kind = kind_of(place.name, text)
    try:
        found = _PARSERS[kind](text, place.name, files, environment)
    except DefinitionError as error:
        raise DefinitionError([_named_by(one, place.name) for one in error.problems]) from error
    if environment and kind not in _WITH_ENVIRONMENTS and environment != found.name:
        raise fatal(
            f"has no environment {environment!r}",
            file=place.name,
            hint="it defines one environment; leave the name out",
        )
    found = _hash_context(found, files)
    if any(one.kind in ("path", "editable", "url") for one in found.pip):
        from envbuild.read.folders import with_folders

        found = with_folders(found, files)
    notes = (*found.notes, *note_base_packages(found, place.parent))
    return replace(found, sources=files.sources, notes=notes)


def _named_by(problem: Problem, file: str) -> Problem:
    """Return the problem of a file that `file` leads to with a hint at the latter."""
    of_another = problem.file and problem.file != file and problem.line is None and not problem.hint
    return replace(problem, hint=f"{file} names it") if of_another else problem


def parse_included(content: bytes, url: str) -> Definition:
    """Return what the requirements file at `url`, whose bytes are `content`, says; its options have no effect.

    Where packages come from is for the definition itself to say, not for a file that somebody else may change.

    Raises:
        DefinitionError: every problem of the file.
    """
    from envbuild.read.requirements_txt import parse_requirements

    def nothing_beside(path: str, /) -> bytes:
        raise fatal("is not beside the definition", file=path)

    return parse_requirements(decode(content, url, pep263=True), url, nothing_beside)


def _in_folder(folder: Path) -> Path:
    names = [name for name in IN_FOLDER if (folder / name).is_file()]
    if not names:
        raise fatal("holds no definition", file=".", hint=f"one of {', '.join(IN_FOLDER)}")
    return folder / names[0]


def _hash_context(found: Definition, files: Files) -> Definition:
    context = found.base.context
    if context is None or "://" in context.path or context.path.startswith("git@"):
        return found
    missing = files.missing_in_context(context.path, context.dockerfile_path)
    if missing:
        # to read is not to build: what is missing is said here, and refused when the image is made
        return replace(found, notes=(*found.notes, found.origin.problem(f"the build context {context.path} {missing}")))
    content_hash = files.folder_hash(context.path)
    return replace(found, base=replace(found.base, context=replace(context, content_hash=content_hash)))


def _conda(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.conda_env import parse_conda

    return parse_conda(text, file, files)


def _requirements(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.requirements_txt import parse_requirements

    return parse_requirements(text, file, files)


def _pyproject(text: str, file: str, files: Files, environment: str) -> Definition:
    from envbuild.read.pyproject import parse_pyproject

    return parse_pyproject(text, file, files, environment)


def _pixi(text: str, file: str, files: Files, environment: str) -> Definition:
    from envbuild.read.pyproject import parse_pixi

    return parse_pixi(text, file, files, environment)


def _pipfile(text: str, file: str, _files: Files, _environment: str) -> Definition:
    from envbuild.read.pipfile import parse_pipfile

    return parse_pipfile(text, file)


def _setup_cfg(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.setup_cfg import parse_setup_cfg

    return parse_setup_cfg(text, file, files)


def _v1(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.azure_v1 import parse_v1_environment

    return parse_v1_environment(text, file, files, files.names())


def _v1_run(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.azure_v1 import parse_runconfig

    return parse_runconfig(text, file, files)


def _v1_inference(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.azure_v1 import parse_inference_config

    return parse_inference_config(text, file, files)


def _v2(text: str, file: str, files: Files, environment: str) -> Definition:
    from envbuild.read.azure_v2 import parse_v2

    return parse_v2(text, file, files, environment)


def _mlmodel(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.mlflow import parse_mlmodel

    return parse_mlmodel(text, file, files, files.names())


def _mlproject(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.mlflow import parse_mlproject

    return parse_mlproject(text, file, files)


def _python_env(text: str, file: str, files: Files, _environment: str) -> Definition:
    from envbuild.read.mlflow import parse_python_env

    return parse_python_env(text, file, files)


def _dockerfile(text: str, file: str, _files: Files, _environment: str) -> Definition:
    from envbuild.core.definition import BuildContext

    if not any(line.strip().upper().startswith("FROM ") for line in text.splitlines()):
        raise fatal("has no FROM: it is not a Dockerfile", file=file)
    # a Dockerfile beside other files may copy them: its folder is the context
    return Definition(
        kind="dockerfile", base=Base(context=BuildContext(path=".", dockerfile_path=file)), origin=Origin(file=file)
    )


def _lock(_text: str, file: str, _files: Files, _environment: str) -> Definition:
    from envbuild.read.locks import lock_error

    raise lock_error(file)


def _unknown(_text: str, file: str, _files: Files, _environment: str) -> Definition:
    hint = "environment.yml, requirements.txt, pyproject.toml, pixi.toml, Pipfile, Azure's v1 and v2 files, MLmodel, Dockerfile"
    raise fatal("is not a kind of file that defines an environment", file=file, hint=hint)


_PARSERS: dict[Kind, Parser] = {
    "azure-v1": _v1,
    "azure-v1-inference": _v1_inference,
    "azure-v1-run": _v1_run,
    "azure-v2": _v2,
    "conda": _conda,
    "dockerfile": _dockerfile,
    "lock": _lock,
    "mlmodel": _mlmodel,
    "mlproject": _mlproject,
    "pipfile": _pipfile,
    "pixi": _pixi,
    "pyproject": _pyproject,
    "python-env": _python_env,
    "requirements": _requirements,
    "setup.cfg": _setup_cfg,
    "unknown": _unknown,
}
_WITH_ENVIRONMENTS = frozenset({"pyproject", "pixi", "azure-v2"})
