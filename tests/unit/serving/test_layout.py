"""The files and variables of an image."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from envbuild.serving import layout
from envbuild.serving.requirements import DRIVERS, INFERENCE_SCHEMA, SERVER, server_requirements


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Write a script and its driver; load the driver as a server would."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def load(script: str):
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "my_score.py").write_text(script)
        (tmp_path / "main.py").write_text(layout.driver_source("source/my_score.py"))
        spec = importlib.util.spec_from_file_location("main_under_test", tmp_path / "main.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_driver_hands_over_init_and_run(driver):
    main = driver("state = []\ndef init(): state.append(1)\ndef run(anything): return [anything, state]\n")
    main.init()
    assert main.run("body", {"X-A": "1"}) == ["body", [1]]


def test_driver_passes_headers_only_where_they_are_taken(driver):
    main = driver("def init(): pass\ndef run(data, request_headers): return request_headers\n")
    assert main.run("body", {"X-A": "1"}) == {"X-A": "1"}


def test_our_server_serves_the_driver_like_the_script(load, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "my_score.py").write_text("def init(): pass\ndef run(data): return data\n")
    script, _ = load(layout.driver_source("source/my_score.py"))
    assert (script.run("x"), script.takes_headers) == ("x", False)


def test_path_of_the_script_cannot_break_out_of_the_driver():
    compile(layout.driver_source("a'b\"c\\d/score.py"), "main.py", "exec")


def test_variables_for_one_model_and_for_several():
    one = layout.environment("src/score.py", "src", [("m", "3")])
    assert one["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models/m/3"
    assert (one["AZUREML_ENTRY_SCRIPT"], one["AZUREML_SOURCE_DIRECTORY"]) == ("src/score.py", "src")
    several = layout.environment("score.py", "", [("m", "3"), ("n", "1")])
    assert several["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models"
    assert "AZUREML_SOURCE_DIRECTORY" not in several


def test_command_starts_the_folder():
    assert layout.command("python", "/opt/envbuild/serving") == ("python", "/opt/envbuild/serving", "--port", "5001")


def test_requirements_are_few_and_the_schema_package_only_where_used():
    assert server_requirements("def run(data): pass") == SERVER
    assert server_requirements("import inference_schema") == (*SERVER, INFERENCE_SCHEMA)


def test_every_driver_has_requirements():
    from envbuild.serving.options import FRAMEWORKS

    assert set(DRIVERS) == set(FRAMEWORKS)
