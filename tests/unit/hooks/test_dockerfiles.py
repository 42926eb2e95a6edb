"""Committed Dockerfiles and contexts against what their locks render to."""

import shutil
from pathlib import Path

from envbuild import api
from envbuild.hooks.dockerfiles import committed_dockerfiles, differences
from tests.support.code import code_project
from tests.support.locked_project import BASE, make_lock, pip_package, project


def committed(definition, folder, **wishes):
    api.write_context(api.plan(definition, locked=True, **wishes), folder, root=definition.parent)
    return folder / "Dockerfile"


def test_what_was_just_rendered_does_not_differ(tmp_path):
    definition = project(tmp_path)
    dockerfile = committed(definition, tmp_path / "docker")
    for changed in (definition, tmp_path / "pylock.toml", dockerfile):
        [found] = committed_dockerfiles([changed])
        assert found.dockerfile == dockerfile
        assert differences(found) == ()


def test_an_edited_dockerfile_is_named_with_its_line_and_mended(tmp_path):
    dockerfile = committed(project(tmp_path), tmp_path / "docker")
    rendered = dockerfile.read_text()
    dockerfile.write_text(rendered.replace("USER 0", "USER 1", 1))
    [found] = committed_dockerfiles([dockerfile])
    [problem] = differences(found)
    assert problem.line == rendered.splitlines().index("USER 0") + 1
    assert "`USER 1`, but the lock renders to `USER 0`" in problem.message
    assert differences(found, write=True)
    assert dockerfile.read_text() == rendered
    assert differences(found) == ()


def test_a_changed_lock_shows_in_the_context_too(tmp_path):
    definition = project(tmp_path)
    dockerfile = committed(definition, tmp_path / "docker")
    stray = tmp_path / "docker/envbuild/left-over.txt"
    stray.write_text("x")
    make_lock(definition, [pip_package("alpha", "1.1")])
    [found] = committed_dockerfiles([definition])
    files = {problem.file for problem in differences(found, write=True)}
    assert str(stray) in files
    assert any(file.startswith(str(dockerfile.parent / "envbuild")) and file != str(stray) for file in files)
    assert differences(found) == ()
    assert not stray.exists()


def test_a_dockerfile_alone_is_compared_alone_and_nothing_is_put_beside_it(tmp_path):
    definition = project(tmp_path)
    rendered = committed(definition, tmp_path / "docker").read_text()
    alone = tmp_path / "Dockerfile"
    alone.write_text(rendered + "# more\n")
    found = next(one for one in committed_dockerfiles([alone]) if one.dockerfile == alone)
    assert len(differences(found, write=True)) == 1
    assert alone.read_text() == rendered
    assert not (tmp_path / "envbuild").exists()


def test_a_dockerfile_of_the_users_own_is_left_alone(tmp_path):
    project(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert committed_dockerfiles([tmp_path / "Dockerfile"]) == ()


def test_each_of_several_environments_finds_its_own_folder(tmp_path):
    definition = project(tmp_path, more='[tool.envbuild.environments.gpu]\npip = ["beta"]\n')
    make_lock(definition, [pip_package("beta", "1.0")], environment="gpu")
    one = committed(definition, tmp_path / "docker")
    two = committed(definition, tmp_path / "docker-gpu", environment="gpu")
    found = {each.dockerfile: each for each in committed_dockerfiles([definition])}
    assert {path: each.target.environment for path, each in found.items()} == {one: "", two: "gpu"}
    assert all(differences(each) == () for each in found.values())


def test_a_stale_lock_is_said_instead(tmp_path):
    definition = project(tmp_path)
    dockerfile = committed(definition, tmp_path / "docker")
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    [found] = committed_dockerfiles([dockerfile])
    assert any("is stale" in problem.message for problem in differences(found))


def test_a_context_with_own_code_is_held_against_it_and_one_without_stays_so(tmp_path):
    definition = code_project(tmp_path, needs='"alpha"', more=f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.12"\n')
    make_lock(definition, [pip_package("alpha", "1.0")])
    dockerfile = committed(definition, tmp_path / "docker")
    [found] = committed_dockerfiles([definition])
    assert differences(found) == ()
    (tmp_path / "mypkg/__init__.py").write_text("answer = 2\n")
    assert {Path(one.file).name for one in differences(found, write=True)} >= {"requirements.txt"}
    assert differences(found) == ()
    shutil.rmtree(dockerfile.parent)
    committed(definition, dockerfile.parent, code=False)
    assert differences(found) == ()
