"""Environments in folders, as v1 saves them: read and written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.azureml.environments.saved import CONDA_FILE, DOCKERFILE, JSON_FILE, environment_files, environment_parts
from envbuild.azureml.environments.secrets import keep_secrets, kept_secrets
from envbuild.core.errors import DefinitionError, EnvbuildError, Problem
from envbuild.files import write_atomic

if TYPE_CHECKING:
    from envbuild.azureml.environments.environment import Environment

_SIDE = frozenset({CONDA_FILE, DOCKERFILE})


def load(path: Path) -> tuple[Any, dict[str, Any] | None]:
    """Return the JSON of the environment saved in the folder `path`, and its parts; None where it only is a reference.

    Raises:
        FileNotFoundError: the folder has no `azureml_environment.json`.
        DefinitionError: a file is not understood.
    """
    content = _json(path / JSON_FILE)
    if isinstance(content, dict) and set(content) <= {"name", "version"}:
        if not isinstance(content.get("name"), (str, type(None))):
            raise DefinitionError(Problem(message="a text is needed", file=JSON_FILE, key="name"))
        return content, None
    files = {one.name: one.read_bytes().decode("utf-8") for one in sorted(path.iterdir()) if one.name in _SIDE}
    secrets = kept_secrets(str(content.get("name"))) if isinstance(content, dict) else {}
    return content, environment_parts(content, files, secrets)


def save(environment: Environment, path: Path, *, overwrite: bool) -> None:
    """Write `environment` to the folder `path`; side files that it has not any more are removed.

    Raises:
        FileExistsError: the folder is there (unless `overwrite`).
        DefinitionError: the packages have no Python.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(17, "File exists", str(path))
    files, secrets = environment_files(environment)
    # the JSON goes last: a folder with it is complete
    for name in sorted(files, key=lambda one: one == JSON_FILE):
        write_atomic(path / name, files[name])
    for stale in _SIDE - files.keys():
        (path / stale).unlink(missing_ok=True)
    keep_secrets(str(environment.name), secrets, str(path))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise DefinitionError(Problem(message=f"is not JSON: {error}", file=str(path), line=line)) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvbuildError(f"{path} cannot be read: {error.strerror or error}") from error
