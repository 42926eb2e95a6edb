"""v2's model YAML, and what `envbuild model` does with it."""

import json

import pytest

from envbuild.azureml.core import Dataset, Model
from envbuild.azureml.models.model_yaml import read_model
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import DefinitionError

MODEL = (
    "name: m\nversion: 2\npath: src\ntype: custom_model\nstage: Dev\ntags: {a: b}\nproperties: {x: y}\ndescription: d\n"
)


@pytest.fixture
def file(project):
    (project / "src").mkdir()
    (project / "src/model.txt").write_text("weights")
    (project / "model.yml").write_text(MODEL)
    return project / "model.yml"


def test_a_model_is_created_under_its_version(file, project, capsys):
    assert envbuild(["model", "create", "-f", "model.yml", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["id"], found["tags"], found["properties"], found["description"]) == (
        "m:2",
        {"a": "b"},
        {"x": "y"},
        "d",
    )
    assert "stage: has no effect" in printed.err
    file.write_text(MODEL.replace("a: b", "a: c"))
    assert envbuild(["model", "create", "-f", "model.yml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tags"] == {"a": "c"}
    (project / "src/model.txt").write_text("others")
    assert envbuild(["model", "create", "-f", "model.yml"]) == 10
    file.write_text(MODEL.replace("version: 2\n", ""))
    capsys.readouterr()
    assert envbuild(["model", "create", "-f", "model.yml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "m:3"


@pytest.mark.usefixtures("file")
def test_what_may_change_is_changed(capsys):
    assert envbuild(["model", "create", "-f", "model.yml"]) == 0
    command = ["model", "update", "-i", "m:2", "--add-tag", "n=1", "--remove-tag", "a", "--add-property", "z=1"]
    capsys.readouterr()
    assert envbuild([*command, "-d", "new", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["tags"], found["properties"], found["description"]) == ({"n": "1"}, {"x": "y", "z": "1"}, "new")
    assert envbuild(["model", "update", "-i", "m:2", "--add-property", "z=2"]) == 10


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("path: src", "path: absent", "path", "does not exist"),
        ("path: src", "path: azureml://jobs/x", "path", "not on this machine"),
        ("custom_model", "pickle", "type", "is not known"),
        ("version: 2", "version: two", "version", "no version"),
        ("stage: Dev", "colour: red", "colour", "is not a key"),
    ],
)
def test_a_mistake_is_named_with_its_place(file, old, new, key, problem):
    file.write_text(MODEL.replace(old, new))
    with pytest.raises(DefinitionError, match=problem) as refused:
        read_model(file)
    assert [one.key for one in refused.value.problems] == [key]


def test_what_a_model_needs_and_its_samples_are_kept(ws, project, capsys):
    (project / "m.txt").write_text("m")
    (project / "rows.csv").write_text("a\n1\n")
    Dataset.Tabular.from_delimited_files("rows.csv").register(ws, "rows")
    command = ["model", "register", "-n", "needy", "-p", "m.txt", "--cc", "2", "--gb", "0.5"]
    assert envbuild([*command, "--sample-input-dataset-id", "rows:1"]) == 0
    found = Model(ws, "needy")
    assert found.resource_configuration.serialize() == {"cpu": 2.0, "memoryInGB": 0.5, "gpu": None}
    assert found.serialize()["sampleInputDatasetId"] == "rows:1"
    capsys.readouterr()
    assert envbuild(["model", "show", "-i", "needy:1"]) == 0
    assert capsys.readouterr().out.startswith("needy:1")
    assert envbuild(["model", "show"]) == 10
    assert envbuild([*command, "--sample-input-dataset-id", "absent"]) == 10
