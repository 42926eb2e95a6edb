"""Models as the documents show them: registered, looked up, downloaded, packaged."""

import json
from pathlib import Path

import pytest

from envbuild.azureml.core import Environment, Model
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.core.resource_configuration import ResourceConfiguration
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from tests.azureml.test_environments import of_channel

SCORE = "import json\n\ndef init():\n    pass\n\ndef run(data):\n    return json.loads(data)\n"


@pytest.fixture
def model(ws, project):
    (project / "outputs").mkdir()
    (project / "outputs/sklearn_mnist_model.pkl").write_bytes(b"model")
    return Model.register(
        workspace=ws,
        model_path="outputs/sklearn_mnist_model.pkl",
        model_name="sklearn_mnist",
        tags={"area": "mnist"},
        description="digits",
        model_framework=Model.Framework.SCIKITLEARN,
        model_framework_version="0.19.1",
        resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
    )


@pytest.fixture
def script(project):
    (project / "src").mkdir()
    (project / "src/score.py").write_text(SCORE)
    (project / "src/beside.py").write_text("x = 1\n")
    return project / "src/score.py"


def test_a_model_is_registered_and_looked_up_in_every_way(ws, model):
    assert (model.name, model.id, model.version) == ("sklearn_mnist", "sklearn_mnist:1", 1)
    for found in (
        Model(ws, "sklearn_mnist"),
        Model(ws, name="sklearn_mnist", version=1),
        Model(ws, id="sklearn_mnist:1"),
        Model(ws, "sklearn_mnist", tags=["area"]),
        Model(ws, "sklearn_mnist", tags=[["area", "mnist"]]),
        Model(ws, "sklearn_mnist", tags={"area": "mnist"}, model_framework="ScikitLearn"),
    ):
        assert found.id == model.id
    with pytest.raises(WorkspaceError):
        Model(ws, "sklearn_mnist", tags={"area": "other"})
    with pytest.raises(WorkspaceError):
        Model(ws)


def test_it_serializes_with_azures_keys(model):
    found = model.serialize()
    assert list(found)[:6] == ["createdTime", "createdBy", "description", "id", "mimeType", "name"]
    assert found["resourceConfiguration"] == {"cpu": 1, "memoryInGB": 0.5, "gpu": None}
    assert (found["framework"], found["frameworkVersion"]) == ("ScikitLearn", "0.19.1")


def test_versions_are_listed_newest_first(ws, model, project):
    (project / "outputs/sklearn_mnist_model.pkl").write_bytes(b"better")
    second = Model.register(ws, "outputs/sklearn_mnist_model.pkl", "sklearn_mnist")
    assert [one.version for one in Model.list(ws)] == [2, 1]
    assert [one.version for one in Model.list(ws, latest=True)] == [2]
    assert [one.version for one in Model.list(ws, tags=["area"])] == [1]
    assert ws.models["sklearn_mnist"].id == second.id


def test_tags_change_and_properties_are_added(ws, model):
    model.add_tags({"stage": "prod"})
    model.remove_tags(["area"])
    model.add_properties({"rows": "10"})
    model.update(description="new")
    found = Model(ws, id=model.id)
    assert (found.tags, found.properties, found.description) == ({"stage": "prod"}, {"rows": "10"}, "new")
    with pytest.raises(WorkspaceError):
        model.add_properties({"rows": "11"})


def test_registering_the_same_again_brings_its_tags(ws, model):
    again = Model.register(ws, "outputs/sklearn_mnist_model.pkl", "sklearn_mnist", tags={"run": "2"},
        model_framework="ScikitLearn", model_framework_version="0.19.1",
        resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5))  # fmt: skip
    assert again.id == model.id
    assert again.tags == {"area": "mnist", "run": "2"}


def test_a_model_is_downloaded_and_deleted(ws, model, project):
    path = Model(ws, "sklearn_mnist").download(target_dir="there")
    assert Path(path) == Path("there/sklearn_mnist_model.pkl")
    assert Path(path).read_bytes() == b"model"
    with pytest.raises(WorkspaceError):
        model.download("there")
    assert Path(model.download("there", exist_ok=True)).is_file()
    model.delete()
    with pytest.raises(WorkspaceError):
        Model(ws, "sklearn_mnist")


def test_get_model_path_in_the_image_and_from_the_workspace(ws, model, tmp_path, monkeypatch):
    assert Path(Model.get_model_path("sklearn_mnist", 1, ws)).read_bytes() == b"model"
    assert Path(Model.get_model_path("sklearn_mnist")).read_bytes() == b"model"
    place = tmp_path / "image/azureml-models/other/3"
    place.mkdir(parents=True)
    (place / "m.bin").touch()
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path / "image"))
    assert Model.get_model_path("other") == str(place / "m.bin")


@pytest.mark.parametrize("value", [0, -1, "1", True])
def test_resources_are_numbers_above_zero(value):
    with pytest.raises(DefinitionError):
        ResourceConfiguration(cpu=value)


def test_an_inference_configuration_checks_its_script(project, script):
    config = InferenceConfig(entry_script="score.py", source_directory="src", environment=Environment("e"))
    assert config.scoring.in_app == "src/score.py"
    assert InferenceConfig(entry_script="src/score.py").scoring.in_app == "score.py"
    (project / "src/my-score.py").write_text(SCORE)
    (project / "src/class.py").write_text(SCORE)
    (project / "src/broken.py").write_text("def init(:\n")
    (project / "src/empty.py").write_text("x = 1\n")
    for name in ("absent.py", "my-score.py", "class.py", "broken.py", "empty.py", ""):
        with pytest.raises(ServiceError):
            InferenceConfig(entry_script=name, source_directory="src")
    with pytest.raises(ServiceError, match="no folder"):
        InferenceConfig(entry_script="score.py", source_directory="absent")
    with pytest.raises(DefinitionError, match="both given"):
        InferenceConfig("src/score.py", base_image="ubuntu:22.04", environment=Environment("e"))
    with pytest.raises(DefinitionError, match="runtime"):
        InferenceConfig("src/score.py", runtime="spark-py")


def test_older_arguments_make_an_environment(project, script):
    (project / "c.yml").write_text("dependencies:\n- python=3.6.2\n")
    (project / "steps").write_text("RUN echo hello\n")
    old = InferenceConfig(
        "src/score.py", runtime="python", conda_file="c.yml", extra_docker_file_steps="steps", base_image="u:1"
    )
    assert list(old.environment.python.conda_dependencies.conda_packages) == ["python=3.6.2"]
    assert old.environment.docker.base_dockerfile == "FROM u:1\nRUN echo hello\n"


def test_an_inference_configuration_is_written_and_read(project, script):
    environment = Environment("e")
    environment.python.conda_dependencies.add_pip_package("requests")
    InferenceConfig("score.py", source_directory="src", environment=environment).save("inferenceconfig.json")
    content = json.loads((project / "inferenceconfig.json").read_text())
    assert content["environment"]["python"]["condaDependencies"]["name"] == "project_environment"
    again = InferenceConfig.from_file("inferenceconfig.json")
    assert again.source_directory == str(project / "src")
    assert "requests" in again.environment.python.conda_dependencies.pip_packages
    (project / "old.json").write_text(
        json.dumps({"entryScript": "score.py", "sourceDirectory": "src", "runtime": "python"})
    )
    assert InferenceConfig.from_file("old.json").environment.name == "service"
    (project / "reference.yml").write_text("entryScript: src/score.py\nenvironment: {name: e, version: '1'}\n")
    assert InferenceConfig.from_file("reference.yml").environment.version == "1"
    (project / "bad.json").write_text("{}")
    with pytest.raises(DefinitionError, match="entryScript"):
        InferenceConfig.from_file("bad.json")
    (project / "bad.json").write_text(json.dumps({"entryScript": 3, "runtime": ["python"], "condaFile": "x" * 300}))
    with pytest.raises(DefinitionError) as odd:
        InferenceConfig.from_file("bad.json")
    assert {one.key for one in odd.value.problems} == {"entryScript", "runtime", "condaFile"}


def service_environment(channel, index):
    made = of_channel("myenv", channel, "adder", "pip", pip=["azureml-defaults"])
    made.python.conda_dependencies.set_pip_index_url(f"--index-url {index.url}")
    return made


@pytest.mark.usefixtures("script")
def test_a_package_is_saved_in_azures_layout(ws, model, service_channel, index, project):
    inference_config = InferenceConfig(
        "score.py", source_directory="src", environment=service_environment(service_channel, index)
    )
    package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
    package.wait_for_creation(show_output=True)
    assert package.state == "Succeeded"
    package.save("./imagefiles")
    files = project / "imagefiles"
    app = files / "azureml-app"
    assert (app / "src/score.py").read_text() == SCORE
    assert (app / "src/beside.py").is_file()
    assert (app / "azureml-models/sklearn_mnist/1/sklearn_mnist_model.pkl").read_bytes() == b"model"
    assert json.loads((app / "model_config_map.json").read_text())["models"]["sklearn_mnist"]["id"] == "sklearn_mnist:1"
    assert "def init():" in (app / "main.py").read_text()
    dockerfile = (files / "Dockerfile").read_text()
    for text in (
        "AZUREML_ENTRY_SCRIPT",
        "src/score.py",
        "AZUREML_MODEL_DIR",
        "azureml-models/sklearn_mnist/1",
        "EXPOSE 5001",
    ):
        assert text in dockerfile
    assert "azureml-defaults" not in "".join(
        one.read_text(errors="replace") for one in files.rglob("*lock*") if one.is_file()
    )
    assert package.serialize() == {"generateDockerfile": True, "state": "Succeeded", "location": package.location}
    assert "azureml-defaults" in package.get_logs()
    assert package.get_container_registry().address is None
    with pytest.raises(ServiceError, match="cannot be pulled"):
        package.pull()
    assert Environment.get(ws, "myenv").version == "1"


def test_a_package_that_cannot_be_made_says_why(ws, model, script, service_channel, index):
    environment = service_environment(service_channel, index)
    environment.python.conda_dependencies.add_conda_package("absent-package")
    package = Model.package(
        ws, [model], InferenceConfig("src/score.py", environment=environment), generate_dockerfile=True
    )
    with pytest.raises(ServiceError, match="absent-package"):
        package.wait_for_creation()
    assert package.state == "Failed"


def test_without_a_script_one_model_of_a_framework_is_needed(ws, model, project):
    (project / "other.bin").touch()
    plain = Model.register(ws, "other.bin", "plain")
    for models in ([plain], [model, model], []):
        with pytest.raises(ServiceError, match="without an inference configuration"):
            Model.package(ws, models)


def test_without_a_script_the_environment_has_the_framework_in_its_version(ws, model):
    from envbuild.azureml.packaging.package import service_environment

    stored, driver = service_environment(ws, [model], None)
    conda = Environment.get(ws, stored.name).python.conda_dependencies
    assert driver == "scikit-learn"
    assert list(conda.pip_packages) == ["scikit-learn==0.19.1", "joblib", "numpy", "pandas"]


MLFLOW = "artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n    sklearn_version: 1.0.2\n"
CONDA = "channels: [conda-forge]\ndependencies:\n- python=3.10.4\n- scikit-learn=1.0.2\n- pip\n- pip: [mlflow, pandas==1.4.2]\n"


@pytest.mark.parametrize(
    ("beside", "python", "packages"),
    [
        ({"conda.yaml": CONDA}, "3.10.4", ["mlflow", "pandas==1.4.2", "cloudpickle", "joblib", "numpy"]),
        (
            {"requirements.txt": "mlflow==2.1\nscikit-learn==1.0.2\n"},
            None,
            ["mlflow==2.1", "scikit-learn==1.0.2", "cloudpickle", "joblib", "numpy", "pandas"],
        ),
        ({}, None, ["scikit-learn==1.0.2", "cloudpickle", "joblib", "numpy", "pandas"]),
    ],
)
def test_a_mlflow_model_brings_its_environment(ws, project, beside, python, packages):
    from envbuild.azureml.packaging.package import service_environment

    (project / "saved").mkdir()
    for name, text in {"MLmodel": MLFLOW, "model.pkl": "p", **beside}.items():
        (project / "saved" / name).write_text(text)
    stored, driver = service_environment(ws, [Model.register(ws, "saved", "flow")], None)
    conda = Environment.get(ws, stored.name).python.conda_dependencies
    assert driver == "mlflow"
    assert list(conda.pip_packages) == packages
    assert python is None or f"python={python}" in conda.conda_packages


def test_a_service_has_several_models_below_one_folder(ws, project):
    for name in ("first", "second"):
        (project / f"{name}.txt").write_text(name)
    (project / "score.py").write_text(
        "import os\nfrom pathlib import Path\n\n\ndef init():\n    pass\n\n\ndef run(data):\n"
        "    root = Path(os.environ['AZUREML_MODEL_DIR'])\n"
        "    return {one.relative_to(root).as_posix(): one.read_text() for one in root.rglob('*.txt')}\n"
    )
    own = Environment("own")
    own.python.user_managed_dependencies = True
    models = [Model.register(ws, f"{name}.txt", name) for name in ("first", "second")]
    service = Model.deploy(ws, "several", models, InferenceConfig("score.py", environment=own))
    try:
        service.wait_for_deployment()
        assert service.run("{}") == {"first/1/first.txt": "first", "second/1/second.txt": "second"}
    finally:
        service.delete()
