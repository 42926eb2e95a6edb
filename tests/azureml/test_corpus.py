"""Files that Azure's SDKs and their users wrote: read, saved, and the same again."""

import json
import re
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from envbuild.azureml.core.conda_dependencies import CondaDependencies
from envbuild.azureml.core.environment import Environment
from envbuild.azureml.core.model import InferenceConfig, Model
from envbuild.azureml.core.runconfig import RunConfiguration
from envbuild.azureml.endpoints.deployment_yaml import read_deployments
from envbuild.azureml.environments.environment_yaml import asset_of, dump, load_environment
from envbuild.azureml.packaging.mlflow_models import mlflow_environment
from envbuild.azureml.runs.job import load_job
from envbuild.core.errors import DefinitionError, EnvbuildError, WorkspaceError
from tests.conftest import SHARED

pytestmark = pytest.mark.shared
SAVED = sorted((SHARED / "corpus/azureml").glob("[0-9]*"))
V2 = SHARED / "corpus/azureml/v2"
KINDS = ("v1_env/", "v2_env/", "mlflow_models/", "manifest")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(SHARED / "corpus/open.tar.xz") as archive:
        members = [one for one in archive if any(kind in one.name for kind in KINDS)]
        archive.extractall(folder, members=members, filter="data")
    return next(folder.rglob("manifest.jsonl")).parent


@cache
def entries(corpus: Path, kind: str) -> list[dict]:
    lines = (corpus / "manifest.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one.get("kind") == kind]


@pytest.mark.parametrize("folder", SAVED, ids=lambda one: one.name)
def test_a_saved_directory_is_saved_back_byte_for_byte(folder, tmp_path):
    environment = Environment.load_from_directory(folder)
    if any(one.auth_token for one in (environment.r.github_packages or [] if environment.r else [])):
        with pytest.warns(UserWarning, match="credentials are not written"):
            environment.save_to_directory(tmp_path / "e")
        written = json.loads((folder / "azureml_environment.json").read_text())
        written["r"]["githubPackages"][0]["authToken"] = None
        assert json.loads((tmp_path / "e/azureml_environment.json").read_text()) == written
        return
    environment.save_to_directory(tmp_path / "e")
    assert sorted(one.name for one in (tmp_path / "e").iterdir()) == sorted(one.name for one in folder.iterdir())
    for path in folder.iterdir():
        assert (tmp_path / "e" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("folder", SAVED, ids=lambda one: one.name)
def test_a_conda_file_of_the_sdk_is_written_as_the_sdk_does(folder):
    path = folder / "conda_dependencies.yml"
    assert CondaDependencies(path).serialize_to_string() == path.read_text()


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("folder", SAVED, ids=lambda one: one.name)
def test_a_saved_directory_is_registered_and_given_back(folder, ws):
    environment = Environment.load_from_directory(folder)
    environment.version = None
    registered = environment.register(ws)
    assert registered.version == "1"
    back = Environment.get(ws, environment.name)
    back.version = None
    assert json.loads(repr(back)) == json.loads(repr(environment))


def test_conda_files_of_v1_projects_survive(corpus):
    found = [one for one in (corpus / "v1_env").rglob("*.yml") if "conda" in one.name]
    assert found
    for path in found:
        text = path.read_bytes().decode()
        assert CondaDependencies.from_text(text, verbatim=True).serialize_to_string() == text
        again = CondaDependencies.from_text(CondaDependencies(path).serialize_to_string())
        assert again.as_dict() == CondaDependencies(path).as_dict()


def plain(path: Path) -> dict:
    content = yaml.safe_load(path.read_text())
    conda = content.get("conda_file")
    if isinstance(conda, str):
        content["conda_file"] = yaml.safe_load((path.parent / conda.removeprefix("file:")).read_text())
    content["version"] = str(content.get("version", ""))
    if build := content.get("build"):
        build["path"] = build.pop("local_path", build.get("path"))
    return {key: value for key, value in content.items() if value not in ("", None, {})}


def normal(content: dict) -> dict:
    build = content.get("build") or {}
    for key in ("path", "dockerfile_path"):
        if key in build:
            build[key] = str(Path(build[key].removeprefix("file:")))
    content["tags"] = {key: str(value) for key, value in (content.get("tags") or {}).items()}
    for key in ("description", "name"):
        content[key] = str(content.get(key, ""))
    return content


def test_every_v2_environment_is_read_or_refused_and_dumps_to_an_equal_document(corpus):
    equal, refused = [], []
    for entry in entries(corpus, "v2_env"):
        path = corpus / entry["dest"]
        if not entry["primary"]:
            continue
        try:
            asset = load_environment(path)
        except DefinitionError as error:
            refused.append(error)
            continue
        if not asset.dockerfile:
            written = yaml.safe_load(dump(asset))
            assert asset_of(written, asset.root) == asset, path
            if entry["subkind"] == "environment" and "docker" not in yaml.safe_load(path.read_text()):
                assert normal(written) == normal(plain(path)), path
        equal.append(path)
    assert len(equal) > 150
    reasons = ("is a template", "cannot be read: No such file")
    odd = [
        str(error)
        for error in refused
        if not all(any(one in str(problem) for one in reasons) for problem in error.problems)
    ]
    assert not odd


@pytest.mark.parametrize("name", ["e1.yml", "e2.yml", "e3.yml"])
def test_v2_files_of_the_sdk_dump_to_an_equal_document(name, tmp_path):
    asset = load_environment(V2 / name)
    content = yaml.safe_load(dump(asset))
    assert normal(content) == normal(plain(V2 / name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad1.yml", "keep image: or build:"),
        ("bad2.yml", "neither image: nor build:"),
        ("bad3.yml", "conda file"),
        ("bad4.yml", "has no liveness_route:"),
        ("bad5.yml", "docker"),
    ],
)
def test_what_the_sdk_refuses_is_refused_with_its_own_reason(name, reason):
    with pytest.raises(DefinitionError, match=reason):
        load_environment(V2 / "invalid" / name)


JOB_REASONS = (
    *(
        "a command job is run",
        "needs several processes",
        "asks for",
        "is not on this machine",
        "does not exist",
        "has no path",
    ),
    *(
        "there is no dataset",
        "there is no environment",
        "cannot be read",
        "has no Dockerfile",
        "is missing",
        "is not a folder",
        "is needed",
    ),
)


@pytest.mark.usefixtures("_quiet")
def test_every_job_is_read_or_refused_with_a_reason(corpus, ws):
    read, refused = [], []
    for entry in entries(corpus, "v2_env"):
        if not entry["primary"] or not entry["subkind"].startswith("inline"):
            continue
        try:
            read.append(load_job(ws, corpus / entry["dest"]))
        except (DefinitionError, WorkspaceError) as error:
            refused += error.problems
    assert not [str(one) for one in refused if not any(reason in str(one) for reason in JOB_REASONS)]
    assert len(read) > 10
    assert all(job.config.command and job.config.run_config.target in ("local", "docker") for job in read)


def test_every_run_configuration_of_v1_is_read(corpus):
    found = [corpus / one["dest"] for one in entries(corpus, "v1_env") if one["dest"].endswith(".runconfig")]
    elsewhere = [path for path in found if "ignore" in path.parts]  # its conda file lies elsewhere in its repository
    for path in elsewhere:
        with pytest.raises(DefinitionError, match=r"conda_dependencies\.yml: cannot be read"):
            RunConfiguration.load(path)
    read = [RunConfiguration.load(path) for path in found if path not in elsewhere]
    assert len(read) >= 2
    assert all(one.environment.python.conda_dependencies.has_python for one in read)
    assert {one.environment.docker.enabled for one in read} == {True}


def test_every_inference_configuration_of_v1_is_read(corpus, tmp_path):
    found = [corpus / one["dest"] for one in entries(corpus, "v1_env")]
    found = [one for one in found if one.stem.replace("_", "") == "inferenceconfig"]
    assert len(found) >= 3
    for path in found:
        content = yaml.safe_load(path.read_text())
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / path.name).write_text(path.read_text())
        (tmp_path / "deep" / content["entryScript"]).write_text("def init(): ...\ndef run(data): ...\n")
        (tmp_path / "deep" / content["condaFile"]).write_text("dependencies: [python=3.9, numpy]\n")
        config = InferenceConfig.from_file(tmp_path / "deep" / path.name)
        assert Path(config.entry_script).name == content["entryScript"]
        assert "numpy" in config.environment.python.conda_dependencies.conda_packages


WHY_NOT = (
    "is not Python",  # R's plumber
    "<",  # a placeholder that the example's script fills in
    "has a placeholder",
)


def test_every_deployment_and_endpoint_is_read_or_refused_with_a_reason(corpus):
    kinds = Counter()
    for one in entries(corpus, "v2_env"):
        if one["role"] != "parent_yaml":
            continue
        found, problems = None, ()
        try:
            found = read_deployments(corpus / one["dest"])
        except DefinitionError as error:
            problems = error.problems
        if problems and problems[0].message.startswith("is neither an endpoint nor a deployment"):
            assert not re.search("Online|Batch|online|batch", one["subkind"]), one["dest"]
            continue
        for problem in problems:
            assert problem.line, one["dest"]
            assert any(why in problem.message for why in WHY_NOT), (one["dest"], problem)
        kinds["refused" if problems else type(found).__name__] += 1
    assert kinds == {"OnlineDeployment": 28, "Endpoint": 27, "BatchDeployment": 11, "refused": 7}


def test_every_mlflow_model_brings_an_environment(corpus, ws):
    """Models whose files are no MLflow model's own, or name a template, are refused with the line."""
    made, refused = 0, []
    for one in entries(corpus, "mlflow_models"):
        if one["role"] != "MLmodel" or one["subkind"] != "model":
            continue
        model = Model.register(ws, (corpus / one["dest"]).parent, f"m{made + len(refused)}")
        try:
            environment = mlflow_environment(ws, model)
        except EnvbuildError as error:
            refused.append((one["dest"], str(error)))
            continue
        names = {
            re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in environment.python.conda_dependencies.pip_packages
        }
        assert {"cloudpickle", "joblib"} <= names, one["dest"]
        made += 1
    assert (made, refused) == (18, [])
