"""The CI templates: their scripts are run, with what the service would set, in a real git repository."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from envbuild import programs
from tests.support.locked_project import make_lock, pip_package, project

CI = Path(__file__).parents[2] / "ci"
ACTION = yaml.safe_load((CI / "github/action.yml").read_text())
UPDATE = yaml.safe_load((CI / "github/update.yml").read_text())
GITLAB = yaml.safe_load((CI / "gitlab/envbuild.gitlab-ci.yml").read_text())
pytestmark = pytest.mark.skipif(programs.find("git") is None, reason="git is not there")


def github_steps():
    yield from ACTION["runs"]["steps"]
    yield from UPDATE["jobs"]["update"]["steps"]


def scripts():
    for step in github_steps():
        if "run" in step:
            yield f"github: {step['name']}", step["run"]
    for name, job in GITLAB.items():
        if name != "variables":
            for key in ("before_script", "script"):
                yield from ((f"gitlab: {name}", line) for line in job.get(key, ()))


@pytest.mark.parametrize(("name", "script"), list(scripts()))
def test_every_script_is_one_for_the_shell(name, script, tmp_path):
    file = tmp_path / "script"
    file.write_text(script)
    assert programs.run(["bash", "-n", str(file)], check=False).stderr == ""


def test_no_value_of_a_workflow_is_pasted_into_a_script():
    for step in github_steps():
        assert "${{" not in step.get("run", "")


def test_every_option_that_a_template_uses_is_one_of_ours():
    from envbuild.cli.main import parser
    from envbuild.completion import levels

    known = {one.path: {name for option in one.options for name in option.names} for one in levels(parser())}
    found = 0
    for _, script in scripts():
        for command, rest in re.findall(r"^\s*(?:- )?envbuild (\w+)(.*)$", script, re.MULTILINE):
            options = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
            assert options <= known[command,], (command, options - known[command,])
            found += 1
    assert found >= 8


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    definition = project(folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    make_lock(definition, [pip_package("alpha", "1.1", size=3000)])
    return folder


def git(folder, *arguments):
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return programs.run(argv, cwd=folder).stdout.strip()


@pytest.fixture
def runner(tmp_path):
    """A function that runs a script as a service does, with `envbuild` on PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "envbuild"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m envbuild "$@"\n')
    program.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"PATH": f"{bin_folder}:{env['PATH']}", "RUNNER_TEMP": str(tmp_path), "CI_BUILDS_DIR": str(tmp_path)}
    env |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    env["PYTHONPATH"] = str(CI.parent)

    def run(script, cwd, **variables):
        return programs.run(["bash", "-eo", "pipefail", "-c", script], cwd=cwd, env={**env, **variables}, check=False)

    return run


def step(name):
    return next(one["run"] for one in github_steps() if one.get("name") == name)


def test_the_action_checks_and_annotates(repository, runner):
    wanted = {"DEFINITIONS": "pyproject.toml", "ENVIRONMENT": ""}
    assert runner(step("lock check"), repository, **wanted).code == 0
    definition = repository / "pyproject.toml"
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    done = runner(step("lock check"), repository, **wanted)
    assert done.code == 1
    assert done.stdout.startswith("::error file=pyproject.toml,line=5")


def test_the_action_says_what_moved(repository, runner, tmp_path):
    done = runner(step("what moved"), repository, BASE=git(repository, "rev-parse", "HEAD"))
    assert done.code == 0, done.stderr
    comment = (tmp_path / "envbuild-comment.md").read_text()
    assert "### pylock.toml" in comment
    assert "1.0 → 1.1" in comment
    assert f"comment={tmp_path / 'envbuild-comment.md'}" in (tmp_path / "output").read_text()


def test_the_scheduled_update_says_what_moved(repository, runner, tmp_path):
    done = runner(step("say what moved"), repository)
    assert done.code == 0, done.stderr
    assert "1.0 → 1.1" in (tmp_path / "body.md").read_text()


def test_gitlab_gets_a_report_of_code_quality(repository, runner):
    [script] = GITLAB["envbuild-lock-check"]["script"]
    definition = repository / "pyproject.toml"
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    assert runner(script, repository, ENVBUILD_DEFINITIONS="pyproject.toml").code == 1
    [found] = json.loads((repository / "gl-code-quality-report.json").read_text())
    assert found["location"] == {"path": "pyproject.toml", "lines": {"begin": 5}}


def test_gitlab_diffs_a_merge_request(repository, runner, tmp_path):
    [script] = GITLAB["envbuild-diff"]["script"]
    git(repository, "remote", "add", "origin", str(repository))
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    done = runner(script, repository, CI_MERGE_REQUEST_DIFF_BASE_SHA=git(repository, "rev-parse", "HEAD"))
    assert done.code == 0, done.stderr
    assert "1.0 → 1.1" in (repository / "envbuild-diff.md").read_text()


def test_the_build_step_hands_on_name_and_digest(repository, runner, tmp_path):
    fake = tmp_path / "bin/envbuild"
    answer = json.dumps({"name": "envbuild/envbuild_ab", "digest": "sha256:cd"})
    fake.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/said\necho '{answer}'\n")
    done = runner(
        step("build"), repository, DEFINITIONS="pyproject.toml", ENVIRONMENT="", TAGS="registry.example/a:1 registry.example/a:2",
        PUSH="true", CACHE="registry.example/cache", ENGINE="docker",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    said = (tmp_path / "said").read_text()
    assert (
        "--tag registry.example/a:1 --tag registry.example/a:2 --push --cache-from type=registry,ref=registry.example/cache"
        in said
    )
    output = (tmp_path / "output").read_text().splitlines()
    assert output == ["image=envbuild/envbuild_ab", "digest=sha256:cd", "subject=registry.example/a"]
