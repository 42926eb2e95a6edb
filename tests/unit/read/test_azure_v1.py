from __future__ import annotations

import json
from pathlib import Path

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read import read_definition
from envbuild.read.azure_v1 import parse_inference_config, parse_runconfig, parse_v1_environment

SHARED = Path(__file__).parents[4] / "shared" / "corpus" / "azureml"
CONDA = b"dependencies:\n- python=3.8.13\n- pip:\n  - azureml-defaults\n"


def read(data, beside_it=frozenset({"conda_dependencies.yml"})):
    files = {"conda_dependencies.yml": CONDA, "BaseDockerfile": b"FROM ubuntu:22.04\n"}
    return parse_v1_environment(json.dumps(data), "azureml_environment.json", files.__getitem__, frozenset(beside_it))


def refused(data):
    with pytest.raises(DefinitionError) as caught:
        read(data)
    return str(caught.value)


def test_a_saved_environment_is_read_with_its_conda_file():
    found = read({"name": "a", "version": "3", "docker": {"baseImage": "ubuntu:22.04"}})
    assert (found.name, found.version, found.python, found.base.image) == ("a", "3", "3.8.13", "ubuntu:22.04")
    assert [one.text for one in found.pip] == ["azureml-defaults"]


def test_the_packages_may_stand_inline():
    data = {"python": {"condaDependencies": {"dependencies": ["python=3.10", {"pip": ["x"]}]}}}
    assert read(data, ()).python == "3.10"


def test_a_base_dockerfile_beside_the_file_counts_only_where_its_key_was_removed():
    both = {"conda_dependencies.yml", "BaseDockerfile"}
    assert read({"docker": {"baseImage": None}}, both).base.dockerfile == "FROM ubuntu:22.04\n"
    assert read({"docker": {"baseImage": "a", "baseDockerfile": None}}, both).base.image == "a"
    assert read({"docker": {"baseDockerfile": "FROM a\n"}}, both).base.dockerfile == "FROM a\n"


def test_user_managed_dependencies_install_nothing():
    found = read({"python": {"userManagedDependencies": True, "interpreterPath": "/opt/python"}})
    assert (found.user_managed, found.interpreter_path, found.conda, found.pip) == (True, "/opt/python", (), ())


def test_a_reference_is_refused():
    assert "refers to a registered environment, a" in refused({"name": "a", "version": "1"})


def test_two_bases_are_refused():
    assert "baseImage and buildContext" in refused({"docker": {"baseImage": "a", "buildContext": {"location": "."}}})


def test_what_installs_nothing_is_noted():
    data = {"python": {}, "r": {"rVersion": "4"}, "spark": {"packages": [{"group": "a"}]}, "new": 1}
    assert {"new", "spark.packages", "r"} < {note.key for note in read(data).notes}


RUN = (
    "environment:\n  python:\n    condaDependenciesFile: aml_config/conda.yml\n  docker:\n    baseImage: ubuntu:22.04\n"
)


def test_a_run_configuration_names_its_conda_file_from_the_projects_folder():
    def include(path):
        if path == "../aml_config/conda.yml":
            return CONDA
        raise DefinitionError(f"{path} cannot be read")

    found = parse_runconfig(RUN, "docker.runconfig", include)
    assert (found.python, found.base.image) == ("3.8.13", "ubuntu:22.04")


def test_an_inference_configuration_may_hold_its_environment():
    text = json.dumps({"entryScript": "s.py", "environment": {"docker": {"baseImage": "a"}}})
    assert parse_inference_config(text, "i.json", {}.__getitem__).base.image == "a"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
@pytest.mark.parametrize("folder", sorted(SHARED.glob("[0-9]*")), ids=lambda folder: folder.name)
def test_what_the_real_sdk_saved_is_understood(folder):
    saved = json.loads((folder / "azureml_environment.json").read_text())
    found = read_definition(folder)
    assert found.name == saved["name"]
    assert found.base.image == (saved["docker"]["baseImage"] or "")
    assert dict(found.variables) == saved["environmentVariables"]
    assert found.user_managed == saved["python"]["userManagedDependencies"]
    assert bool(found.python) != found.user_managed
