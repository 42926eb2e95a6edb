"""Loading a script: what is found, and what is said when it fails."""

from __future__ import annotations

import os
import sys

import pytest

from envbuild.serving.failures import StartupError


def failure(load, text: str, **settings) -> StartupError:
    with pytest.raises(StartupError) as caught:
        load(text, **settings)
    return caught.value


def test_init_runs_once_before_anything_else(load, tmp_path):
    load("""
        import os
        def init():
            with open(os.path.join(os.environ["AML_APP_ROOT"], "ran"), "a") as file:
                file.write("x")
        def run(data): pass
    """)
    assert (tmp_path / "ran").read_text() == "x"


def test_failing_init_shows_the_scripts_traceback_and_line(load):
    error = failure(
        load,
        """
        import json

        def init():
            deeper()

        def deeper():
            open("no/such/model.pkl")

        def run(data): pass
        """,
    )
    assert str(error).startswith("init() of score.py failed at line 8: FileNotFoundError: ")
    assert 'score.py", line 5, in init' in error.report
    assert 'open("no/such/model.pkl")' in error.report
    assert "serving/script.py" not in error.report


def test_import_error_shows_the_line(load):
    error = failure(load, "import os\nimport no_such_package\n")
    assert "importing score.py failed at line 2: ModuleNotFoundError: No module named 'no_such_package'" in str(error)


def test_syntax_error_shows_the_line(load):
    error = failure(load, "def init():\n    pass\n\ndef run(data:\n    pass\n")
    assert "importing score.py failed at line" in str(error)
    assert "SyntaxError" in str(error)


def test_error_in_a_helper_module_names_the_scripts_line(load, tmp_path):
    (tmp_path / "a_helper_module.py").write_text("def fail():\n    raise KeyError('deep')\n")
    error = failure(load, "import a_helper_module\ndef init():\n    a_helper_module.fail()\ndef run(data): pass\n")
    assert "failed at line 3: KeyError: 'deep'" in str(error)
    assert "a_helper_module.py" in error.report
    sys.modules.pop("a_helper_module")


def test_exit_inside_init_is_a_failure(load):
    assert "SystemExit" in str(failure(load, "import sys\ndef init(): sys.exit(0)\ndef run(data): pass"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("def run(data): pass", "has no init()"), ("def init(): pass", "has no run()")],
)
def test_missing_function_is_named(load, text, complaint):
    assert complaint in str(failure(load, text))


def test_missing_script_is_named(load):
    error = failure(load, "", entry_script="other.py")
    assert "other.py does not exist" in str(error)
    assert not error.report


def test_variables_that_scripts_read_are_set(load, tmp_path):
    load("def init(): pass\ndef run(data): pass", model_dir="/models/one/1")
    assert os.environ["AZUREML_MODEL_DIR"] == "/models/one/1"
    assert os.environ["AML_APP_ROOT"] == str(tmp_path)
    assert os.environ["AZUREML_ENTRY_SCRIPT"] == "score.py"


def test_script_in_a_source_directory_imports_from_it_and_from_the_root(load, tmp_path):
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "beside_source.py").write_text("value = 1")
    (source / "inner" / "beside_script.py").write_text("value = 2")
    (tmp_path / "in_root.py").write_text("value = 3")
    (source / "inner" / "score.py").write_text(
        "import beside_source, beside_script, in_root\ndef init(): pass\n"
        "def run(data): return [beside_source.value, beside_script.value, in_root.value]\n"
    )
    script, _ = load("", entry_script="source/inner/score.py", source_directory="source")
    assert script.run("") == [1, 2, 3]
    for name in ("beside_source", "beside_script", "in_root"):
        sys.modules.pop(name)


def test_driver_module_lends_its_run(load, tmp_path):
    (tmp_path / "inner_script.py").write_text("def init(): pass\ndef run(data, request_headers): return 'inner'\n")
    script, _ = load("""
        import inner_script as driver_module
        def init(): pass
        def run(http_body, request_headers): return 'outer'
    """)
    assert script.run("", {}) == "inner"
    assert script.takes_headers
    sys.modules.pop("inner_script")
