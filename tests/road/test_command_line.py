"""The commands as a person runs them: what they print, what they leave, and their exit codes."""

import json

import pytest

from envbuild.cli.main import run
from tests.support.http import Response, Site

BASE = "127.0.0.1:9/library/ubuntu:24.04"


@pytest.fixture
def project(tmp_path, index, monkeypatch):
    index.add("alpha", "1.0", requires=["beta"], files={"alpha.py": ""})
    index.add("beta", "1.0", files={"beta.py": ""})
    for name in ("werkzeug", "granian"):
        index.add(name, "3.0", files={f"{name}.py": ""})
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.envbuild]\nname = "demo"\nbase = "{BASE}"\npython = "3.12"\npip = ["alpha"]\nindex-url = "{index.url}"\n'
        '[tool.envbuild.variables]\nGREETING = "hello"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys):
    def call(*arguments, code=0):
        assert run([*map(str, arguments)]) == code
        return capsys.readouterr()

    return call


def test_lock_prints_what_it_wrote_and_check_answers_with_its_exit_code(project, command):
    said = json.loads(command("lock", "--json", "-q").out)
    assert (said["lock"], said["written"], said["pip"], said["base_resolved"]) == ("pylock.toml", True, 2, False)
    assert command("lock", "--check").out == "pyproject.toml: fresh\n"
    assert "unchanged" in command("lock", "-q").out

    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('["alpha"]', '["alpha<1"]'))
    stale = command("lock", "--check", code=1).out
    assert "pyproject.toml: stale" in stale
    assert "alpha<1 is asked for, but the lock has alpha 1.0" in stale


def test_a_missing_lock_is_stale_and_says_what_to_run(project, command):
    assert "hint: run `envbuild lock pyproject.toml`" in command("lock", "--check", code=1).out


def test_progress_goes_to_stderr_and_only_the_product_to_stdout(project, command):
    said = command("lock", "--json")
    assert len(said.out.splitlines()) == 1
    assert "done:" in said.err


def test_show_goes_on_after_a_file_that_is_not_understood(project, command):
    (project / "bad.yml").write_text("dependencies: 3\n")
    lines = [
        json.loads(line) for line in command("show", "bad.yml", "pyproject.toml", "--json", code=3).out.splitlines()
    ]
    assert [line["ok"] for line in lines] == [False, True]
    assert lines[0]["problems"][0]["file"] == "bad.yml"
    assert lines[1]["definition"]["pip"] == ["alpha"]


def test_the_plan_names_layers_and_keys_without_any_engine(project, command, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens/here.sock")
    plan = json.loads(command("image", "--plan", "--json", "-q").out)
    assert [layer["kind"] for layer in plan["layers"]] == ["base", "checks", "apt", "pip", "config"]
    assert plan["name"] == f"envbuild/envbuild_{plan['key'][:32]}"
    assert not any(layer["exists"] for layer in plan["layers"])


def test_an_unpinned_base_needs_a_word(project, command):
    error = command("image", "--generate-dockerfile", "context", "-q", code=6).err
    assert "digest of base image" in error
    assert "--allow-unpinned-base" in error
    assert not (project / "context").exists()
    command("image", "--generate-dockerfile", "context", "--allow-unpinned-base", "-q")
    dockerfile = (project / "context/Dockerfile").read_text()
    assert dockerfile.startswith(f"FROM {BASE}")
    assert "--require-hashes" in dockerfile


def test_a_folder_that_is_there_is_not_overwritten(project, command):
    (project / "context").mkdir()
    (project / "context/mine").write_text("")
    command("image", "--generate-dockerfile", "context", "--allow-unpinned-base", "-q", code=12)
    assert [one.name for one in (project / "context").iterdir()] == ["mine"]


def test_a_model_is_registered_listed_downloaded_and_deleted(project, command):
    (project / "model.bin").write_bytes(b"weights")
    assert (
        json.loads(command("model", "register", "-n", "m", "-p", "model.bin", "--tag", "a=1", "--json").out)["id"]
        == "m:1"
    )
    assert command("model", "list", "--tag", "a=1").out.startswith("m:1 ")
    assert command("model", "list", "--tag", "a=2").out == ""
    assert command("model", "download", "-i", "m:1", "-t", "out").out.strip() == "out/model.bin"
    assert (project / "out/model.bin").read_bytes() == b"weights"
    command("model", "delete", "-i", "m:1")
    assert "there is no model m:1" in command("model", "show", "m:1", code=10).err


def test_a_package_has_azures_layout(project, command):
    (project / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (project / "model.bin").write_bytes(b"weights")
    command("model", "register", "-n", "m", "-p", "model.bin")
    options = ["--model", "m:1", "--entry-script", "score.py", "--allow-unpinned-base", "-q"]
    command("package", *options, "--generate-dockerfile", "service")
    app = project / "service/azureml-app"
    assert (app / "azureml-models/m/1/model.bin").read_bytes() == b"weights"
    assert {"main.py", "model_config_map.json", "score.py", "envbuild-server"} <= {one.name for one in app.iterdir()}
    dockerfile = (project / "service/Dockerfile").read_text()
    for text in (
        'AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/m/1"',
        'AZUREML_ENTRY_SCRIPT="score.py"',
        "EXPOSE 5001",
        "HEALTHCHECK",
    ):
        assert text in dockerfile
    assert (project / "pylock.service.toml").is_file()


def test_a_script_that_cannot_be_served_is_refused_before_anything_is_written(project, command):
    (project / "score.py").write_text("def init(): pass\n")
    assert "defines no run()" in command("package", "--entry-script", "score.py", "-q", code=11).err
    assert not (project / "pylock.service.toml").exists()


def test_outdated_means_today_though_the_lock_is_for_a_day_in_the_past(project, index, command):
    command("lock", "-q", "--exclude-newer", "2024-02-01")
    index.add("beta", "3.0", upload_time="2024-06-01T00:00:00Z")
    assert "1.0 -> 3.0" in command("outdated", "-q", code=1).out
    assert command("outdated", "-q", "--exclude-newer", "2024-02-01").out == "nothing would change\n"


def test_locks_are_compared_exported_and_explained(project, index, command):
    command("lock", "-q")
    (project / "old.toml").write_bytes((project / "pylock.toml").read_bytes())
    index.add("beta", "2.0")
    assert "beta" in command("outdated", "-q", code=1).out
    command("lock", "--update", "beta", "-q")
    assert command("outdated", "-q").out == "nothing would change\n"
    difference = json.loads(command("diff", "old.toml", "pylock.toml", "--format", "json", "--exit-code", code=1).out)
    assert "beta" in json.dumps(difference)
    assert command("why", "beta").out == "alpha 1.0 → beta 2.0\n"
    assert command("tree").out == "alpha 1.0\n  beta 2.0\n"
    exported = command("export", "-f", "requirements").out
    assert "beta==2.0" in exported
    assert "--hash=sha256:" in exported
    bill = json.loads(command("export", "-f", "cyclonedx").out)
    assert bill["specVersion"] == "1.6"
    command("why", "nothing", code=1)


def test_json_errors_are_json(project, command):
    said = json.loads(command("lock", "nothing.yml", "--json", "-q", code=3).out)
    assert said["ok"] is False
    assert said["exit_code"] == 3
    assert said["problems"][0]["message"]


@pytest.mark.parametrize("arguments", [["lock", "--bogus"], ["nothing"], []])
def test_a_wrong_command_line_exits_with_2(arguments):
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2


class Page(Site):
    """One requirements file at a URL, whose text may change."""

    text = ""

    def respond(self, path, accept):
        return Response(content=self.text.encode(), content_type="text/plain")


def test_a_requirements_file_at_a_url_is_read_when_it_is_locked_and_at_no_other_time(project, command, index):
    index.add("beta", "2.0", files={"beta.py": ""})
    with Page() as page:
        page.text = "beta<2\n"
        written = f"--index-url {index.url}\nalpha\n-r {page.root}/set.txt\n"
        (project / "requirements.txt").write_text(written)
        assert command("show", "requirements.txt").out
        assert page.requests == []
        command("lock", "requirements.txt")
        lock = (project / "pylock.toml").read_text()
        assert 'version = "1.0"' in lock
        assert 'version = "2.0"' not in lock

        page.text = "beta\n"
        assert command("lock", "requirements.txt", "--check").out == "requirements.txt: fresh\n"
        command("lock", "requirements.txt")
        assert (project / "pylock.toml").read_text() == lock

        (project / "requirements.txt").write_text(written.replace("alpha", "alpha==1.0"))
        stale = command("lock", "requirements.txt", "--check", code=1).out
        assert f"what {page.root}/set.txt holds is read by `envbuild lock` alone" in stale
        assert len(page.requests) == 1

        (project / "requirements.txt").write_text(written)
        command("lock", "requirements.txt", "--update-all")
        assert 'version = "2.0"' in (project / "pylock.toml").read_text()

        command("lock", "requirements.txt", "--update-all", "--offline", code=8)
