"""The application part of a service image: models, scoring script and our server, laid out as Azure's `Model.package` does.

/var/azureml-app/main.py                                  the entry that exposes init() and run()
/var/azureml-app/<source directory>/…                     the scoring script and what lies beside it
/var/azureml-app/azureml-models/<name>/<version>/…        the models
/var/azureml-app/model_config_map.json                    which models there are
/opt/envbuild/serving/…                                   the HTTP server
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from envbuild.core.definition import Definition, PipRequirement
from envbuild.core.errors import Problem, ServiceError
from envbuild.core.keys import sha256
from envbuild.core.plan import PREFIX, App, AppFile
from envbuild.files import sha256_of
from envbuild.serving import layout
from envbuild.serving.requirements import server_requirements

APP_ROOT = layout.APP_ROOT
MODELS_ROOT = f"{APP_ROOT}/azureml-models"
MOUNT = re.compile(r"/[^:,\s]+")
"""Any other folder of a container that models may lie in."""
SERVER_ROOT = f"{APP_ROOT}/envbuild-server"
PORT = layout.PORT

_SKIPPED_FOLDERS = {"__pycache__", ".git", ".envbuild", ".venv", ".mypy_cache", ".pytest_cache", ".ipynb_checkpoints"}

REPLACED = ("azureml-defaults", "azureml-core", "azureml-inference-server-http", "azureml-contrib-services")
"""What a definition lists for Azure's own server; ours brings its few requirements and the documented imports instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model to put into the image: its files by their path below `azureml-models/<name>/<version>/`."""

    name: str
    version: int
    files: tuple[AppFile, ...]

    @property
    def folder(self) -> str:
        """Its folder below `azureml-models`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How to score: `entry_script` is a path relative to `source_directory`, or a file on its own where that is None."""

    entry_script: Path
    source_directory: Path | None = None

    @property
    def file(self) -> Path:
        """The script on this machine."""
        return self.entry_script if self.source_directory is None else self.source_directory / self.entry_script

    @property
    def folder_name(self) -> str:
        """The name of the source directory, as `AZUREML_SOURCE_DIRECTORY` has it, or an empty text."""
        return "" if self.source_directory is None else self.source_directory.resolve().name

    @property
    def text(self) -> str:
        """The script's text, or an empty one where it cannot be read."""
        return self.file.read_text(encoding="utf-8", errors="replace") if self.file.is_file() else ""

    @property
    def in_app(self) -> str:
        """The script's path below the application's root, as `AZUREML_ENTRY_SCRIPT` has it."""
        if self.source_directory is None:
            return self.entry_script.name
        return (PurePosixPath(self.folder_name) / self.entry_script.as_posix()).as_posix()


def service_definition(definition: Definition, script: str = "", *, keep: bool = False) -> Definition:
    """Return `definition` with what our server needs: its requirements added, Azure's own server packages left out.

    `script` is the text of the scoring script, which tells whether it uses schemas. `keep` leaves Azure's packages in. A user-managed environment stays as it is: there the server runs on the standard library.
    """
    if definition.user_managed:
        return definition
    dropped = [] if keep else [one for one in definition.pip if one.name in REPLACED]
    notes = tuple(
        one.origin.problem(f"{one.text} is replaced by envbuild's server and its imports of the same names")
        for one in dropped
    )
    kept = tuple(one for one in definition.pip if one not in dropped)
    trimmed = replace(definition, pip=kept, notes=(*definition.notes, *notes))
    return trimmed.with_pip(*(_requirement(text) for text in server_requirements(script)))


def _requirement(text: str) -> PipRequirement:
    from packaging.requirements import Requirement

    parsed = Requirement(text)
    return PipRequirement(
        text=text, name=parsed.name.lower(), specifier=str(parsed.specifier), marker=str(parsed.marker or "")
    )


def service_app(
    models: Sequence[ServedModel], scoring: Scoring | None, *, framework: str = "", python: str = ""
) -> App:
    """Return the application that serves `models` with `scoring`, or, without a script, the one model by its `framework`.

    `python` is the interpreter in the image where it is not the environment's own.

    Raises:
        ServiceError: the script is missing or not one that can be served; every problem is named.
    """
    if scoring is None and (not framework or len(models) != 1):
        raise ServiceError(
            "a service without a scoring script needs exactly one model, registered with its framework",
            hint="give --entry-script, or register the model with --model-framework ScikitLearn, Onnx or TensorFlow",
        )
    if scoring is not None and scoring.in_app.split("/")[0] in ("azureml-models", "envbuild-server", "main.py"):
        raise ServiceError(
            f"{scoring.file}: the name {scoring.in_app.split('/')[0]} is taken in a service's folder", hint="rename it"
        )
    files = [*_server_files(), _config_map(models), *_placed(models)]
    folders = [(one.name, str(one.version)) for one in models]
    if scoring is not None:
        check_script(scoring.file)
        files += [_main(scoring), *_script_files(scoring)]
        variables = layout.environment(scoring.in_app, scoring.folder_name, folders)
    else:
        variables = layout.environment("", "", folders) | {"ENVBUILD_FRAMEWORK": framework}
        del variables["AZUREML_ENTRY_SCRIPT"]
    return App(
        files=tuple(sorted(files, key=lambda one: one.path)),
        command=layout.command(python or f"{PREFIX}/bin/python", SERVER_ROOT),
        variables=tuple(variables.items()),
        port=PORT,
        health="/",
        workdir=APP_ROOT,
    )


def check_script(path: Path) -> None:
    """Check that the scoring script at `path` can be served, without running it.

    Raises:
        ServiceError: it is missing, is not Python, or does not define init() and run().
    """
    name = str(path)
    if not path.is_file():
        raise ServiceError(Problem(message="the scoring script does not exist", file=name))
    if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise ServiceError(
            Problem(
                message="a scoring script is imported, so its name must be a Python name with .py",
                file=name,
                hint="for example score.py",
            )
        )
    try:
        tree = ast.parse(path.read_bytes(), filename=name)
    except SyntaxError as error:
        raise ServiceError(Problem(message=f"not Python: {error.msg}", file=name, line=error.lineno)) from error
    names, open_ended = _bound_names(tree)
    missing = [one for one in ("init", "run") if one not in names]
    if missing and not open_ended:
        raise ServiceError([Problem(message=f"the scoring script defines no {one}()", file=name) for one in missing])


def _bound_names(tree: ast.Module) -> tuple[set[str], bool]:
    """Return the names that the module binds at any level of its top statements, and whether it may bind others."""
    names: set[str] = set()
    open_ended = False
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            open_ended = open_ended or any(alias.name == "*" for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names, open_ended or "driver_module" in names


def disk_files(root: Path, base: str) -> Iterator[AppFile]:
    """Yield the files below `root` (or the file `root` itself) placed below `base` in the image, caches left out.

    Raises:
        ServiceError: a link leads out of `root`.
    """
    if root.is_file():
        yield disk_file(root, f"{base}/{root.name}")
        return
    inside = root.resolve()
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if _SKIPPED_FOLDERS.intersection(relative.parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(inside):
            raise ServiceError(Problem(message=f"is a link that leads out of {root}", file=str(path)))
        yield disk_file(path, f"{base}/{relative.as_posix()}")


def disk_file(source: Path, path: str) -> AppFile:
    """Return the file `source` placed at `path` in the image."""
    mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
    return AppFile(path=path, sha256=sha256_of(source), mode=mode, source=str(source.resolve()))


def _content(path: str, text: str) -> AppFile:
    data = text.encode()
    return AppFile(path=path, sha256=sha256(data), content=data)


def _server_files() -> Iterator[AppFile]:
    import envbuild.serving

    return disk_files(Path(envbuild.serving.__file__).parent, SERVER_ROOT)


def _placed(models: Iterable[ServedModel]) -> Iterator[AppFile]:
    for model in models:
        for file in model.files:
            yield replace(file, path=f"{MODELS_ROOT}/{model.folder}/{file.path.lstrip('/')}")


def _config_map(models: Iterable[ServedModel]) -> AppFile:
    content = {
        "accountContext": {"subscriptionId": "", "resourceGroupName": "", "accountName": "", "workspaceId": ""},
        "models": {
            one.name: {"id": f"{one.name}:{one.version}", "version": one.version, "name": one.name} for one in models
        },
        "modelsInfo": {one.name: {str(one.version): {"internalId": f"{one.name}:{one.version}"}} for one in models},
    }
    return _content(f"{APP_ROOT}/model_config_map.json", json.dumps(content, indent=2) + "\n")


def _script_files(scoring: Scoring) -> Iterator[AppFile]:
    if scoring.source_directory is None:
        yield disk_file(scoring.file, f"{APP_ROOT}/{scoring.in_app}")
    else:
        yield from disk_files(scoring.source_directory, f"{APP_ROOT}/{scoring.folder_name}")


def _main(scoring: Scoring) -> AppFile:
    return _content(f"{APP_ROOT}/main.py", layout.driver_source(scoring.in_app))
