"""MLflow models (a folder with `MLmodel`): the environment that comes with them, and what serving one needs besides."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from envbuild.azureml.environments.conda_lists import conda_name, pip_key
from envbuild.azureml.environments.environment import Environment
from envbuild.serving.drivers.mlflow_model import read_flavor
from envbuild.serving.requirements import DRIVERS

if TYPE_CHECKING:
    from envbuild.azureml.models.model import Model
    from envbuild.azureml.workspace import Workspace

NAME = "service-mlflow"


def mlflow_environment(workspace: Workspace, model: Model) -> Environment | None:
    """Return the environment to serve `model` in, or None where it is no MLflow model.

    It is the model's own `conda.yaml`, else its `requirements.txt`, with what the driver needs where that is missing.

    Raises:
        DefinitionError: the model's file is not understood.
    """
    files = {PurePosixPath(one.path): one for one in model.stored.tree.files}
    folder = next((path.parent for path in sorted(files) if path.name == "MLmodel"), None)
    if folder is None:
        return None

    def kept(*names: str) -> Path | None:
        found = next((files[folder / name] for name in names if folder / name in files), None)
        return workspace.core.store.path(found.sha256) if found is not None else None

    if (conda_file := kept("conda.yaml", "conda.yml")) is not None:
        made = Environment.from_conda_specification(NAME, conda_file)
    elif (requirements := kept("requirements.txt")) is not None:
        made = Environment.from_pip_requirements(NAME, requirements)
    else:
        made = Environment(NAME)
        flavor = read_flavor(_text(workspace, files[folder / "MLmodel"].sha256), "sklearn")
        version = flavor.get("sklearn_version")
        pinned = [f"scikit-learn=={version}"] if version else []
        made.python.conda_dependencies.set_pip_requirements(pinned)  # type: ignore[union-attr]
    made.environment_variables = {}
    conda = made.python.conda_dependencies
    if conda is not None:
        present = {pip_key(one)[0] for one in conda.pip_packages} | {conda_name(one) for one in conda.conda_packages}
        for one in DRIVERS["mlflow"]:
            if one not in present:
                conda.add_pip_package(one)
    return made


def _text(workspace: Workspace, digest: str) -> str:
    return workspace.core.store.path(digest).read_text(encoding="utf-8", errors="replace")
