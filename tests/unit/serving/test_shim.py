"""The import names of documented scripts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.serving import shim


@pytest.fixture(autouse=True)
def _installed():
    shim.install()


def test_installing_twice_adds_nothing():
    before = list(sys.meta_path)
    shim.install()
    assert sys.meta_path == before


def test_both_packages_give_the_same_types():
    old = importlib.import_module("azureml.contrib.services.aml_request")
    new = importlib.import_module("azureml_inference_server_http.api.aml_request")
    assert old.AMLRequest is new.AMLRequest
    assert old.rawhttp is new.rawhttp


def test_unknown_names_are_still_unknown():
    for name in ("azureml.no_such_module", "azureml.core.no_such_module", "sklearn_no_such"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def test_installed_package_wins_but_for_the_types_that_the_server_acts_on(tmp_path, monkeypatch):
    for folder in ("azureml", "azureml/core", "azureml_inference_server_http", "azureml_inference_server_http/api"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("real = True\n")
    (tmp_path / "azureml/core/model.py").write_text("class Model: real = True\n")
    (tmp_path / "azureml_inference_server_http/api/aml_response.py").write_text("AMLResponse = 'the real one'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.import_module("azureml.core.model").Model.real
    assert importlib.import_module("azureml_inference_server_http").real
    assert importlib.import_module("azureml_inference_server_http.api.aml_response").AMLResponse.__mro__
    assert importlib.import_module("azureml.contrib.services.aml_request").rawhttp


@pytest.fixture
def get_model_path(tmp_path, monkeypatch):
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("azureml.core.model").Model.get_model_path


def register(tmp_path, name, version, *entries):
    folder = tmp_path / "azureml-models" / name / version
    folder.mkdir(parents=True)
    for entry in entries:
        (folder / entry).write_text("")
    return folder


def test_highest_version_by_number(tmp_path, get_model_path):
    for version in ("2", "9", "10"):
        register(tmp_path, "m", version, "model.pkl")
    assert get_model_path("m") == str(tmp_path / "azureml-models/m/10/model.pkl")
    assert get_model_path("m", version=2) == str(tmp_path / "azureml-models/m/2/model.pkl")
    assert get_model_path("m", "9").endswith("/9/model.pkl")


def test_version_that_is_missing_or_no_number(tmp_path, get_model_path):
    register(tmp_path, "m", "1", "model.pkl")
    with pytest.raises(FileNotFoundError, match="has no version 3"):
        get_model_path("m", 3)
    with pytest.raises(ValueError, match="latest"):
        get_model_path("m", "latest")


def test_version_with_two_entries_is_refused(tmp_path, get_model_path):
    register(tmp_path, "m", "1", "a.pkl", "b.pkl")
    with pytest.raises(ValueError, match="2 entries"):
        get_model_path("m")


def test_model_in_the_working_directory(tmp_path, get_model_path):
    (tmp_path / "local.pkl").write_text("")
    assert get_model_path("local.pkl") == "local.pkl"
    with pytest.raises(FileNotFoundError, match="absent is not in the image"):
        get_model_path("absent")


def test_model_class_is_exported_as_documented():
    assert importlib.import_module("azureml.core").Model is importlib.import_module("azureml.core.model").Model


def test_documented_import_of_automl_finds_a_module():
    assert importlib.import_module("azureml.train.automl")


def test_old_place_of_joblib():
    joblib = pytest.importorskip("joblib")
    pytest.importorskip("sklearn")
    from sklearn.externals import joblib as found

    assert found is joblib


MIGRATED = """
import sys
import serving.shim
serving.shim.install()
from envbuild.azureml.contrib.services.aml_request import AMLRequest, rawhttp
from envbuild.azureml.contrib.services.aml_response import AMLResponse
from envbuild.azureml.core.model import Model
from envbuild.azureml.core import Model as Same
import serving.http_types as types
assert (AMLRequest, rawhttp, AMLResponse) == (types.AMLRequest, types.rawhttp, types.AMLResponse)
assert Model.get_model_path.__doc__ and Same.get_model_path.__doc__
try:
    import envbuild.api
except ModuleNotFoundError:
    print("envbuild itself is not there")
"""


def test_a_script_that_says_envbuild_finds_the_same_in_an_image(tmp_path):
    import envbuild.serving

    (tmp_path / "serving").symlink_to(Path(envbuild.serving.__file__).parent)
    argv = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{MIGRATED}"]
    done = programs.run(argv, check=False)
    assert done.stdout == "envbuild itself is not there\n", done.stderr
