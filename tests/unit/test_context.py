from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from envbuild.context import EPOCH, Context, ContextFile, tar_context, write_context
from envbuild.core.errors import EnvbuildError, PlanError
from envbuild.render.context_folder import read_folder


def example(tmp_path: Path) -> Context:
    source = tmp_path / "source.bin"
    source.write_bytes(b"\0\1")
    files = (
        ContextFile(path="b/run.sh", content=b"#!/bin/sh\n", mode=0o755),
        ContextFile(path="b/data", source=source),
        ContextFile(path="a", link="b/data"),
    )
    return Context(dockerfile="FROM x\n", files=files)


def test_a_context_is_written_whole_with_fixed_times_and_modes(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_context(example(tmp_path), tmp_path / "out")
    finally:
        os.umask(old)
    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == [
        "Dockerfile",
        "a",
        "b",
        "b/data",
        "b/run.sh",
    ]
    assert (out / "a").read_bytes() == b"\0\1"
    assert {int(path.lstat().st_mtime) for path in (out / "a", out / "b")} == {EPOCH}
    assert (out / "b").stat().st_mode & 0o777 == 0o755
    assert (out / "b/run.sh").stat().st_mode & 0o777 == 0o755


def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    context = Context(dockerfile="FROM x\n", files=(ContextFile(path="a", source=tmp_path / "missing"),))
    with pytest.raises(PlanError, match="missing"):
        write_context(context, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(EnvbuildError, match="already exists"):
        write_context(Context(dockerfile=""), tmp_path / "out")
    write_context(Context(dockerfile=""), tmp_path / "out", overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Dockerfile"]


def test_the_archive_is_the_same_for_the_same_context(tmp_path: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    tar_context(example(tmp_path), first)
    os.utime(tmp_path / "source.bin", (1, 1))
    tar_context(example(tmp_path), second)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=io.BytesIO(first.getvalue())) as archive:
        assert [(one.name, one.uid) for one in archive] == [
            (name, 0) for name in ("Dockerfile", "a", "b/data", "b/run.sh")
        ]


def test_files_of_other_content_have_another_time_so_that_buildkit_reads_them(tmp_path: Path) -> None:
    times = set()
    for number, text in enumerate(("FROM x\n", "FROM y\n", "FROM x\n")):
        write_context(Context(dockerfile=text), tmp_path / str(number))
        times.add((text, (tmp_path / str(number) / "Dockerfile").stat().st_mtime_ns))
    assert len(times) == len({time for _, time in times}) == 2


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_a_path_outside_the_context_is_refused(path: str) -> None:
    with pytest.raises(PlanError, match="not a path inside"):
        ContextFile(path=path)


@pytest.mark.parametrize("paths", [("a", "a"), ("Dockerfile",), ("envbuild", "envbuild/secrets.sh")])
def test_two_files_cannot_have_one_place(paths: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match="twice"):
        Context(dockerfile="", files=tuple(ContextFile(path=path) for path in paths))


def test_a_link_cannot_lead_our_files_out_of_the_context() -> None:
    files = (ContextFile(path="envbuild", link="/etc"), ContextFile(path="envbuild/pip/x", content=b""))
    with pytest.raises(PlanError, match="twice"):
        Context(dockerfile="", files=files)


def folder(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "conf").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM x\n")
    (root / ".dockerignore").write_text("*.pem\n")
    (root / "key.pem").write_text("secret")
    (root / "conf/run").write_text("x")
    (root / "conf/run").chmod(0o755)
    (root / "link").symlink_to("conf")
    return root


def test_a_folder_is_read_but_for_what_is_ignored(tmp_path: Path) -> None:
    text, files = read_folder(folder(tmp_path), "Dockerfile")
    assert text == "FROM x\n"
    assert [(one.path, one.link, one.mode) for one in files] == [
        (".dockerignore", "", 0o644),
        ("Dockerfile", "", 0o644),
        ("conf/run", "", 0o755),
        ("link", "conf", 0o644),
    ]
    assert read_folder(tmp_path / "context", "Dockerfile", below="theirs")[1][2].path == "theirs/conf/run"


def test_a_dockerfiles_own_ignore_file_goes_before_the_folders(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "Dockerfile.dockerignore").write_text("*\n!key.pem\n")
    assert [one.path for one in read_folder(root, "Dockerfile")[1]] == ["key.pem"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with pytest.raises(PlanError, match=r"other\.dockerfile"):
        read_folder(root, "other.dockerfile")
    with pytest.raises(PlanError, match="outside"):
        read_folder(root, "../x")
    (root / "Dockerfile").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(PlanError, match="UTF-8"):
        read_folder(root, "Dockerfile")
    with pytest.raises(PlanError, match="not a folder"):
        read_folder(Path("https://git.example/x"), "Dockerfile")
