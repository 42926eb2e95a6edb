"""Real environments and Dockerfiles render to what BuildKit reads; see benchmarks/image_rendered.py."""

import pytest

from benchmarks.image_rendered import KINDS, Tally, dockerfiles, judged, put_through, rows

OWN = """# syntax=docker/dockerfile:1
ARG TAG=22.04
FROM ubuntu:{{latest-image-tag}} AS one
COPY a.txt /a/
FROM one
RUN --mount=type=bind,source=a.txt,target=/b cat /b \\
    && pip install numpy
COPY --from=one /a /c
"""


@pytest.mark.shared
def test_every_environment_of_the_corpus_is_rendered_or_refused_with_a_listed_reason():
    found = list(rows(None))
    assert [one.missed for one in found] == [""] * len(found)
    assert sum(one.found for one in found) > 250


@pytest.mark.parametrize("kind", KINDS)
def test_a_dockerfile_is_found_and_put_through(kind, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/Dockerfile").write_text(OWN)
    (tmp_path / "in/Dockerfile.md").write_text("no Dockerfile")
    (tmp_path / "in/a.txt").write_text("a")
    (tmp_path / "out").mkdir()
    [path] = dockerfiles(tmp_path / "in")
    tally = Tally()
    put_through(KINDS[kind](path, tmp_path / "out"), tally, "own")
    assert (tally.rendered, tally.wrong) == (1, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("FROM a AS envbuild-image\nRUN echo", "instructions are missing"),
        ("FROM a\nRUN echo 2\nFROM a AS envbuild-image\n", "'RUN echo' became 'RUN echo 2'"),
        ("FROM a\nRUN echo\nFROM a AS other\n", "its last stage is"),
        ("FROM a\nBAD\nFROM a AS envbuild-image", "BAD is no instruction"),
        ("", "BuildKit cannot read it"),
    ],
)
def test_what_was_lost_or_cannot_be_read_is_told(text, problem):
    assert problem in judged(text, "FROM a\nRUN echo\n")
