"""v2 environments: read with their files, checked, registered with Azure's rules, written equal."""

import pytest
import yaml

from envbuild.azureml.core import Environment
from envbuild.azureml.environments.anonymous import anonymous_version, directory_hash
from envbuild.azureml.environments.environment_yaml import (
    EnvironmentAsset,
    asset_of,
    document,
    dump,
    load_environment,
    register,
)
from envbuild.azureml.environments.references import parse_reference
from envbuild.core.errors import DefinitionError, WorkspaceError
from envbuild.workspace.environments import ANONYMOUS, get_environment, list_environments, main_file

CONDA = {"channels": ["conda-forge"], "dependencies": ["python=3.10", {"pip": ["scikit-learn==1.4.2"]}], "name": "m"}
IMAGE = "python:3.11"


def test_the_version_of_an_image_alone_is_azures():
    expected = "cf5b091b5c0106f54f5b040169b322c104c6471fbe5f40384d2ef9b18e466112"
    assert anonymous_version(EnvironmentAsset(image=IMAGE)) == expected


def test_the_version_of_an_image_and_packages_is_azures():
    expected = "9f26d9e3b31ba1a705e84b7abcd6b1dfa66a72fb689fd6cc5adb4613c0cee80e"
    assert anonymous_version(EnvironmentAsset(image=IMAGE, conda_file=CONDA)) == expected
    other = {key: CONDA[key] for key in reversed(CONDA)}
    assert anonymous_version(EnvironmentAsset(image=IMAGE, conda_file=other)) == expected


@pytest.mark.parametrize("change", [{"name": "n"}, {"dependencies": CONDA["dependencies"][::-1]}, {"channels": []}])
def test_names_and_the_order_of_lists_count(change):
    asset = EnvironmentAsset(image=IMAGE, conda_file=CONDA)
    assert anonymous_version(EnvironmentAsset(image=IMAGE, conda_file={**CONDA, **change})) != anonymous_version(asset)


def test_what_does_not_change_the_image_does_not_count():
    plain = anonymous_version(EnvironmentAsset(image=IMAGE))
    assert anonymous_version(EnvironmentAsset(image=IMAGE, os_type="linux", tags={"a": "b"}, description="d")) == plain
    assert anonymous_version(EnvironmentAsset(image=f"{IMAGE}@sha256:{'0' * 64}")) != plain


def test_a_context_counts_by_its_names_and_contents(tmp_path):
    (tmp_path / "a/sub").mkdir(parents=True)
    (tmp_path / "a/Dockerfile").write_text("FROM x\n")
    (tmp_path / "a/sub/f").write_text("1")
    first = directory_hash(tmp_path / "a")
    (tmp_path / "a/ignored.log").write_text("x")
    assert directory_hash(tmp_path / "a") != first
    (tmp_path / "a/.gitignore").write_text("*.log\n.gitignore\n")
    assert directory_hash(tmp_path / "a") == first
    (tmp_path / "a/.amlignore").write_text(".*ignore\n")
    assert directory_hash(tmp_path / "a") != first
    asset = EnvironmentAsset(build="a", root=tmp_path)
    assert anonymous_version(asset) != anonymous_version(
        EnvironmentAsset(build="a", dockerfile_path="D", root=tmp_path)
    )


@pytest.fixture
def write(tmp_path):
    def written(text, name="env.yml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


@pytest.mark.parametrize(
    "conda_file", ["conda.yml", "file:conda.yml", "./conda.yml", "{name: m, dependencies: [python=3.10]}"]
)
def test_packages_may_be_named_or_written_in_place(write, conda_file):
    write("name: m\ndependencies: [python=3.10]\n", "conda.yml")
    asset = load_environment(write(f"name: x\nversion: 3\nimage: {IMAGE}\nconda_file: {conda_file}\n"))
    assert asset.conda_file == {"name": "m", "dependencies": ["python=3.10"]}
    assert (asset.name, asset.version, asset.image) == ("x", "3", IMAGE)


@pytest.mark.parametrize("key", ["path", "local_path"])
def test_a_context_is_a_folder_beside_the_file(write, tmp_path, key):
    (tmp_path / "ctx").mkdir()
    write("FROM x\n", "ctx/Dockerfile.alt")
    asset = load_environment(write(f"name: x\nbuild:\n  {key}: ./ctx/\n  dockerfile_path: Dockerfile.alt\n"))
    assert (asset.build, asset.dockerfile_path) == ("ctx", "Dockerfile.alt")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image: a\n", "has no name"),
        ("name: x\n", "neither image: nor build:"),
        ("name: x\nimage: a\nbuild: {path: c}\n", "one of them"),
        ("name: x\nimage: a\nproperties: {a: b}\n", "properties"),
        ("name: x\nimage: a\nos_type: plan9\n", "operating system"),
        ("name: x\nimage: a\nos_type: windows\n", "windows"),
        ("name: x\nimage: a\nconda_file: absent.yml\n", "absent.yml"),
        ("name: x\nbuild: {path: c}\nconda_file: {dependencies: [python]}\n", "needs image:"),
        ("name: x\nimage: a\ninference_config: {scoring_route: {port: 1, path: /}}\n", "liveness_route"),
        ("name: x\nimage: a\nname: y\n", "name"),
        ("channels: [a]\ndependencies: [python]\n", "conda file"),
    ],
)
def test_what_azure_refuses_is_refused_at_its_place(write, text, reason):
    with pytest.raises(DefinitionError, match=reason) as refused:
        load_environment(write(text))
    assert all(one.file for one in refused.value.problems)


def test_an_environment_inside_a_job_is_found(write):
    path = write("command: x\nenvironment:\n  image: a:1\njobs:\n  t:\n    environment: azureml:e:1\n")
    assert load_environment(path).image == "a:1"
    with pytest.raises(DefinitionError):
        load_environment(path, "absent")


def test_it_is_written_as_an_equal_document(write, tmp_path):
    (tmp_path / "deep").mkdir()
    routes = {name: {"port": 5001, "path": "/"} for name in ("liveness_route", "readiness_route", "scoring_route")}
    content = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/environment.schema.json",
        "name": "x",
        "version": "3",
        "image": IMAGE,
        "conda_file": CONDA,
        "description": "d",
        "tags": {"a": "b"},
        "os_type": "linux",
        "inference_config": routes,
    }
    asset = load_environment(write(yaml.safe_dump(content)))
    assert document(asset) == content
    assert yaml.safe_load(dump(asset, tmp_path / "deep/out.yml")) == content
    assert load_environment(tmp_path / "deep/out.yml") == asset
    with pytest.raises(FileExistsError):
        dump(asset, tmp_path / "deep/out.yml")


def test_the_path_of_a_context_counts_from_where_it_is_written(write, tmp_path):
    (tmp_path / "ctx").mkdir()
    (tmp_path / "out").mkdir()
    write("FROM x\n", "ctx/Dockerfile")
    dump(load_environment(write("name: x\nbuild: {path: ctx}\n")), tmp_path / "out/env.yml")
    assert yaml.safe_load((tmp_path / "out/env.yml").read_text())["build"] == {"path": "../ctx"}


def test_registering_the_same_adds_no_version(ws, write):
    path = write(f"name: x\nimage: {IMAGE}\ntags: {{a: b}}\n")
    assert [register(ws.core, load_environment(path)).version for _ in range(2)] == ["1", "1"]
    write(f"name: x\nversion: '5'\nimage: {IMAGE}\n")
    assert register(ws.core, load_environment(path)).version == "5"
    write("name: x\nversion: '5'\nimage: other\n")
    with pytest.raises(WorkspaceError, match="another definition"):
        register(ws.core, load_environment(path))
    write("name: AzureML-x\nimage: other\n")
    with pytest.raises(WorkspaceError, match="reserved"):
        register(ws.core, load_environment(path))


def test_one_without_a_name_is_kept_under_its_hash_and_not_listed(ws):
    asset = asset_of({"image": IMAGE, "conda_file": CONDA}, ws.core.folder)
    stored = register(ws.core, asset)
    assert (stored.name, stored.version) == (ANONYMOUS, anonymous_version(asset))
    assert list_environments(ws.core) == []
    assert get_environment(ws.core, ANONYMOUS, stored.version) == stored


def test_a_context_is_kept_and_read_from_the_workspace(ws, write, tmp_path):
    from envbuild.read import read_definition

    (tmp_path / "ctx").mkdir()
    write("FROM ubuntu:22.04\n", "ctx/Dockerfile")
    stored = register(ws.core, load_environment(write("name: x\nbuild: {path: ctx}\n")))
    (tmp_path / "ctx/Dockerfile").unlink()
    definition = read_definition(main_file(ws.core, stored))
    assert (definition.name, definition.version) == ("x", "1")
    assert definition.base.context.content_hash
    assert not definition.notes
    with pytest.raises(DefinitionError, match="has no Dockerfile"):
        register(ws.core, load_environment(tmp_path / "env.yml"))


def test_v1_code_sees_what_v2_registered(ws, write):
    register(
        ws.core, load_environment(write(f"name: x\nimage: {IMAGE}\nconda_file: {{dependencies: [python=3.10]}}\n"))
    )
    found = Environment.get(ws, "x")
    assert (found.docker.base_image, found.python.user_managed_dependencies) == (IMAGE, False)
    assert list(found.python.conda_dependencies.conda_packages) == ["python=3.10"]
    register(ws.core, load_environment(write(f"name: y\nimage: {IMAGE}\n")))
    assert Environment.get(ws, "y").python.user_managed_dependencies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml:e:1", ("e", "1", "")),
        ("e:2021-10.x", ("e", "2021-10.x", "")),
        ("azureml:e@latest", ("e", None, "latest")),
        ("e", ("e", None, "")),
        ("azureml://registries/azureml/environments/e/versions/3", ("e", "3", "")),
        ("azureml://registries/azureml/environments/e/labels/latest", ("e", None, "latest")),
        ("/subscriptions/s/resourceGroups/g/environments/e/versions/3", ("e", "3", "")),
    ],
)
def test_references(text, expected):
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["", "a b", "azureml:", "a:b:c:d", "../x"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(WorkspaceError, match="not a reference"):
        parse_reference(text)


def test_packages_without_an_image_inside_a_job_get_the_default_base(ws, write):
    from envbuild.read import read_definition

    asset = load_environment(write("command: x\nenvironment:\n  conda_file: {dependencies: [python=3.10]}\n"))
    definition = read_definition(main_file(ws.core, register(ws.core, asset)))
    assert definition.base.image == "ubuntu:24.04"
    assert definition.python in ("=3.10", "3.10")
