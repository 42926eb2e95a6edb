"""Locks that no longer answer, and the command that mends them."""

from pathlib import Path

from envbuild.hooks.drift import drifted, reasons_against
from envbuild.hooks.targets import find_targets
from tests.support.locked_project import make_lock, pip_package, project


def test_an_unchanged_project_has_not_drifted(tmp_path):
    definition = project(tmp_path)
    assert list(drifted(find_targets([definition]).targets)) == []


def test_a_comment_is_no_drift(tmp_path):
    definition = project(tmp_path)
    definition.write_text(definition.read_text() + "# a comment\n")
    assert list(drifted(find_targets([definition]).targets)) == []


def test_a_range_that_the_lock_satisfies_is_no_drift(tmp_path):
    definition = project(tmp_path)
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=0.5"'))
    assert list(drifted(find_targets([definition]).targets)) == []


def test_a_range_that_it_does_not_satisfy_is_named_with_file_and_fix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    definition = project(Path("sub"))
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    [found] = drifted(find_targets([definition]).targets)
    assert found.fix == "envbuild lock sub/pyproject.toml"
    assert found.reasons[0].file == "sub/pyproject.toml"
    assert "the lock has alpha 1.0" in found.reasons[0].message


def test_a_missing_lock_is_drift(tmp_path):
    (tmp_path / "environment.yml").write_text("dependencies: [python=3.12]\n")
    [found] = drifted(find_targets([tmp_path / "environment.yml"]).targets)
    assert "there is no lock" in found.reasons[0].message


def test_a_lock_that_was_edited_is_drift(tmp_path):
    definition = project(tmp_path)
    definition.write_text(definition.read_text() + "# moved\n")
    lock = tmp_path / "pylock.toml"
    lock.write_text(lock.read_text().replace("definition-hash", "definition-hush").replace('"1.0"', '"one"', 2))
    [target] = find_targets([lock]).targets
    assert reasons_against(target)


def test_a_definition_that_is_not_understood_is_drift_with_its_problems(tmp_path):
    definition = project(tmp_path)
    definition.write_text(definition.read_text() + 'nmae = "x"\n')
    [found] = drifted(find_targets([definition]).targets)
    assert "did you mean 'name'?" in str(found.reasons[0])


def test_a_services_lock_is_held_against_what_the_service_needs(tmp_path):
    from envbuild.app import service_definition
    from envbuild.read import read_definition

    definition = project(tmp_path)
    service = service_definition(read_definition(definition))
    packages = [pip_package(one.name, one.specifier.strip("=<>~") or "1.0") for one in service.pip]
    lock = make_lock(definition, packages).rename(tmp_path / "pylock.service.toml")
    lock.write_text(lock.read_text().replace(read_definition(definition).hash, service.hash))
    make_lock(definition, [pip_package("alpha", "1.0")])
    definition.write_text(definition.read_text() + "# moved\n")
    assert list(drifted(find_targets([lock]).targets)) == []
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    [found] = drifted(find_targets([lock]).targets)
    assert found.fix == f"envbuild package {definition}"
