"""Passwords and tokens of environments: in one file of the user's, never in a file of an environment."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

from envbuild.core.errors import EnvbuildError
from envbuild.files import exclusive, write_atomic


def secrets_file() -> Path:
    """Return where they are kept: `envbuild/azureml-credentials.json` in the user's configuration folder (XDG)."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "envbuild" / "azureml-credentials.json"


def keep_secrets(name: str, secrets: dict[str, str], where: str) -> None:
    """Keep the secrets of environment `name`, readable by the user alone, and say that `where` has none of them."""
    if not secrets:
        return
    path = secrets_file()
    with exclusive(path.with_name(f".{path.name}.lock")):
        write_atomic(path, json.dumps({**_all(path), name: secrets}, indent=2) + "\n", mode=0o600)
    warnings.warn(
        f"{', '.join(secrets)} of environment {name}: credentials are not written to {where}; they are kept in {path}, "
        "which only you can read. `docker login` is where those of a registry belong.",
        stacklevel=3,
    )


def kept_secrets(name: str) -> dict[str, str]:
    """Return the secrets that were kept for environment `name`."""
    found = _all(secrets_file()).get(name, {})
    return {str(place): str(value) for place, value in found.items()} if isinstance(found, dict) else {}


def provide_variables(name: str) -> None:
    """Give this process the variables that stand for the passwords in the URLs of `name`, where they are not set."""
    for variable, value in kept_secrets(name).items():
        if variable.endswith("_PASSWORD"):
            os.environ.setdefault(variable, value)


def _all(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EnvbuildError(f"{path} cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}
