"""MLflow: model directories (`MLmodel`), `python_env.yaml`, and projects (`MLproject`)."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.definition import Base, Definition, Origin
from envbuild.core.errors import DefinitionError
from envbuild.read.azure_v2 import read_conda_at
from envbuild.read.findings import Findings, fatal
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, many, only_keys, text
from envbuild.read.pip_side import PipSide
from envbuild.read.python_version import is_python_version
from envbuild.read.requirements_txt import read_entry, read_lines
from envbuild.read.sources import Include, beside
from envbuild.read.text import decode
from envbuild.read.yaml_nodes import parse_yaml

_PYTHON_ENV_KEYS = ("python", "build_dependencies", "dependencies")


def parse_mlmodel(source: str, file: str, include: Include, beside_it: frozenset[str] = frozenset()) -> Definition:
    """Return the environment of a model: its conda file, else its `python_env.yaml`, else its `requirements.txt`.

    Raises:
        DefinitionError: every problem, or that the model names no environment.
    """
    findings = Findings()
    root = parse_yaml(source, file, findings)
    flavor = root.get("flavors", "python_function")
    env = flavor.get("env")
    conda = text(env.get("conda") if env.is_map else env, findings)
    python_env = text(env.get("virtualenv"), findings)
    if conda and (not python_env or conda in beside_it or python_env not in beside_it):
        found = _conda(beside(file, conda), findings, include)
    elif python_env:
        found = _python_env(beside(file, python_env), findings, include)
    elif "requirements.txt" in beside_it:
        found = _requirements(
            beside(file, "requirements.txt"), text(flavor.get("python_version"), findings), findings, include
        )
    else:
        raise fatal(
            "names no environment: flavors.python_function.env is missing",
            file=file,
            hint="save the model with its conda.yaml, or requirements.txt, beside MLmodel",
        )
    return replace(found, kind="mlflow", origin=Origin(file=file), notes=findings.close())


def parse_python_env(source: str, file: str, include: Include) -> Definition:
    """Return what a `python_env.yaml` says.

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    found = _python_env_node(parse_yaml(source, file, findings), findings, include)
    return replace(found, notes=findings.close())


def parse_mlproject(source: str, file: str, include: Include) -> Definition:
    """Return the environment of an MLflow project.

    Raises:
        DefinitionError: every problem of the file, or that it names no environment.
    """
    findings = Findings()
    root = parse_yaml(source, file, findings)
    if conda := text(root.get("conda_env"), findings):
        found = _conda(beside(file, conda), findings, include)
    elif python_env := text(root.get("python_env"), findings):
        found = _python_env(beside(file, python_env), findings, include)
    elif image := text(root.get("docker_env", "image"), findings):
        check_image(image, root.get("docker_env").origin, findings)
        found = Definition(kind="mlflow", base=Base(image=image))
    else:
        raise fatal("names no environment", file=file, hint="write conda_env:, python_env: or docker_env:")
    name = text(root.get("name"), findings)
    return replace(found, kind="mlflow", name=name or found.name, origin=Origin(file=file), notes=findings.close())


def _conda(path: str, findings: Findings, include: Include) -> Definition:
    try:
        return read_conda_at(path, findings, include)
    except DefinitionError as error:
        findings.problems.extend(error.problems)
        return Definition(kind="mlflow")


def _python_env(path: str, findings: Findings, include: Include) -> Definition:
    try:
        return _python_env_node(parse_yaml(decode(include(path), path), path, findings), findings, include)
    except DefinitionError as error:
        findings.problems.extend(error.problems)
        return Definition(kind="mlflow")


def _python_env_node(root: Node, findings: Findings, include: Include) -> Definition:
    only_keys(root, _PYTHON_ENV_KEYS, findings, what="python_env.yaml")
    side = PipSide()
    for entry in many(root.get("dependencies"), findings, "requirements"):
        read_entry(text(entry, findings), entry.origin, include, findings, side)
    if root.get("build_dependencies"):
        findings.note(
            root.get("build_dependencies").origin, "has no effect: what builds packages is not part of the environment"
        )
    python = text(root.get("python"), findings)
    if python and not is_python_version(python):
        findings.refuse(root.get("python").origin, f"{python!r} is not a version of Python", "write 3.11, or 3.11.4")
    return Definition(
        kind="mlflow",
        python=python,
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
        origin=root.origin,
    )


def _requirements(path: str, python: str, findings: Findings, include: Include) -> Definition:
    side = PipSide()
    read_lines(decode(include(path), path, pep263=True), path, include, findings, side)
    return Definition(
        kind="mlflow",
        python=python,
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
    )
