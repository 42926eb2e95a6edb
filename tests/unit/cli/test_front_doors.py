"""init, clean, doctor, completion, schema and the annotations, through the command line in process."""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.cli.main import HOMES, parser
from envbuild.cli.main import run as command
from envbuild.completion import levels
from envbuild.files import exclusive
from tests.support.locked_project import project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *words):
    code = command([str(one) for one in words])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, printed.err


# init

STARTS = {
    "environment.yml": ("dependencies: [python=3.11, numpy]\n", {"conda-file": "environment.yml"}),
    "requirements.txt": ("numpy\n", {"requirements": ["requirements.txt"]}),
    "requirements.in": ("numpy\n", {"requirements": ["requirements.in"]}),
    "Dockerfile": ("FROM ubuntu:24.04\n", {"build": "."}),
}


@pytest.mark.parametrize("name", sorted(STARTS))
def test_init_names_what_is_there(here, capsys, name):
    text, expected = STARTS[name]
    Path(name).write_text(text)
    code, out, _ = run(capsys, "init")
    assert code == 0
    assert f"found {name}" in out
    table = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["envbuild"]
    assert expected.items() <= table.items()
    assert run(capsys, "show", "pyproject.toml")[0] == 0


def test_init_keeps_what_a_pyproject_holds_byte_for_byte(here, capsys):
    before = '# mine\n[project]\nname = "x"\nversion = "1"\ndependencies = ["numpy"]\n\n[tool.ruff]\nline-length = 99\n'
    Path("pyproject.toml").write_text(before)
    assert run(capsys, "init")[0] == 0
    after = Path("pyproject.toml").read_text()
    assert after.startswith(before.rstrip())
    assert tomllib.loads(after)["tool"]["envbuild"]["project"] is True


def test_init_changes_nothing_where_there_is_a_table(here, capsys):
    definition = project(here)
    before = definition.read_bytes()
    code, out, _ = run(capsys, "init")
    assert (code, definition.read_bytes()) == (0, before)
    assert "nothing was changed" in out


def test_init_dry_run_writes_nothing(here, capsys):
    Path("requirements.txt").write_text("numpy\n")
    _, out, _ = run(capsys, "init", "--dry-run")
    assert out.startswith("[tool.envbuild]\n")
    assert not Path("pyproject.toml").exists()


def test_init_retells_an_azure_environment(here, capsys):
    Path("env.yml").write_text("name: train\nimage: ubuntu:22.04\nconda_file: conda_file.yml\n")
    Path("conda_file.yml").write_text(
        "channels: [conda-forge]\ndependencies: [python=3.11, {pip: [\"six; python_version > '3'\"]}]\n"
    )
    assert run(capsys, "init")[0] == 0
    table = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["envbuild"]
    assert table == {"name": "train", "base": "ubuntu:22.04", "conda-file": "conda_file.yml"}
    from envbuild.read import read_definition

    # the lock of one answers the other
    assert read_definition(here / "pyproject.toml").pip == read_definition(here / "env.yml").pip
    assert read_definition(here / "pyproject.toml").conda == read_definition(here / "env.yml").conda


def table_of(capsys):
    code, out, err = run(capsys, "init", "--json")
    assert code == 0, err
    answer = json.loads(out)
    return answer, tomllib.loads(answer["table"]).get("tool", {}).get("envbuild", {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pixi.toml", '[workspace]\nchannels = ["conda-forge"]\nplatforms = ["linux-64"]\n[dependencies]\njq = "*"\n'),
        ("pyproject.toml", '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.11"\nflask = "^3"\n'),
        ("Pipfile", '[packages]\nflask = "*"\n'),
    ],
)
def test_init_leaves_alone_what_no_table_can_name(here, capsys, name, text):
    Path(name).write_text(text)
    answer, table = table_of(capsys)
    assert (answer["used"], answer["file"], answer["written"], table) == (name, name, False, {})
    assert "definition as it is" in run(capsys, "init")[1]
    assert Path(name).read_text() == text
    assert sorted(one.name for one in here.iterdir()) == [name]


def test_init_takes_a_conda_file_of_any_name_and_adds_no_python_that_nothing_needs(here, capsys):
    Path("tools.yaml").write_text("name: tools\ndependencies: [samtools]\n")
    Path("mkdocs.yml").write_text("site_name: x\n")
    assert table_of(capsys)[1] == {"conda-file": "tools.yaml"}


def test_init_takes_the_python_that_the_project_says(here, capsys):
    Path("requirements.txt").write_text("flask\n")
    Path(".python-version").write_text("3.12.4\n")
    assert table_of(capsys)[1]["python"] == "3.12"


def test_init_says_what_it_does_not_use(here, capsys):
    Path("environment.yml").write_text("dependencies: [python=3.11]\n")
    Path("requirements-dev.txt").write_text("pytest\n")
    Path("job.yml").write_text("command: x\nenvironment: azureml:curated:1\n")
    _, out, _ = run(capsys, "init")
    assert "found environment.yml" in out
    assert "not used: requirements-dev.txt" in out
    assert "not understood: job.yml" in out


def test_init_names_an_mlflow_models_conda_file(here, capsys):
    Path("MLmodel").write_text("flavors:\n  python_function:\n    env: conda.yaml\n")
    Path("conda.yaml").write_text("channels: [conda-forge]\ndependencies: [python=3.11, {pip: [mlflow]}]\n")
    answer, table = table_of(capsys)
    assert (answer["used"], answer["unused"], table["conda-file"]) == ("MLmodel", [], "conda.yaml")


def test_init_names_who_names_a_missing_file(here, capsys):
    Path("MLmodel").write_text("flavors:\n  python_function:\n    env: conda.yaml\n")
    code, _, err = run(capsys, "init")
    assert code == 3
    assert "conda.yaml: cannot be read" in err
    assert "MLmodel names it" in err


def test_init_points_at_the_folders_below(here, capsys):
    Path("serve/env").mkdir(parents=True)
    Path("serve/env/conda.yml").write_text("dependencies: [python]\n")
    Path("docker/envbuild/pip").mkdir(parents=True)
    for name in ("docker/Dockerfile", "docker/envbuild/pip/requirements.txt"):
        Path(name).write_text("")
    code, _, err = run(capsys, "init")
    assert code == 3
    assert "envbuild init serve/env" in err
    assert "docker" not in err


def test_init_without_anything_says_what_to_write(here, capsys):
    code, _, err = run(capsys, "init")
    assert code == 3
    assert "nothing to start from" in err
    assert not Path("pyproject.toml").exists()


def test_init_on_what_is_not_understood_writes_nothing(here, capsys):
    Path("environment.yml").write_text("dependencis: [numpy]\n")
    assert run(capsys, "init")[0] == 3
    assert not Path("pyproject.toml").exists()


# clean


@pytest.fixture
def cache(here, monkeypatch):
    root = here / "cache"
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(root))
    monkeypatch.setattr(programs, "find", lambda _: None)
    for name in ("downloads/ab12", "downloads/cd34.part", "prefixes/p/bin/python", "uv/.lock", "mine/keep"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 1000)
    return root


def test_clean_lists_with_sizes_and_removes_nothing(cache, capsys):
    _, out, _ = run(capsys, "clean")
    assert "downloads" in out
    assert "2 items" in out
    assert "nothing was removed (say --yes)" in out
    assert (cache / "downloads/ab12").is_file()


def test_clean_yes_removes_what_is_ours_and_nothing_else(cache, capsys):
    code, _, _ = run(capsys, "clean", "--yes")
    assert code == 0
    assert not (cache / "downloads/ab12").exists()
    assert not (cache / "prefixes/p").exists()
    assert (cache / "mine/keep").is_file()


def test_clean_leaves_what_another_process_holds(cache, capsys):
    with exclusive(cache / "downloads/cd34.lock"):
        _, out, _ = run(capsys, "clean", "downloads", "--yes")
    assert "in use, left: downloads/cd34.part" in out
    assert (cache / "downloads/cd34.part").is_file()
    run(capsys, "clean", "downloads", "--yes")
    assert list((cache / "downloads").iterdir()) == []


def test_clean_does_not_follow_a_link_out_of_the_cache(cache, here, capsys):
    (here / "precious").mkdir()
    (here / "precious/file").write_text("x")
    (cache / "prefixes/link").symlink_to(here / "precious")
    run(capsys, "clean", "--yes")
    assert not (cache / "prefixes/link").is_symlink()
    assert (here / "precious/file").is_file()


def test_clean_can_spare_what_was_used_lately(cache, capsys):
    old = time.time() - 40 * 86400
    os.utime(cache / "downloads/ab12", (old, old))
    found = json.loads(run(capsys, "clean", "--unused", "30", "--json")[1])
    assert [one["name"] for one in found["items"]] == ["ab12"]


def test_clean_of_the_workspace_spares_what_is_registered_or_young(cache, here, capsys):
    from envbuild.workspace.workspace import Workspace

    workspace = Workspace.create(here)
    kept, stray, young = (workspace.store.put_bytes(text) for text in (b"kept", b"stray", b"young"))
    workspace.catalogue.register("model", "m", {"files": [["f", kept, 4, False]]})
    for digest in (kept, stray):
        os.utime(workspace.store.path(digest), (1e9, 1e9))
    run(capsys, "clean", "workspace", "--yes")
    assert workspace.store.path(kept).is_file()
    assert workspace.store.path(young).is_file()
    assert not workspace.store.path(stray).exists()
    with sqlite3.connect(workspace.folder / "catalogue.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_clean_of_an_unknown_kind_names_the_known(cache, capsys):
    code, _, err = run(capsys, "clean", "everything")
    assert code == 2
    assert "downloads" in err


# doctor


def test_doctor_says_what_is_used_and_why_and_shows_no_secret(here, capsys, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.example:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(here / "missing.pem"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("HOME", str(here))
    config = {
        "auths": {"registry.example": {"auth": "aHVudGVyMjpodW50ZXIy"}},
        "credHelpers": {"other.example": "nowhere"},
    }
    (here / ".docker").mkdir()
    (here / ".docker/config.json").write_text(json.dumps(config))
    code, out, _ = run(capsys, "doctor", "--json")
    found = {(one["topic"], one["name"]): one for one in json.loads(out)}
    assert code == 1
    assert found["certificates", "SSL_CERT_FILE"]["state"] == "wrong"
    assert found["proxies", "HTTPS_PROXY"]["value"] == "http://proxy.example:3128"
    assert "login" in found["registries", "registry.example"]["value"]
    assert found["registries", "other.example"]["state"] == "wrong"
    assert any("--engine auto takes it" in one.get("why", "") for one in found.values())
    assert "hunter2" not in out
    assert "aHVudGVy" not in out


# completion


def test_completion_knows_every_command_and_option():
    known = {one.path: one for one in levels(parser())}
    assert {(name,) for name in HOMES} <= set(known)
    assert "--check" in {name for option in known["lock",].options for name in option.names}
    assert ("hook", "secrets") in known
    assert ("hook", "envbuild-secrets") not in known


def bash_completes(script, *words):
    test = f'source {script}; COMP_WORDS=({" ".join(words)} ""); COMP_CWORD={len(words)}; _envbuild_complete; echo "${{COMPREPLY[@]}}"'
    return programs.run(["bash", "-c", test]).stdout.split()


def test_bash_completes_commands_options_and_values(here, capsys):
    script = here / "completion.bash"
    script.write_text(run(capsys, "completion", "bash")[1])
    assert "lock" in bash_completes(script, "envbuild")
    assert "--update-all" in bash_completes(script, "envbuild", "lock")
    assert bash_completes(script, "envbuild", "lock", "--solver") == ["rattler", "conda-lock"]
    assert "secrets" in bash_completes(script, "envbuild", "hook")
    assert "--write" in bash_completes(script, "envbuild", "hook", "dockerfile")


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])]
)
def test_each_completion_is_a_script_of_its_shell(here, capsys, shell, check):
    if programs.find(check[0]) is None:
        pytest.skip(f"{shell} is not installed")
    script = here / "script"
    script.write_text(run(capsys, "completion", shell)[1])
    done = programs.run([*check, str(script)], check=False)
    assert (done.code, done.stderr) == (0, "")


ZSH = """
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; autoload -Uz compinit; compinit -u -d $PWD/dump; source $PWD/script; print rea''dy"
zpty -r z out '*ready*'
zpty -w -n z $'{typed}\\t'
zpty -r z out '*{expected}*' && print -r -- found
zpty -d z
"""


@pytest.mark.skipif(programs.find("zsh") is None, reason="zsh is not installed")
# what is completed stands behind what was typed, or the whole is drawn again
@pytest.mark.parametrize(("typed", "expected"), [("envbuild hook secr", "ets"), ("envbuild lock --solver ratt", "ler")])
def test_zsh_completes(here, capsys, typed, expected):
    (here / "script").write_text(run(capsys, "completion", "zsh")[1])
    (here / "try.zsh").write_text(ZSH.replace("{typed}", typed).replace("{expected}", expected))
    done = programs.run(["timeout", "20", "zsh", "-f", "try.zsh"], cwd=here, check=False)
    assert done.stdout.strip() == "found", done.stderr


@pytest.mark.skipif(programs.find("fish") is None, reason="fish is not installed")
def test_fish_completes(here, capsys):
    (here / "script").write_text(run(capsys, "completion", "fish")[1])
    argv = [
        "fish",
        "--no-config",
        "-c",
        "source script; complete -C 'envbuild lock --sol'; complete -C 'envbuild hook do'",
    ]
    assert [line.split("\t")[0] for line in programs.run(argv, cwd=here).stdout.splitlines()] == [
        "--solver",
        "dockerfile",
    ]


# schema, annotations


def test_schema_writes_all_of_them(here, capsys):
    run(capsys, "schema", "--all", "schemas")
    assert len(list((here / "schemas").glob("*.schema.json"))) == 6
    assert json.loads(run(capsys, "schema", "pylock")[1])["title"] == "pylock.toml"


def test_lock_check_annotates_the_line(here, capsys):
    definition = project(Path("sub"))
    assert run(capsys, "lock", "--check", definition, "--format", "github") == (0, "", "")
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    code, out, _ = run(capsys, "lock", "--check", definition, "--format", "github")
    assert code == 1
    assert out.startswith("::error file=sub/pyproject.toml,line=5,title=envbuild lock-check::")


def test_show_annotates_every_file_that_is_not_understood(here, capsys):
    Path("environment.yml").write_text("dependencies:\n- numpy=\n- 3\n")
    Path("requirements.txt").write_text("six\n")
    code, out, _ = run(capsys, "show", "requirements.txt", "environment.yml", "missing.yml", "--format", "json")
    assert code == 3
    files = {one["file"] for one in json.loads(out)}
    assert files == {"environment.yml", "missing.yml"}
