"""Texts that make a regular expression try again and again: every parser that has some ends in time, whatever it says."""

from __future__ import annotations

import contextlib
import time

import pytest

from envbuild.core.errors import EnvbuildError
from envbuild.render.dockerignore import DockerIgnore
from tests.fuzz.targets import TARGETS

LONG = 200_000
TEXTS = {
    "spaces": "a" + " " * LONG + "b",
    "spaces, newlines": "a=" + "\r\n" * 990,
    "braces": "{{" * (LONG // 2),
    "schemes": "a://" * (LONG // 4),
    "letters": "a" * LONG + "!",
    "dashes": "a" + "-" * LONG + "!",
    "dots": "a." * (LONG // 2) + "!",
    "brackets": "a" + "[" * LONG,
    "at": "a@" * (LONG // 2),
    "hashes": "six" + " --hash" * (LONG // 8),
    "semicolons": "a " + " ;" * (LONG // 2),
    "quotes": "'" * LONG + '"',
    "angles": "<a" * (LONG // 2),
    "slashes": "/t/" * (LONG // 3),
}
READERS = [name for name in TARGETS if name not in ("tar layer", "wheel", "image archive", "ELF", "server request")]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", TEXTS)
def test_no_text_takes_more_than_its_time(name: str, text: str) -> None:
    before = time.process_time()
    with contextlib.suppress(EnvbuildError):
        TARGETS[name](TEXTS[text].encode())
    # what is quadratic in so many characters takes minutes
    assert time.process_time() - before < 8


def test_stars_in_a_dockerignore_are_counted() -> None:
    before = time.process_time()
    assert not DockerIgnore.parse("*a*a*b\n**/a/**/a/**/x").ignores("a" * 255 + "/" + "a/" * 100)
    with pytest.raises(EnvbuildError, match="more stars"):
        DockerIgnore.parse("*a*a*a*a*a*b")
    with pytest.raises(EnvbuildError, match="more stars"):
        DockerIgnore.parse("**/a/**/b/**/c/**/d")
    assert time.process_time() - before < 8
