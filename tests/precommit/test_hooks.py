"""`pre-commit run` in a real git repository, with the hooks of this checkout: each once passing and once failing with its fix."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from envbuild import api, programs
from tests.support.locked_project import project

ROOT = Path(__file__).parents[2]
HOOKS = {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
pytestmark = pytest.mark.skipif(programs.find("git") is None, reason="git is not there")


class Repository:
    """A git repository with a project and our hooks."""

    def __init__(self, folder, config, env):
        self.folder, self.env = folder, env
        self.definition = project(folder)
        (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
        self.git("init", "-q")
        self.git("add", "-A")

    def git(self, *arguments):
        programs.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments], cwd=self.folder)

    def run(self, hook, *arguments):
        self.git("add", "-A")
        argv = [
            sys.executable,
            "-m",
            "pre_commit",
            "run",
            "--all-files",
            "--color=never",
            "--verbose",
            *arguments,
            hook,
        ]
        return programs.run(argv, cwd=self.folder, env=self.env, check=False)

    def passes(self, hook, *arguments):
        done = self.run(hook, *arguments)
        assert done.code == 0, done.stdout + done.stderr
        assert "Passed" in done.stdout
        return done.stdout

    def fails(self, hook, *arguments):
        done = self.run(hook, *arguments)
        assert done.code == 1, done.stdout + done.stderr
        assert "Failed" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def edit(self, path, old, new):
        file = self.folder / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def apply(self, output):
        """Run the command behind `fix:`, as a person would."""
        [fix] = [line.removeprefix("fix: ") for line in output.splitlines() if line.startswith("fix: ")]
        words = fix.split()
        assert words[0] == "envbuild"
        return programs.run([sys.executable, "-m", "envbuild", *words[1:]], cwd=self.folder, env=self.env, check=False)


def environment(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return {**kept, "PATH": path, "PRE_COMMIT_HOME": str(home), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def repository(tmp_path):
    """The hooks as `.pre-commit-hooks.yaml` has them, run by this interpreter rather than one that is installed first."""
    hooks = [{**one, "language": "system", "entry": f"{sys.executable} -m {one['entry']}"} for one in HOOKS.values()]
    for one in hooks:
        one.pop("minimum_pre_commit_version")
    return Repository(tmp_path / "repo", {"repos": [{"repo": "local", "hooks": hooks}]}, environment(tmp_path / "home"))


def test_every_hook_is_declared_once_and_runs_as_one_process():
    assert set(HOOKS) == {
        "envbuild-lock-check",
        "envbuild-lock",
        "envbuild-dockerfile",
        "envbuild-image-reproducible",
        "envbuild-secrets",
    }
    assert all(one["require_serial"] for one in HOOKS.values())
    assert HOOKS["envbuild-image-reproducible"]["stages"] == ["manual"]


def test_lock_check(repository):
    repository.passes("envbuild-lock-check")
    repository.edit("pyproject.toml", '"alpha"', '"alpha>=2"')
    output = repository.fails("envbuild-lock-check")
    assert "alpha>=2 is asked for, but the lock has alpha 1.0" in output
    assert "fix: envbuild lock pyproject.toml" in output


def test_lock_check_fires_on_the_lock_alone(repository):
    repository.git("-c", "commit.gpgsign=false", "commit", "-q", "-m", "one", "--no-verify")
    repository.edit("pylock.toml", 'name = "alpha"', 'name = "aleph"')
    repository.edit("pylock.toml", "definition-hash", "hash-of-definition")
    repository.git("add", "pylock.toml")
    argv = [sys.executable, "-m", "pre_commit", "run", "--color=never", "envbuild-lock-check"]
    done = programs.run(argv, cwd=repository.folder, env=repository.env, check=False)
    assert done.code == 1, done.stdout
    assert "is not consistent with package name 'aleph'" in done.stdout


def test_dockerfile(repository):
    plan = api.plan(repository.definition, locked=True)
    api.write_context(plan, repository.folder / "docker", root=repository.folder)
    repository.passes("envbuild-dockerfile")
    repository.edit("docker/Dockerfile", "USER 0", "USER 1")
    output = repository.fails("envbuild-dockerfile")
    assert "is `USER 1`, but the lock renders to `USER 0`" in output
    repository.apply(output)
    repository.passes("envbuild-dockerfile")


def test_secrets(repository):
    repository.passes("envbuild-secrets")
    repository.definition.write_text(
        repository.definition.read_text() + '[tool.envbuild.variables]\nAPI_TOKEN = "hunter2hunter2"\n'
    )
    output = repository.fails("envbuild-secrets")
    assert "pyproject.toml:8: holds a secret as a plain value" in output
    assert "hunter2" not in output
    assert "write ${NAME}" in output
    repository.edit("pyproject.toml", "hunter2hunter2", "${API_TOKEN}")
    repository.passes("envbuild-secrets")


def test_lock_refreshes_what_is_stale_and_nothing_else(repository, index):
    index.add("alpha", "1.0")
    index.add("alpha", "2.0")
    index.add("beta", "1.0")
    definition = repository.definition
    pinned = definition.read_text().replace("ubuntu:24.04", "ubuntu:24.04@sha256:" + "ab" * 32)
    definition.write_text(f'{pinned}index-url = "{index.url}"\n')
    api.lock(definition, options=None)
    # the lock before is kept as far as it answers, so alpha stays at 1.0 though there is a 2.0
    repository.passes("envbuild-lock")
    repository.edit("pyproject.toml", '"alpha",', '"alpha", "beta",')
    output = repository.fails("envbuild-lock")
    assert "pylock.toml: refreshed; commit it with pyproject.toml" in output
    repository.passes("envbuild-lock")
    repository.passes("envbuild-lock-check")
    lock = (repository.folder / "pylock.toml").read_text()
    assert 'name = "beta"' in lock
    assert "alpha-1.0" in lock
    assert "alpha-2.0" not in lock


@pytest.mark.index
def test_the_hooks_install_and_run_from_a_repository_as_users_have_them(tmp_path):
    source = tmp_path / "envbuild"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", ".envbuild"))
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        programs.run([*git, *arguments])
    revision = programs.run([*git, "rev-parse", "HEAD"]).stdout.strip()
    hooks = [{"id": one} for one in HOOKS if one != "envbuild-lock"]
    env = {name: value for name, value in environment(tmp_path / "home").items() if name != "PYTHONPATH"}
    config = {"repos": [{"repo": str(source), "rev": revision, "hooks": hooks}]}
    repository = Repository(tmp_path / "repo", config, env)
    repository.passes("envbuild-lock-check")
    repository.passes("envbuild-secrets")
    repository.edit("pyproject.toml", '"alpha"', '"alpha>=2"')
    assert "fix: envbuild lock pyproject.toml" in repository.fails("envbuild-lock-check")
