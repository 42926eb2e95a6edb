"""A lock comes from somebody else: no text in any of its fields becomes an instruction, a shell word, an option or a path."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from envbuild.context import tar_context, write_context
from envbuild.core.definition import IndexPin
from envbuild.core.errors import EnvbuildError, IntegrityError
from envbuild.core.lock import Lock, LockedApt, PipFile, PipPackage, Vcs
from envbuild.core.plan import make_plan
from envbuild.formats.detect import read_lock, write_lock
from envbuild.render import render
from tests.security.fields import FIELDS
from tests.security.hostile import HOSTILE
from tests.security.judge import complaints
from tests.security.test_injection import HASHES, locked

DEFINITION = FIELDS["conda pip"].read("six")
LOCK = replace(locked(DEFINITION), apt=LockedApt(packages=("git",), snapshot="20261121T000000Z"))
ARCHIVE = PipFile(filename="a-1.tar.gz", url="https://files.example/a-1.tar.gz", hashes=HASHES)
VCS = Vcs(type="git", url="https://git.example/a", commit="f" * 40, subdirectory="lib")
Change = Callable[[str], Lock]


def _texts(value: Any) -> list[str]:
    return [one.name for one in fields(value) if isinstance(getattr(value, one.name), str)]


def _places() -> dict[str, Change]:
    conda, wheel, tool = LOCK.conda[0], LOCK.pip[0], LOCK.tools[0]
    archive = PipPackage(name="a", version="1", archive=ARCHIVE)
    vcs = PipPackage(name="a", version="1", vcs=VCS)
    places: dict[str, Change] = {}
    for name in _texts(LOCK):
        places[f"lock {name}"] = lambda text, name=name: replace(LOCK, **{name: text})
    for part in ("base", "python", "apt"):
        for name in _texts(getattr(LOCK, part)):
            places[f"{part} {name}"] = lambda text, part=part, name=name: replace(
                LOCK, **{part: replace(getattr(LOCK, part), **{name: text})}
            )
    places["apt package"] = lambda text: replace(LOCK, apt=LockedApt(packages=(text,)))
    places["extra index"] = lambda text: replace(LOCK, extra_index_urls=(text,))
    places["index pin"] = lambda text: replace(LOCK, index_pins=(IndexPin(name="six", url=text),))
    for name in _texts(conda):
        places[f"conda {name}"] = lambda text, name=name: replace(
            LOCK, conda=(replace(conda, **{name: text}), *LOCK.conda[1:])
        )
    for name in sorted({*_texts(wheel)} - {"marker"}):  # no writer writes a wrong one; tests/fuzz reads such
        places[f"pip {name}"] = lambda text, name=name: replace(LOCK, pip=(replace(wheel, **{name: text}),))
    for what, package, key in (("wheel", wheel, "wheels"), ("tool", tool, "wheels"), ("archive", archive, "archive")):
        file = package.wheels[0] if key == "wheels" else ARCHIVE
        for name in _texts(file):

            def change(
                text: str, what: str = what, package: PipPackage = package, key: str = key, name: str = name
            ) -> Lock:
                new = replace(package.wheels[0] if key == "wheels" else ARCHIVE, **{name: text})
                changed = replace(package, **{key: (new,) if key == "wheels" else new})
                return (
                    replace(LOCK, tools=(changed, *LOCK.tools[1:])) if what == "tool" else replace(LOCK, pip=(changed,))
                )

            places[f"{what} {name}"] = change
    places["path of a wheel"] = lambda text: replace(
        LOCK, pip=(replace(wheel, wheels=(replace(wheel.wheels[0], url="", path=text),)),)
    )
    places["hash"] = lambda text: replace(
        LOCK, pip=(replace(wheel, wheels=(replace(wheel.wheels[0], hashes=(("sha256", text),)),)),)
    )
    for name in _texts(VCS):
        places[f"vcs {name}"] = lambda text, name=name: replace(
            LOCK, pip=(replace(vcs, vcs=replace(VCS, **{name: text})),)
        )
    return places


PLACES = _places()


@pytest.mark.parametrize("place", PLACES)
def test_no_text_of_a_lock_file_becomes_more_than_a_value(place: str) -> None:
    """As far as our own writer writes it and our own reader takes it back: that is what a hostile file can say."""
    usual = render(make_plan(DEFINITION, LOCK))
    found: dict[str, list[str]] = {}
    judged = 0
    for text in HOSTILE:
        judged += 1
        try:
            lock = read_lock(write_lock(PLACES[place](text), "conda-lock.yml"), "conda-lock.yml")
            plan = make_plan(DEFINITION, lock)
            context = render(plan)
        except EnvbuildError:
            continue
        if context == usual:
            continue
        if said := list(complaints(context, plan, usual)):
            found[text] = said
    assert not found
    assert judged == len(HOSTILE)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret"])
def test_a_lock_cannot_have_another_file_of_this_machine_copied_into_a_context(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("planted")
    (tmp_path / "project" / "a").mkdir(parents=True)
    lock = PLACES["path of a wheel"](path)
    context = render(make_plan(DEFINITION, lock), root=tmp_path / "project")
    with pytest.raises(IntegrityError, match="promised was"):
        write_context(context, tmp_path / "out")
    with pytest.raises(IntegrityError):
        tar_context(context, io.BytesIO())
    assert not (tmp_path / "out").exists()


def test_an_absolute_path_is_a_url_that_no_context_follows() -> None:
    lock = read_lock(write_lock(PLACES["path of a wheel"]("/etc/passwd"), "conda-lock.yml"), "conda-lock.yml")
    assert lock.pip[0].wheels[0].url == "file:///etc/passwd"
    assert not [file for file in render(make_plan(DEFINITION, lock)).files if file.source is not None]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    context = render(make_plan(DEFINITION, PLACES["path of a wheel"]("pipe")), root=tmp_path)
    with pytest.raises(EnvbuildError, match="is not a file"):
        write_context(context, tmp_path / "out")
