"""A folder of source code becomes a wheel: built once for the same files, the same bytes each time, or refused with the way out."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from envbuild.code.repacked import repacked
from envbuild.code.wheel import code_of
from envbuild.core.definition import CodeFolder, Origin
from envbuild.core.errors import PlanError
from tests.support.code import builds, code_project

FOLDER = CodeFolder(path="project", origin=Origin(file="requirements.txt", line=3))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel_of(root):
    return Path(code_of(FOLDER, root).package.wheels[0].path)


def test_a_folder_becomes_a_wheel_with_its_hash(tmp_path):
    code_project(tmp_path / "project")
    made = code_of(FOLDER, tmp_path)
    [wheel] = made.package.wheels
    assert (made.package.name, made.package.version, wheel.filename) == ("mypkg", "0.1", "mypkg-0.1-py3-none-any.whl")
    assert wheel.sha256 == hashlib.sha256(Path(wheel.path).read_bytes()).hexdigest()
    assert "mypkg/__init__.py" in zipfile.ZipFile(wheel.path).namelist()


def test_the_backend_runs_again_only_for_another_file(tmp_path):
    project = tmp_path / "project"
    code_project(project)
    before = code_of(FOLDER, tmp_path)
    assert code_of(FOLDER, tmp_path) == before
    assert builds(project) == 1
    (project / "mypkg/__init__.py").write_text("answer = 2\n")
    after = code_of(FOLDER, tmp_path)
    assert builds(project) == 2
    assert after.sources != before.sources
    assert after.package.wheels[0].sha256 != before.package.wheels[0].sha256


def test_two_builds_give_the_same_bytes_though_the_backend_does_not(tmp_path, monkeypatch):
    project = tmp_path / "project"
    code_project(project)
    first = wheel_of(tmp_path).read_bytes()
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "other"))
    before = os.umask(0o002)
    try:
        assert wheel_of(tmp_path).read_bytes() == first
    finally:
        os.umask(before)
    assert builds(project) == 2


def test_building_leaves_nothing_among_the_sources(tmp_path):
    project = tmp_path / "project"
    code_project(project)
    before = sorted(path.relative_to(project) for path in project.rglob("*"))
    wheel_of(tmp_path)
    assert sorted(path.relative_to(project) for path in project.rglob("*")) == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fails": "no such compiler"}, "no such compiler"),
        ({"tag": "cp311-cp311-linux_x86_64"}, "is compiled for one kind of machine"),
    ],
)
def test_what_cannot_be_in_an_image_is_refused_at_its_line_with_the_way_out(tmp_path, how, message):
    code_project(tmp_path / "project", **how)
    with pytest.raises(PlanError, match=message) as caught:
        code_of(FOLDER, tmp_path)
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == ("requirements.txt", 3)
    assert "--no-code" in problem.hint
    assert str(tmp_path / "cache") not in problem.message


def test_a_wheel_is_the_same_whatever_order_time_and_generator_it_had(tmp_path):
    def wheel(name, entries, generator, date):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for entry in entries:
                content = f"Wheel-Version: 1.0\nGenerator: {generator}\n" if entry.endswith("WHEEL") else entry
                archive.writestr(zipfile.ZipInfo(entry, date_time=date), content)
        return path

    names = ["a.py", "b-1.dist-info/WHEEL", "b-1.dist-info/RECORD"]
    one = repacked(wheel("1.whl", names, "one", (2020, 1, 1, 0, 0, 0)))
    two = repacked(wheel("2.whl", names[::-1], "two", (2024, 1, 1, 0, 0, 0)))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        digest = hashlib.sha256(archive.read("b-1.dist-info/WHEEL")).digest()
        record = archive.read("b-1.dist-info/RECORD").decode()
    assert [line.split(",")[0] for line in record.splitlines()] == [
        "a.py",
        "b-1.dist-info/WHEEL",
        "b-1.dist-info/RECORD",
    ]
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") in record


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_what_is_no_wheel_is_said(tmp_path, content):
    path = tmp_path / "x.whl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.whl"):
        repacked(path)
