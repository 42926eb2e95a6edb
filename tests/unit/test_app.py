from pathlib import Path

import pytest

from envbuild.app import Scoring, ServedModel, check_script, disk_files, service_app, service_definition
from envbuild.core.errors import ServiceError
from tests.unit.core.values import pip_definition, requirement

GOOD = "def init(): pass\ndef run(data): return data\n"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "score.py"
    path.write_text(GOOD)
    return path


def model(tmp_path, name="m", version=1):
    (tmp_path / f"{name}.bin").write_bytes(b"weights")
    return ServedModel(name=name, version=version, files=tuple(disk_files(tmp_path / f"{name}.bin", "")))


def test_one_model_is_its_own_folder_and_several_are_the_folder_of_all(tmp_path, script):
    scoring = Scoring(entry_script=script)
    one = dict(service_app([model(tmp_path)], scoring).variables)
    assert one["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models/m/1"
    two = dict(service_app([model(tmp_path), model(tmp_path, "n", 2)], scoring).variables)
    assert two["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models"


def test_the_source_directory_goes_along_without_its_caches(tmp_path):
    folder = tmp_path / "source"
    for name in ("score.py", "lib/part.py", "__pycache__/score.pyc", ".git/config"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    app = service_app([], Scoring(entry_script=Path("score.py"), source_directory=folder))
    placed = {one.path for one in app.files if "/source/" in one.path}
    assert placed == {"/var/azureml-app/source/score.py", "/var/azureml-app/source/lib/part.py"}
    variables = dict(app.variables)
    assert (variables["AZUREML_SOURCE_DIRECTORY"], variables["AZUREML_ENTRY_SCRIPT"]) == ("source", "source/score.py")


def test_files_are_sorted_and_hashed(tmp_path, script):
    app = service_app([model(tmp_path)], Scoring(entry_script=script))
    paths = [one.path for one in app.files]
    assert paths == sorted(paths)
    assert all(len(one.sha256) == 64 for one in app.files)
    assert app == service_app([model(tmp_path)], Scoring(entry_script=script))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my-score.py", GOOD, "its name must be a Python name"),
        ("class.py", GOOD, "its name must be a Python name"),
        ("score.txt", GOOD, "its name must be a Python name"),
        ("score.py", "def init(:\n", "not Python"),
        ("score.py", "def init(): pass\n", r"defines no run\(\)"),
    ],
)
def test_a_script_that_cannot_be_served_is_refused(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ServiceError, match=said):
        check_script(path)


@pytest.mark.parametrize(
    "text",
    [
        "from inside import init, run\n",
        "from inside import *\n",
        "init = run = len\n",
        "if True:\n    def init(): pass\n    def run(d): pass\n",
    ],
)
def test_a_script_may_get_its_functions_from_elsewhere(tmp_path, text):
    path = tmp_path / "score.py"
    path.write_text(text)
    check_script(path)


def test_a_link_that_leads_out_is_refused(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "score.py").write_text(GOOD)
    (folder / "secret").symlink_to("/etc/hostname")
    with pytest.raises(ServiceError, match="leads out"):
        service_app([], Scoring(entry_script=Path("score.py"), source_directory=folder))


def test_without_a_script_there_must_be_one_model_with_a_framework(tmp_path):
    with pytest.raises(ServiceError, match="exactly one model"):
        service_app([model(tmp_path)], None)
    app = service_app([model(tmp_path)], None, framework="scikit-learn")
    assert dict(app.variables)["ENVBUILD_FRAMEWORK"] == "scikit-learn"


def test_the_server_brings_its_requirements_and_replaces_azures():
    definition = pip_definition(requirement("azureml-defaults", ">=1.0.45"), requirement("numpy"))
    service = service_definition(definition)
    assert [one.name for one in service.pip] == ["numpy", "werkzeug", "granian"]
    assert "is replaced by envbuild's server" in service.notes[0].message
    kept = service_definition(definition, keep=True)
    assert kept.pip[0].name == "azureml-defaults"


def test_schemas_are_brought_only_where_the_script_names_them():
    script = "from inference_schema.schema_decorators import input_schema\n"
    assert "inference-schema" in [one.name for one in service_definition(pip_definition(), script).pip]
    assert "inference-schema" not in [one.name for one in service_definition(pip_definition(), GOOD).pip]


def test_a_definition_that_has_what_the_server_needs_stays_as_it_is():
    definition = pip_definition(requirement("werkzeug", "==3.0"), requirement("granian"))
    assert service_definition(definition).hash == definition.hash
