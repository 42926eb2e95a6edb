from __future__ import annotations

import pytest

from envbuild.core.errors import PlanError
from envbuild.render.own_dockerfile import prepare


def test_the_last_from_gets_a_name_and_known_images_their_digest() -> None:
    own = prepare(
        "ARG A=1\nFROM x AS one\nRUN a\nfrom y:2\nRUN b\n", {"y:2": "y:2@sha256:0", "x": "x@sha256:1"}, "ours"
    )
    assert own.text == "ARG A=1\nFROM x@sha256:1 AS one\nRUN a\nFROM y:2@sha256:0 AS ours\nRUN b"
    assert own.last_stage == "ours"


def test_the_name_of_a_named_last_stage_is_kept() -> None:
    assert prepare("FROM x AS mine\n", {}, "ours").last_stage == "mine"


def test_from_in_a_comment_a_continuation_or_a_here_document_is_no_instruction() -> None:
    text = "FROM x\n# FROM comment\nRUN a \\\n  # note\n  FROM b\nRUN <<END\nFROM c\nEND\n"
    own = prepare(text, {"b": "no", "c": "no"}, "ours")
    assert own.text.count(" AS ours") == 1
    assert own.text.startswith("FROM x AS ours\n")


def test_a_syntax_line_is_taken_out_and_told() -> None:
    own = prepare("# syntax = registry.example/frontend:1\n# check=skip=all\nFROM x\n", {}, "ours")
    assert own.syntax == "registry.example/frontend:1"
    assert own.text == "FROM x AS ours"


def test_another_escape_character_is_refused() -> None:
    with pytest.raises(PlanError, match="escape"):
        prepare("# escape=`\nFROM x\n", {}, "ours")


def test_a_dockerfile_without_from_is_refused() -> None:
    with pytest.raises(PlanError, match="no FROM"):
        prepare("RUN true\n", {}, "ours")


def test_a_stage_of_the_users_may_not_have_the_name_of_one_of_ours() -> None:
    with pytest.raises(PlanError, match="envbuild-image"):
        prepare("FROM x AS envbuild-image\nFROM envbuild-image\n", {}, "ours")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY . /x", "COPY context/. /x"),
        ("COPY --chown=1:1 a b* /x/", "COPY --chown=1:1 context/a context/b* /x/"),
        ("COPY a \\\n  # note\n  b /x/", "COPY context/a context/b /x/"),
        ('COPY ["a b", "/x"]', 'COPY ["context/a b", "/x"]'),
        ("COPY /abs /x", "COPY context/abs /x"),
        ("COPY --from=other a /x", "COPY --from=other a /x"),
        ("copy $A /x", "copy context/$A /x"),
        ("ADD https://files.example/a b /x/", "ADD https://files.example/a context/b /x/"),
        ("COPY <<END /x\na\nEND", "COPY <<END /x\na\nEND"),
        ("RUN --mount=type=bind,source=a,target=/a x", "RUN --mount=type=bind,target=/a,source=context/a x"),
        ("RUN --mount=target=/a \\\n  x", "RUN --mount=target=/a,source=context \\\n  x"),
        ("RUN --mount=type=bind,from=o,src=a,target=/a x", "RUN --mount=type=bind,from=o,src=a,target=/a x"),
        ("RUN --mount=type=cache,target=/a x", "RUN --mount=type=cache,target=/a x"),
        ("RUN echo COPY a b", "RUN echo COPY a b"),
    ],
)
def test_a_build_contexts_files_are_looked_for_in_their_folder(line: str, expected: str) -> None:
    assert prepare(f"FROM x\n{line}\n", {}, "ours", folder="context").text == f"FROM x AS ours\n{expected}"
