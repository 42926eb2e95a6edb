"""Which kind of file something is: by its name where that tells, else by its content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from envbuild.read.locks import is_lock
from envbuild.read.sources import Files
from envbuild.read.text import decode

Kind = Literal[
    "azure-v1",
    "azure-v1-inference",
    "azure-v1-run",
    "azure-v2",
    "conda",
    "dockerfile",
    "lock",
    "mlmodel",
    "mlproject",
    "pipfile",
    "pixi",
    "pyproject",
    "python-env",
    "requirements",
    "setup.cfg",
    "unknown",
]

_NAMES: dict[str, Kind] = {
    "azureml_environment.json": "azure-v1",
    "MLmodel": "mlmodel",
    "MLproject": "mlproject",
    "Pipfile": "pipfile",
    "pixi.toml": "pixi",
    "setup.cfg": "setup.cfg",
    "python_env.yaml": "python-env",
}
_SUFFIXES: dict[str, Kind] = {
    "runconfig": "azure-v1-run",
    "toml": "pyproject",
    "txt": "requirements",
    "in": "requirements",
    "pip": "requirements",
    "cfg": "setup.cfg",
}
IN_FOLDER = (
    *("azureml_environment.json", "MLmodel", "environment.yml", "environment.yaml", "conda.yml", "conda.yaml"),
    *("pixi.toml", "pyproject.toml", "requirements.in", "requirements.txt", "MLproject", "Pipfile", "Dockerfile"),
)
"""What a folder is read as: the first of these that it holds."""

_DOCKERFILE = re.compile(r"(?:.*[._-])?dockerfile(?:[._-].*)?|containerfile", re.IGNORECASE)
_YAML_KEY = re.compile(r"^[\"']?([A-Za-z_$][\w$.-]*)[\"']?[ \t]*:(?:[ \t\r]|$)", re.MULTILINE)
_JSON_KEY = re.compile(r'"([A-Za-z_$]\w*)"\s*:')
_INLINE = re.compile(r"^[ \t]*(?:-[ \t]+)?environment[ \t]*:", re.MULTILINE)
_V1_RUN = re.compile(
    r"^[ \t]+(?:userManagedDependencies|condaDependenciesFile|environmentVariables|baseImage)\s*:", re.MULTILINE
)


def detect_kind(path: Path) -> Kind:
    """Return the kind of the file at `path`; `unknown` where neither name nor content tells.

    Raises:
        DefinitionError: the file cannot be read.
    """
    return kind_of(path.name, decode(Files(path.parent)(path.name), path.name, pep263=True))


def kind_of(name: str, text: str) -> Kind:
    """Return the kind of a file called `name` that holds `text`."""
    suffix = name.rpartition(".")[2].lower()
    if is_lock(name, text):
        return "lock"
    if found := _NAMES.get(name) or _SUFFIXES.get(suffix):
        return found
    if _DOCKERFILE.fullmatch(name):
        return "dockerfile"
    if suffix in ("yml", "yaml", "json"):
        return _structured(text)
    return "requirements" if "requirements" in name.lower() else "unknown"


def _structured(text: str) -> Kind:
    """Tell YAML and JSON files apart by the keys that they have."""
    keys = set((_JSON_KEY if text.lstrip().startswith("{") else _YAML_KEY).findall(text))
    for kind, some in _TELLING.items():
        if keys & some:
            return kind
    if _V1_RUN.search(text) and "environment" in keys:
        return "azure-v1-run"
    if keys & {"image", "build", "docker", "conda_file"} or "environment.schema.json" in text:
        return "azure-v2"
    if "dependencies" in keys:
        return "conda"
    return "azure-v2" if _INLINE.search(text) else "conda"


_TELLING: dict[Kind, frozenset[str]] = {
    "mlmodel": frozenset({"flavors"}),
    "mlproject": frozenset({"conda_env", "python_env", "docker_env", "entry_points"}),
    "python-env": frozenset({"build_dependencies"}),
    "azure-v1-inference": frozenset({"entryScript", "condaFile", "extraDockerfileSteps"}),
    "azure-v1": frozenset({"environmentVariables", "inferencingStackVersion"}),
}
