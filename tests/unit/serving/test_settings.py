"""Settings from the command line, the environment and config.json."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.command import main, parse_arguments
from envbuild.serving.failures import SettingsError
from envbuild.serving.options import OPTIONS
from envbuild.serving.settings import Settings, read_settings


def read(tmp_path, given=None, environ=None) -> Settings:
    return read_settings({"entry_script": "score.py", **(given or {})}, environ or {}, tmp_path)


def problems(tmp_path, given=None, environ=None) -> str:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, given, environ)
    return "\n".join(caught.value.problems)


def test_every_option_is_a_setting_with_a_default():
    for option in OPTIONS:
        assert option.name in Settings.__dataclass_fields__


def test_command_line_outweighs_environment_outweighs_file(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"WORKER_COUNT": 2, "SERVER_PORT": 1002, "SERVICE_NAME": "file"}))
    found = read(tmp_path, {"port": "1000"}, {"SERVER_PORT": "1001", "WORKER_COUNT": "3"})
    assert (found.port, found.workers, found.service_name) == (1000, 3, "file")


def test_azure_variables(tmp_path):
    environ = {
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
        "AZUREML_SOURCE_DIRECTORY": "src",
        "AML_CORS_ORIGINS": "http://a.example, http://b.example/",
        "SCORING_TIMEOUT_MS": "1000",
        "SERVICE_PATH_PREFIX": "api/v1",
        "SERVER_VERSION_LOG_RESPONSE_ENABLED": "false",
    }
    found = read_settings({}, {**environ, "AZUREML_ENTRY_SCRIPT": "src/score.py"}, tmp_path)
    assert str(found.script_path) == "/var/azureml-app/src/score.py"
    assert found.cors_origins == ("http://a.example", "http://b.example")
    assert (found.scoring_timeout_ms, found.path_prefix, found.send_version) == (1000, "/api/v1", False)


def test_config_file_beside_the_script_or_named(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "config.json").write_text('{"WORKER_COUNT": 4}')
    assert read(tmp_path, {"entry_script": "src/score.py"}).workers == 4
    (tmp_path / "other.json").write_text('{"WORKER_COUNT": 5, "AML_CORS_ORIGINS": "*"}')
    found = read(tmp_path, {"config_file": "other.json"})
    assert (found.workers, found.cors_origins) == (5, ("*",))


def test_all_problems_are_told_at_once_by_name(tmp_path):
    text = problems(
        tmp_path, {"port": "99999", "tls_cert": "no.pem"}, {"WORKER_COUNT": "many", "AML_CORS_ORIGINS": "a b"}
    )
    assert "--port: '99999' is not a whole number from 1 to 65535" in text
    assert "WORKER_COUNT: 'many'" in text
    assert "AML_CORS_ORIGINS: 'a b' is not an origin" in text


def test_contradictions_are_told(tmp_path):
    text = problems(tmp_path, {"tls_cert": "no.pem", "auth_keys_file": "no.keys", "framework": "onnx"})
    assert "both are needed for TLS" in text
    assert "--auth-keys-file: no.keys is not a readable file" in text
    assert "one of them, not both" in text


def test_nothing_to_serve_is_told(tmp_path):
    with pytest.raises(SettingsError, match="AZUREML_ENTRY_SCRIPT"):
        read_settings({}, {}, tmp_path)


@pytest.mark.parametrize("text", ["{bad", "[1]", '"x"'])
def test_broken_config_file_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert str(tmp_path / "config.json") in problems(tmp_path)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("Off", False), ("no", False)])
def test_booleans(tmp_path, text, value):
    assert read(tmp_path, {"access_log": text}).access_log is value


@pytest.mark.parametrize(
    ("name", "text"),
    [("access_log", "maybe"), ("log_level", "loud"), ("server", "apache"), ("path_prefix", "/a b"), ("framework", "x")],
)
def test_words_that_are_not_known(tmp_path, name, text):
    assert f"--{name.replace('_', '-')}" in problems(tmp_path, {name: text})


def test_both_spellings_of_an_option():
    assert parse_arguments(["--entry_script", "a.py", "--worker_count", "2", "--model-dir", "m"]) == {
        "entry_script": "a.py",
        "workers": "2",
        "model_dir": "m",
    }


def test_wrong_settings_end_with_2_and_without_a_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["--entry-script", "score.py", "--port", "x"]) == 2
    assert capsys.readouterr().err == "error: --port: 'x' is not a whole number from 1 to 65535\n"


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(option.flag in text for option in OPTIONS)
