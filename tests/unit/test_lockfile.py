"""Where locks lie where a folder holds several definitions."""

from __future__ import annotations

from pathlib import Path

from envbuild.core.definition import Source
from envbuild.core.lock import Lock, LockedPython, PipFile, PipPackage
from envbuild.lockfile import find_lock, lock_path, store_lock

WHEEL = PipFile(
    filename="a-1-py3-none-any.whl", url="https://x.example/a-1-py3-none-any.whl", hashes=(("sha256", "ab" * 32),)
)


def lock_of(*names: str) -> Lock:
    return Lock(
        definition_hash="0" * 64,
        platforms=("linux-64",),
        python=LockedPython(version="3.12", provider="base"),
        pip=(PipPackage(name="a", version="1", wheels=(WHEEL,)),),
        sources=tuple(Source(path=name, sha256="cd" * 32) for name in names),
        created_by="envbuild",
    )


def stored(definition: Path, *included: str) -> Path:
    definition.touch()
    lock = lock_of(definition.name, *included)
    path = lock_path(definition, lock)
    store_lock(path, lock)
    return path


def test_the_second_definition_of_a_folder_leaves_the_lock_of_the_first_alone(tmp_path):
    names = ("requirements.txt", "pyproject.toml", "requirements.in")
    found = [stored(tmp_path / name).name for name in names]
    assert found == ["pylock.toml", "pylock.pyproject.toml", "pylock.requirements.toml"]
    assert [find_lock(tmp_path / name).name for name in names] == found


def test_the_lock_of_a_neighbour_is_not_the_definitions_own(tmp_path):
    stored(tmp_path / "requirements.txt")
    assert find_lock(tmp_path / "pyproject.toml") is None


def test_what_a_definition_includes_has_a_lock_of_its_own(tmp_path):
    including = stored(tmp_path / "requirements.txt", "pyproject.toml")
    assert find_lock(tmp_path / "pyproject.toml") is None
    assert stored(tmp_path / "pyproject.toml").name == "pylock.pyproject.toml"
    assert find_lock(tmp_path / "requirements.txt") == including


def test_a_lock_that_does_not_say_what_it_was_made_from_is_taken(tmp_path):
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\n')
    assert find_lock(tmp_path / "requirements.txt") == tmp_path / "pylock.toml"
