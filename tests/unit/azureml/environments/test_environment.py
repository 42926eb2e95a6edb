"""`Environment`: its sections, the ways to make one, and the folder that it is saved to."""

import json
import warnings

import pytest

from envbuild.azureml.core.environment import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    ContainerRegistry,
    DockerBuildContext,
    Environment,
    EnvironmentReference,
    RGitHubPackage,
    RSection,
)
from envbuild.azureml.environments.secrets import secrets_file
from envbuild.core.errors import DefinitionError
from envbuild.read import read_definition

KEYS = [
    *("name", "version", "environmentVariables", "python", "docker", "spark", "databricks", "r"),
    *("inferencingStackVersion", "assetId"),
]


def saved(environment, folder):
    environment.save_to_directory(folder)
    return json.loads((folder / "azureml_environment.json").read_text())


def test_a_fresh_one_has_azures_keys_order_and_defaults(tmp_path):
    content = saved(Environment("myenv"), tmp_path / "e")
    assert list(content) == KEYS
    assert content["environmentVariables"] == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    assert list(content["docker"]) == [
        *("enabled", "baseImage", "baseDockerfile", "buildContext", "sharedVolumes", "shmSize", "arguments"),
        *("baseImageRegistry", "platform"),
    ]
    assert content["docker"]["baseImage"] == DEFAULT_CPU_IMAGE
    assert content["docker"]["shmSize"] == "2g"
    assert (
        (tmp_path / "e/azureml_environment.json").read_text().startswith('{\n    "name": "myenv",\n    "version": null')
    )


def test_the_gpu_image_has_a_tag_too():
    assert DEFAULT_GPU_IMAGE.rpartition(":")[2] == DEFAULT_CPU_IMAGE.rpartition(":")[2]


@pytest.mark.parametrize("part", ["", "docker", "python", "spark"])
def test_an_unknown_attribute_is_refused(part):
    environment = Environment("e")
    with pytest.raises(AttributeError):
        (getattr(environment, part) if part else environment).nonsense = 1


def test_a_name_is_a_text():
    with pytest.raises(TypeError):
        Environment(3)


def test_only_one_thing_is_the_base():
    environment = Environment("e")
    with pytest.warns(UserWarning, match="base_image is taken back"):
        environment.docker.base_dockerfile = "FROM ubuntu:22.04\n"
    assert environment.docker.base_image is None
    with pytest.warns(UserWarning, match="base_dockerfile is taken back"):
        environment.docker.base_image = "ubuntu:24.04"
    assert environment.docker.base_dockerfile is None


def test_a_dockerfile_may_be_a_path(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:22.04\nRUN true\n")
    environment = Environment("e")
    environment.docker.base_image = None
    environment.docker.base_dockerfile = str(tmp_path / "Dockerfile")
    assert environment.docker.base_dockerfile == "FROM ubuntu:22.04\nRUN true\n"
    with pytest.raises(DefinitionError, match="neither a Dockerfile's text"):
        environment.docker.base_dockerfile = "./absent"


def test_a_registry_may_be_a_plain_text():
    environment = Environment("e")
    environment.docker.base_image_registry = "registry.example"
    assert environment.docker.base_image_registry == ContainerRegistry("registry.example")


def test_from_conda_specification_adds_python_and_says_so(tmp_path):
    (tmp_path / "c.yml").write_text("name: x\ndependencies:\n  - numpy\n")
    with pytest.warns(UserWarning, match="No Python version"):
        environment = Environment.from_conda_specification("e", tmp_path / "c.yml")
    assert list(environment.python.conda_dependencies.conda_packages) == ["numpy", "python=3.10.18"]


def test_from_pip_requirements_has_packages_not_comments(tmp_path):
    (tmp_path / "more.txt").write_text("b>=2 # why\n")
    (tmp_path / "r.txt").write_text(
        "# c\n\na==1 \\\n  --hash=sha256:00\n-r more.txt\n./local\n--extra-index-url https://i.example\n"
    )
    environment = Environment.from_pip_requirements("e", tmp_path / "r.txt", pip_version="23.0")
    conda = environment.python.conda_dependencies
    assert list(conda.pip_packages) == ["a==1    --hash=sha256:00", "b>=2", str(tmp_path / "local")]
    assert list(conda.pip_options) == ["--extra-index-url https://i.example"]
    assert list(conda.conda_packages) == ["python=3.10.18", "pip=23.0"]


def test_requirements_that_include_themselves_are_refused(tmp_path):
    (tmp_path / "r.txt").write_text("-r r.txt\n")
    with pytest.raises(DefinitionError, match="includes itself"):
        Environment.from_pip_requirements("e", tmp_path / "r.txt")


def test_from_docker_image_without_packages_manages_its_own(tmp_path):
    (tmp_path / "r.txt").write_text("a\n")
    assert Environment.from_docker_image("e", "ubuntu:22.04").python.user_managed_dependencies
    own = Environment.from_docker_image("e", "u:1", container_registry="r.example", pip_requirements=tmp_path / "r.txt")
    assert not own.python.user_managed_dependencies
    assert own.docker.base_image_registry.address == "r.example"
    with pytest.raises(DefinitionError, match="both given"):
        Environment.from_docker_image("e", "u", conda_specification="c", pip_requirements="r")


def test_from_dockerfile_takes_text_path_and_file(tmp_path):
    text = "FROM ubuntu:22.04\n"
    (tmp_path / "D").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = [Environment.from_dockerfile("e", one) for one in (text, tmp_path / "D", (tmp_path / "D").open())]
    assert [one.docker.base_dockerfile for one in made] == [text] * 3


def test_a_clone_is_a_copy_without_version():
    one = Environment("a")
    one.version = "3"
    one.environment_variables = {"A": "1"}
    other = one.clone("b")
    other.environment_variables["A"] = "2"
    other.python.conda_dependencies.add_conda_package("x")
    assert (other.name, other.version, one.environment_variables) == ("b", None, {"A": "1"})
    assert "x" not in one.python.conda_dependencies.conda_packages
    with pytest.raises(DefinitionError):
        one.clone("")


def test_a_clone_of_a_dockerfile_environment_keeps_it():
    one = Environment.from_dockerfile("a", "FROM ubuntu:22.04\n")
    assert one.clone("b").docker.base_dockerfile == "FROM ubuntu:22.04\n"


def test_saving_and_loading_loses_nothing(tmp_path):
    one = Environment.from_dockerfile("a", "FROM ubuntu:22.04\n")
    one.environment_variables = {"B": "two words", "EMPTY": ""}
    one.docker.arguments = ["--gpus", "all"]
    one.inferencing_stack_version = "latest"
    one.save_to_directory(tmp_path / "e")
    other = Environment.load_from_directory(tmp_path / "e")
    assert other == one
    assert "baseDockerfile" not in json.loads((tmp_path / "e/azureml_environment.json").read_text())["docker"]


def test_a_folder_that_is_there_is_not_overwritten_unless_asked(tmp_path):
    Environment.from_dockerfile("a", "FROM ubuntu:22.04\n").save_to_directory(tmp_path / "e")
    with pytest.raises(FileExistsError):
        Environment("a").save_to_directory(tmp_path / "e")
    Environment("a").save_to_directory(tmp_path / "e", overwrite=True)
    assert not (tmp_path / "e/BaseDockerfile").exists()


def test_an_environment_without_python_is_not_saved(tmp_path):
    one = Environment("a")
    one.python.conda_dependencies = type(one.python.conda_dependencies).from_text("dependencies: [numpy]")
    with pytest.raises(DefinitionError, match="Python package is missing"):
        one.save_to_directory(tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_a_folder_without_the_json_has_no_environment(tmp_path):
    with pytest.raises(FileNotFoundError):
        Environment.load_from_directory(tmp_path)


def test_a_stale_dockerfile_is_not_loaded(tmp_path):
    Environment("a").save_to_directory(tmp_path / "e")
    (tmp_path / "e/BaseDockerfile").write_text("FROM other:1\n")
    assert Environment.load_from_directory(tmp_path / "e").docker.base_dockerfile is None


def test_unknown_keys_are_dropped_and_missing_ones_empty(tmp_path):
    (tmp_path / "azureml_environment.json").write_text(
        '{"name": "a", "new": 1, "docker": {"gpuSupport": true}, "python": {}}'
    )
    one = Environment.load_from_directory(tmp_path)
    assert (one.docker.base_image, one.docker.shm_size, one.environment_variables) == (None, None, {})
    assert one.python.conda_dependencies is None


def test_only_a_name_is_a_reference(tmp_path):
    (tmp_path / "azureml_environment.json").write_text('{"name": "a", "version": "2"}')
    one = Environment.load_from_directory(tmp_path)
    assert isinstance(one, EnvironmentReference)
    assert (one.name, one.version) == ("a", "2")


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "a", "docker": 3}'])
def test_a_json_that_is_no_environment_is_refused(tmp_path, text):
    (tmp_path / "azureml_environment.json").write_text(text)
    with pytest.raises(DefinitionError):
        Environment.load_from_directory(tmp_path)


def test_credentials_are_never_in_the_files_and_come_back(tmp_path):
    one = Environment("secret")
    one.docker.base_image_registry = ContainerRegistry("r.example", "me", "hunter2")
    one.r = RSection(github_packages=[RGitHubPackage("a/b", "gh-token")])
    one.python.conda_dependencies.set_pip_option("--extra-index-url https://me:pip-pass@i.example/simple")
    with pytest.warns(UserWarning, match="credentials are not written"):
        one.save_to_directory(tmp_path / "e")
    text = "".join(path.read_text() for path in (tmp_path / "e").iterdir())
    assert not any(secret in text for secret in ("hunter2", "gh-token", "pip-pass"))
    assert "hunter2" not in repr(one)
    assert secrets_file().stat().st_mode & 0o777 == 0o600
    other = Environment.load_from_directory(tmp_path / "e")
    assert other.docker.base_image_registry.password == "hunter2"
    assert other.r.github_packages[0].auth_token == "gh-token"
    assert list(other.python.conda_dependencies.pip_options) == [
        "--extra-index-url https://me:pip-pass@i.example/simple"
    ]


def test_the_reader_of_definitions_understands_what_is_saved(tmp_path):
    one = Environment("e")
    one.python.conda_dependencies.add_pip_package("requests==2.32.0")
    one.environment_variables = {"MESSAGE": "hello"}
    one.docker.arguments = ["--ulimit", "nofile=1"]
    one.save_to_directory(tmp_path / "e")
    definition = read_definition(tmp_path / "e")
    assert definition.name == "e"
    assert definition.base.image == DEFAULT_CPU_IMAGE
    assert [one.name for one in definition.pip] == ["azureml-defaults", "requests"]
    assert dict(definition.variables) == {"MESSAGE": "hello"}
    assert definition.run_arguments == ("--ulimit", "nofile=1")


def test_a_user_managed_dockerfile_is_read_as_one(tmp_path):
    one = Environment.from_dockerfile("e", "FROM ubuntu:22.04\n")
    one.python.interpreter_path = "/opt/miniconda/bin/python"
    one.save_to_directory(tmp_path / "e")
    definition = read_definition(tmp_path / "e")
    assert definition.user_managed
    assert definition.interpreter_path == "/opt/miniconda/bin/python"
    assert definition.conda == ()


def test_a_build_context_without_its_dockerfile_is_refused(tmp_path):
    with pytest.raises(DefinitionError, match="has no Dockerfile"):
        DockerBuildContext.from_local_directory(None, tmp_path)


def test_saving_works_on_the_class_as_the_documents_write_it(tmp_path):
    myenv = Environment.save_to_directory(path=tmp_path / "fresh", overwrite=False)
    assert myenv.name == "fresh"
    assert Environment.load_from_directory(path=tmp_path / "fresh") == myenv


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"name": 3}, "name"),
        ({"docker": []}, "docker"),
        ({"docker": {"buildContext": 3}}, "docker.buildContext"),
        ({"docker": {"buildContext": []}}, "docker.buildContext"),
        ({"docker": {"arguments": "x"}}, "docker.arguments"),
        ({"docker": {"enabled": "yes"}}, "docker.enabled"),
        ({"docker": {"baseImage": ["a"]}}, "docker.baseImage"),
        ({"spark": {"packages": [3]}}, "spark.packages"),
        ({"environmentVariables": []}, "environmentVariables"),
    ],
)
def test_a_value_of_another_kind_is_named_by_its_key(tmp_path, change, key):
    Environment("e").save_to_directory(tmp_path / "e")
    path = tmp_path / "e/azureml_environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DefinitionError, match=rf"{key}: .*needed"):
        Environment.load_from_directory(tmp_path / "e")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_what_cannot_name_a_dockerfile_is_none(name):
    with pytest.raises(DefinitionError, match="neither a Dockerfile's text"):
        Environment.from_dockerfile("e", name)


def test_a_reference_needs_a_text_too(tmp_path):
    (tmp_path / "azureml_environment.json").write_text('{"name": 3}')
    with pytest.raises(DefinitionError, match="name: a text is needed"):
        Environment.load_from_directory(tmp_path)


def test_a_number_is_taken_as_a_text_where_one_is_needed(tmp_path):
    Environment("e").save_to_directory(tmp_path / "e")
    path = tmp_path / "e/azureml_environment.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "version": 3, "docker": {**content["docker"], "shmSize": 64}}))
    loaded = Environment.load_from_directory(tmp_path / "e")
    assert (loaded.version, loaded.docker.shm_size) == ("3", "64")
