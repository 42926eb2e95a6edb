from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read.azure_v2 import parse_v2

SHARED = Path(__file__).parents[4] / "shared" / "corpus" / "azureml" / "v2"
CONDA = b"channels: [conda-forge]\ndependencies: [python=3.10]\n"


def read(text, environment=""):
    return parse_v2(text, "env.yml", lambda path: {"conda.yml": CONDA, "../conda.yml": CONDA}[path], environment)


def messages(text):
    with pytest.raises(DefinitionError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", ["conda.yml", "./conda.yml", "file:conda.yml", "file:../conda.yml"])
def test_the_conda_file_is_found_however_it_is_written(path):
    assert read(f"name: a\nimage: ubuntu:22.04\nconda_file: {path}\n").python == "3.10"


def test_an_integer_version_is_a_text():
    assert read("name: a\nversion: 3\nimage: ubuntu:22.04\n").version == "3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\n", "names neither image: nor build:"),
        ("image: a\n", "has no name"),
        ("name: a\nimage: a\nbuild: {path: .}\n", "stands beside image:"),
        ("name: a\nimage: a\ndocker: {image: b}\n", "'docker' is not a key"),
        ("name: a\nimage: a\npath: .\n", "'path' is not a key"),
        ("name: a\nimage: a\nproperties: {}\n", "'properties' is not a key"),
        ("name: a\nimage: a\nos_type: windows\n", "is windows"),
        ("name: a\nbuild: {local_path: ., colour: red}\n", "'colour' is not a key"),
        ("name: a\nbuild: {path: .}\nconda_file: conda.yml\n", "stands beside build:"),
        ("name: a\nimage: a\ninference_config: {scoring_route: {port: 1, path: /}}\n", "has no liveness_route:"),
        ("name: a\nimage: '{{ registry }}/a'\n", "is a template"),
        ("name: a\nimage: $ACR_NAME.example/a\n", "is a template"),
        ("name: a\nimage: {{ registry }}/a\n", "is a template"),
        ("name: a\nconda_file: conda.yml\n", "names neither image: nor build:"),
        ("channels: [a]\ndependencies: [python]\n", "is a conda file"),
        ("command: x\nenvironment: azureml:sklearn:3\n", "azureml:sklearn:3"),
        ("command: x\nenvironment: azureml:sklearn@latest\n", "refers to a registered environment"),
        ("command: x\n", "defines no environment"),
    ],
)
def test_what_the_service_rejects_is_refused_with_a_reason(text, said):
    assert any(said in message for message in messages(text))


def test_an_environment_is_found_anywhere_in_its_parent():
    text = "jobs:\n  train:\n    component:\n      environment:\n        image: ubuntu:22.04\n"
    assert read(text).base.image == "ubuntu:22.04"


def test_deployments_that_agree_share_their_environment():
    assert read("deployments:\n- environment: {image: a}\n- environment: {image: a}\n").base.image == "a"


def test_one_of_several_environments_is_chosen_by_place_or_name():
    text = "jobs:\n  one:\n    environment: {image: a}\n  two:\n    environment: {name: second, image: b}\n"
    assert "choose one with --environment: jobs.one.environment, jobs.two.environment" in messages(text)[0]
    assert read(text, "jobs.one.environment").base.image == "a"
    assert read(text, "second").base.image == "b"


def test_expressions_of_jobs_are_no_templates():
    assert read("command: echo ${{inputs.x}}\nenvironment: {image: a}\n").base.image == "a"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
@pytest.mark.parametrize("file", sorted((SHARED / "invalid").glob("*.yml")), ids=lambda file: file.name)
def test_what_the_real_sdk_rejects_is_refused(file):
    with pytest.raises(DefinitionError):
        parse_v2(file.read_text(), file.name, lambda path: (file.parent / path).read_bytes())


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
@pytest.mark.parametrize("name", ["e1.yml", "e2.yml", "e3.yml"])
def test_what_the_real_sdk_accepts_is_understood(name):
    assert parse_v2((SHARED / name).read_text(), name, lambda path: (SHARED / path).read_bytes()).name
