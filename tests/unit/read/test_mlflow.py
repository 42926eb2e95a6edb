from __future__ import annotations

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read.mlflow import parse_mlmodel, parse_mlproject, parse_python_env

FILES = {
    "conda.yaml": b"dependencies:\n- python=3.8.8\n- pip\n- pip: [mlflow]\n",
    "python_env.yaml": b"python: 3.10\nbuild_dependencies: [pip==23]\ndependencies: ['-r requirements.txt']\n",
    "requirements.txt": b"mlflow==2.9\n",
}


def model(env, beside_it=FILES):
    text = f"flavors:\n  python_function:\n    env: {env}\n    python_version: 3.9.1\n"
    return parse_mlmodel(text, "MLmodel", FILES.__getitem__, frozenset(beside_it))


@pytest.mark.parametrize(
    ("env", "beside_it", "python", "pip"),
    [
        ("conda.yaml", FILES, "3.8.8", "mlflow"),
        ("{conda: conda.yaml, virtualenv: python_env.yaml}", FILES, "3.8.8", "mlflow"),
        ("{conda: gone.yaml, virtualenv: python_env.yaml}", ["python_env.yaml"], "3.10", "mlflow==2.9"),
        ("{virtualenv: python_env.yaml}", FILES, "3.10", "mlflow==2.9"),
        ("null", ["requirements.txt"], "3.9.1", "mlflow==2.9"),
    ],
)
def test_a_model_is_read_from_the_best_of_its_files(env, beside_it, python, pip):
    found = model(env, beside_it)
    assert (found.kind, found.python, [one.text for one in found.pip]) == ("mlflow", python, [pip])


def test_a_model_without_an_environment_is_refused():
    with pytest.raises(DefinitionError, match="names no environment"):
        model("null", [])


def test_what_builds_packages_is_not_installed():
    found = parse_python_env(FILES["python_env.yaml"].decode(), "python_env.yaml", FILES.__getitem__)
    assert [one.name for one in found.pip] == ["mlflow"]
    assert found.notes[0].key == "build_dependencies"


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("conda_env: conda.yaml\n", lambda found: found.python == "3.8.8"),
        ("python_env: python_env.yaml\n", lambda found: found.python == "3.10"),
        ("docker_env: {image: ubuntu:22.04}\n", lambda found: found.base.image == "ubuntu:22.04"),
    ],
)
def test_a_project_names_its_environment(text, understood):
    found = parse_mlproject(f"name: demo\n{text}", "MLproject", FILES.__getitem__)
    assert found.name == "demo"
    assert understood(found)
