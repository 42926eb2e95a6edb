"""Which environments a set of changed files bears on."""

import re
from pathlib import Path

import pytest
import yaml

from envbuild.core.errors import DefinitionError
from envbuild.hooks.targets import Target, files_below, find_targets
from tests.support.locked_project import BASE, make_lock, pip_package, project

ALPHA = pip_package("alpha", "1.0")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path()


def requirements(name, text="alpha\n"):
    Path(name).write_text(text)
    return Path(name)


def test_a_definition_and_its_lock_are_one_target(here):
    definition = project(here)
    lock = Path("pylock.toml")
    expected = (Target(definition=definition, lock=lock),)
    assert find_targets([definition]).targets == expected
    assert find_targets([lock]).targets == expected
    assert find_targets([lock, definition]).targets == expected


def test_a_file_that_a_definition_includes_leads_to_its_lock(here):
    requirements("base.txt")
    definition = requirements("requirements-gpu.txt", "-r base.txt\n")
    lock = make_lock(definition, [ALPHA])
    assert lock.name == "pylock.gpu.toml"
    assert find_targets([Path("base.txt")]).targets == (Target(definition=definition, lock=lock),)


def test_an_included_file_in_a_folder_below_leads_to_the_lock_above(here):
    Path("requirements").mkdir()
    requirements("requirements/base.txt")
    lock = make_lock(requirements("requirements.txt", "-r requirements/base.txt\n"), [ALPHA])
    assert [one.lock for one in find_targets([Path("requirements/base.txt")]).targets] == [lock]


def test_a_pyproject_leads_to_all_its_environments_locked_or_not(here):
    definition = project(here, more='[tool.envbuild.environments."gpu.big"]\n[tool.envbuild.environments.serve]\n')
    lock = make_lock(definition, [ALPHA], environment="gpu.big")
    found = find_targets([definition]).targets
    assert [(one.environment, one.lock) for one in found] == [
        ("", Path("pylock.toml")),
        ("gpu.big", lock),
        ("serve", None),
    ]
    assert find_targets([lock]).targets == (Target(definition=definition, environment="gpu.big", lock=lock),)


def test_what_environments_only_share_needs_no_lock_of_its_own(here):
    definition = Path("pyproject.toml")
    definition.write_text(f'[tool.envbuild]\nbase = "{BASE}"\n[tool.envbuild.environments.a]\npip = ["alpha"]\n')
    assert [one.environment for one in find_targets([definition]).targets] == ["a"]


def test_a_pyproject_that_says_nothing_of_envbuild_is_left_alone(here):
    Path("pyproject.toml").write_text("[tool.ruff]\n")
    assert find_targets([Path("pyproject.toml")]).targets == ()


def test_a_definition_without_a_lock_is_a_target_without_one(here):
    requirements("requirements.txt")
    assert find_targets([Path("requirements.txt")]).targets == (Target(definition=Path("requirements.txt")),)


def test_a_lock_whose_definition_is_gone_is_a_problem(here):
    project(here).unlink()
    found = find_targets([Path("pylock.toml")])
    assert found.targets == ()
    assert "was made from pyproject.toml, which is not there" in str(found.problems[0])


def test_a_lock_that_another_tool_wrote_for_nothing_of_ours_is_left_alone(here):
    Path("pylock.toml").write_text('lock-version = "1.0"\ncreated-by = "other"\npackages = []\n')
    assert find_targets([Path("pylock.toml")]).targets == ()


def test_broken_toml_is_named(here):
    Path("pyproject.toml").write_text("[tool\n")
    with pytest.raises(DefinitionError, match=r"pyproject\.toml"):
        find_targets([Path("pyproject.toml")])


def test_all_files_below_leave_hidden_and_installed_ones_out(here):
    project(here)
    for folder in (".venv/x", "node_modules/y", "sub"):
        Path(folder).mkdir(parents=True)
        Path(folder, "requirements.txt").write_text("alpha\n")
    assert [str(one) for one in files_below(here)] == ["pylock.toml", "pyproject.toml", "sub/requirements.txt"]


FIRES = re.compile(yaml.safe_load((Path(__file__).parents[3] / ".pre-commit-hooks.yaml").read_text())[0]["files"])


@pytest.mark.parametrize(
    "name",
    [
        *("environment.yml", "envs/gpu.yml", "conda_dependencies.yml", "requirements/base.txt", "dev-requirements.in", "setup.cfg"),
        *("a/pyproject.toml", "pixi.toml", "Pipfile", "azureml_environment.json", "inferenceConfig.json", "train.runconfig"),
        *("MLmodel", "MLproject", "conda-lock.yml", "sub/conda-lock.gpu.yml", "pylock.toml", "pylock.gpu.toml"),
    ],
)  # fmt: skip
def test_pre_commit_fires_on_whatever_may_drift(name):
    assert FIRES.search(name)


@pytest.mark.parametrize("name", ["train.py", "README.md", "package.json", "ruff.toml", "uv.lock"])
def test_pre_commit_does_not_fire_on_the_rest(name):
    assert not FIRES.search(name)


def test_a_definition_of_any_name_leads_to_its_lock_and_other_files_to_nothing(here):
    Path("gpu.yml").write_text("channels: []\ndependencies: [{pip: [alpha]}]\n")
    make_lock(Path("gpu.yml"), [pip_package("alpha", "1.0")])
    for name in ("mkdocs.yml", "notes.txt"):
        Path(name).write_text("a: b\n")
    [target] = find_targets([Path("gpu.yml"), Path("mkdocs.yml"), Path("notes.txt")]).targets
    assert (target.definition, target.lock) == (Path("gpu.yml"), Path("pylock.gpu.toml"))


def test_a_project_of_another_name_is_no_environment_of_that_name(here):
    Path("train.toml").write_text('[tool.envbuild]\npip = ["alpha"]\n')
    make_lock(Path("train.toml"), [ALPHA])
    [target] = find_targets([Path("pylock.train.toml")]).targets
    assert (target.definition, target.environment) == (Path("train.toml"), "")
    Path("train.toml").write_text('[tool.envbuild.environments.gpu]\npip = ["alpha"]\n')
    make_lock(Path("train.toml"), [ALPHA], environment="gpu")
    assert find_targets([Path("pylock.gpu.toml")]).targets[0].environment == "gpu"


def test_what_envbuild_rendered_is_no_definition(here):
    rendered = Path("docker/envbuild/pip/requirements.txt")
    rendered.parent.mkdir(parents=True)
    Path("docker/Dockerfile").write_text("FROM scratch\n")
    rendered.write_text("alpha==1.0\n")
    assert find_targets([rendered]).targets == ()
    # a package that is called so is none
    Path("docker/envbuild/__init__.py").write_text("")
    assert len(find_targets([rendered]).targets) == 1
