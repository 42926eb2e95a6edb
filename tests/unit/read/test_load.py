from __future__ import annotations

import contextlib
import hashlib

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read import detect_kind, read_definition


def test_every_file_that_was_read_is_remembered_by_its_bytes(tmp_path):
    (tmp_path / "requirements.txt").write_text("-r sub/more.txt\n-c c.txt\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("flask\n")
    (tmp_path / "c.txt").write_text("flask<3\n")
    sources = read_definition(tmp_path / "requirements.txt").sources
    assert [one.path for one in sources] == ["requirements.txt", "sub/more.txt", "c.txt"]
    assert sources[1].sha256 == hashlib.sha256(b"flask\n").hexdigest()


def test_the_content_of_a_build_context_is_part_of_the_definition(tmp_path):
    (tmp_path / "env.yml").write_text("name: a\nbuild: {path: context}\n")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM ubuntu:22.04\n")
    first = read_definition(tmp_path / "env.yml").hash
    (context / "run.sh").write_text("echo\n")
    second = read_definition(tmp_path / "env.yml").hash
    (context / "run.sh").chmod(0o755)
    assert len({first, second, read_definition(tmp_path / "env.yml").hash}) == 3


def test_a_build_context_that_is_not_there_is_noted(tmp_path):
    (tmp_path / "env.yml").write_text("name: a\nbuild: {path: context}\n")
    found = read_definition(tmp_path / "env.yml")
    assert found.base.context.path == "context"
    assert "is not there" in found.notes[0].message


@pytest.mark.parametrize("name", ["environment.yml", "requirements.txt", "pyproject.toml", "setup.cfg", "MLmodel"])
def test_a_file_that_is_not_there_is_refused_by_name(tmp_path, name):
    with pytest.raises(DefinitionError, match=f"{name}: cannot be read: No such file"):
        read_definition(tmp_path / name)


def test_a_folder_is_read_as_the_definition_that_it_holds(tmp_path):
    (tmp_path / "environment.yml").write_text("dependencies: [numpy]\n")
    assert read_definition(tmp_path).kind == "conda"


def test_an_empty_folder_holds_no_definition(tmp_path):
    with pytest.raises(DefinitionError, match="holds no definition"):
        read_definition(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.yml", "dependencies:\n- a\n", "conda"),
        ("x.yaml", "image: a\n", "azure-v2"),
        ("x.yml", "name: a\nenvironment:\n  image: a\n", "azure-v2"),
        ("x.yml", "flavors: {}\n", "mlmodel"),
        ("x.yml", "python: 3.10\nbuild_dependencies: []\n", "python-env"),
        ("x.runconfig", "environment: {}\n", "azure-v1-run"),
        ("x.json", '{"entryScript": "a.py"}', "azure-v1-inference"),
        ("x.txt", "@EXPLICIT\n", "lock"),
        ("poetry.lock", "", "lock"),
        ("x.lock.yml", "version: 1\nmetadata:\n", "lock"),
        ("pylock.dev.toml", "", "lock"),
        ("dev-requirements.in", "a\n", "requirements"),
        ("Dockerfile.gpu", "FROM a\n", "dockerfile"),
        ("notes.md", "hello\n", "unknown"),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_name_and_content(tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    assert detect_kind(tmp_path / name) == kind


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        "- " * 100_000,
        "{a: " * 3000,
        "a: &a [*a]\ndependencies: *a\n",
        "dependencies:\n- a\n- " + " " * 500_000 + "#",
    ],
    ids=["lists", "maps", "compact lists", "nested maps", "a cycle", "spaces"],
)
def test_hostile_files_do_not_crash_the_reader(tmp_path, text):
    (tmp_path / "environment.yml").write_text(text)
    with contextlib.suppress(DefinitionError):
        assert read_definition(tmp_path / "environment.yml").conda
