"""The hash of a folder of source code: another one for whatever a wheel may be made of, the same for what it is not."""

from __future__ import annotations

import os

import pytest

from envbuild import programs
from envbuild.code import sources


def sources_hash(folder):
    return sources.sources_hash(str(folder))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "project"
    (place / "src/pkg").mkdir(parents=True)
    (place / "src/pkg/__init__.py").write_text("x = 1\n")
    (place / "pyproject.toml").write_text('[project]\nname = "pkg"\nreadme = "../README.md"\n')
    (tmp_path / "README.md").write_text("about\n")
    return place


def change_a_file(folder):
    (folder / "src/pkg/__init__.py").write_text("x = 2\n")


def add_a_file(folder):
    (folder / "src/pkg/more.py").write_text("")


def rename_a_file(folder):
    (folder / "src/pkg/__init__.py").rename(folder / "src/pkg/__init.py")


def make_it_a_program(folder):
    (folder / "src/pkg/__init__.py").chmod(0o755)


def change_what_is_named_above(folder):
    (folder.parent / "README.md").write_text("About\n")


def change_behind_a_link(folder):
    (folder.parent / "shared/data.txt").write_text("b")


def make_a_package_called_build(folder):
    (folder / "build").mkdir()
    (folder / "build/__init__.py").write_text("")


@pytest.mark.parametrize(
    "change",
    [
        change_a_file,
        add_a_file,
        rename_a_file,
        make_it_a_program,
        change_what_is_named_above,
        change_behind_a_link,
        make_a_package_called_build,
    ],
)
def test_another_source_is_another_hash(folder, change):
    (folder.parent / "shared").mkdir()
    (folder.parent / "shared/data.txt").write_text("a")
    (folder / "src/pkg/data").symlink_to(folder.parent / "shared")
    before = sources_hash(folder)
    change(folder)
    assert sources_hash(folder) != before


@pytest.mark.parametrize(
    "name", ["src/pkg/__pycache__/x.pyc", ".git/HEAD", ".venv/bin/x", "dist/a.whl", "build/lib/x.py", "pkg.egg-info/x"]
)
def test_what_no_wheel_is_made_of_does_not_count(folder, name):
    before = sources_hash(folder)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("new")
    assert sources_hash(folder) == before


def test_an_environment_in_the_folder_does_not_count(folder):
    before = sources_hash(folder)
    (folder / "env/lib").mkdir(parents=True)
    (folder / "env/pyvenv.cfg").write_text("")
    (folder / "env/lib/x.py").write_text("")
    assert sources_hash(folder) == before


def test_a_large_file_is_known_by_its_size_and_time(folder):
    large = folder / "data.bin"
    large.write_bytes(bytes(2 << 20))
    before = sources_hash(folder)
    os.utime(large, (1, 1))
    assert sources_hash(folder) != before


def test_a_folder_within_itself_ends(folder):
    (folder / "src/again").symlink_to(folder)
    assert sources_hash(folder) == sources_hash(folder)


def test_a_version_from_version_control_is_another_for_each_commit(folder):
    def git(*arguments):
        own = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        programs.run(["git", *own, *arguments], cwd=folder)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    plain = sources_hash(folder)
    git("commit", "-qm", "two", "--allow-empty")
    assert sources_hash(folder) == plain
    with (folder / "pyproject.toml").open("a") as file:
        file.write('dynamic = ["version"]\n[build-system]\nrequires = ["hatch-vcs"]\n')
    before = sources_hash(folder)
    git("commit", "-qm", "three", "--allow-empty")
    assert sources_hash(folder) != before
