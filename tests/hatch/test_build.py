"""Real projects, built with our hooks by `python -m build` and by `uv build`."""

import hashlib
import json
import sys
import zipfile
from email.parser import Parser

import pytest
import uv

from envbuild import api, programs

PROJECT = """
[build-system]
requires = ["hatchling", "envbuild"]
build-backend = "hatchling.build"

[project]
name = "my-package"
version = "1.0"
dynamic = ["dependencies"]

[tool.envbuild]
base = "127.0.0.1:9/library/ubuntu:24.04"
python = "3.12"
pip = ["alpha"]
index-url = "{index}"

[tool.hatch.build.hooks.envbuild]
definition = "pyproject.toml"
allow-unpinned-base = true

[tool.hatch.metadata.hooks.envbuild]
"""

FILES = {
    "my_package/__init__.py",
    "my_package/_envbuild/Dockerfile",
    "my_package/_envbuild/pylock.toml",
    "my_package/_envbuild/sbom.cdx.json",
    "my_package-1.0.dist-info/METADATA",
    "my_package-1.0.dist-info/RECORD",
    "my_package-1.0.dist-info/WHEEL",
}

BUILDERS = {
    "build": [sys.executable, "-m", "build", "--no-isolation", "--wheel"],
    "uv": [uv.find_uv_bin(), "build", "--no-build-isolation", "--wheel", "--python", sys.executable],
}


@pytest.fixture
def project(tmp_path, index):
    index.add("alpha", "1.0", requires=["beta"])
    index.add("beta", "2.0")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(index=index.url))
    return tmp_path


def build(project, builder="build", out="dist"):
    return programs.run(
        [*BUILDERS[builder], "-o" if builder == "uv" else "--outdir", str(project / out), str(project)], check=False
    )


def the_wheel(project, out="dist"):
    [wheel] = (project / out).glob("*.whl")
    return wheel


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_the_wheel_carries_lock_dockerfile_and_bill_of_materials(project, builder):
    locked = api.lock(project / "pyproject.toml")
    done = build(project, builder)
    assert done.code == 0, done.stdout + done.stderr
    with zipfile.ZipFile(the_wheel(project)) as wheel:
        assert set(wheel.namelist()) == FILES
        assert wheel.read("my_package/_envbuild/pylock.toml") == locked.path.read_bytes()
        assert wheel.read("my_package/_envbuild/Dockerfile").startswith(b"FROM 127.0.0.1:9/library/ubuntu:24.04")
        bill = json.loads(wheel.read("my_package/_envbuild/sbom.cdx.json"))
        metadata = Parser().parsestr(wheel.read("my_package-1.0.dist-info/METADATA").decode())
    assert {"alpha", "beta"} <= {one["name"] for one in bill["components"]}
    assert metadata.get_all("Requires-Dist") == ["alpha==1.0", "beta==2.0"]


def test_the_same_inputs_give_the_same_wheel_bytes(project):
    api.lock(project / "pyproject.toml")
    digests = set()
    for out in ("one", "two"):
        assert build(project, out=out).code == 0
        digests.add(hashlib.sha256(the_wheel(project, out).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_stale_lock_ends_the_build_without_a_traceback(project):
    api.lock(project / "pyproject.toml")
    definition = project / "pyproject.toml"
    definition.write_text(
        definition.read_text()
        .replace('pip = ["alpha"]', 'pip = ["alpha>=2"]')
        .replace('dynamic = ["dependencies"]', "")
    )
    definition.write_text(definition.read_text().replace("[tool.hatch.metadata.hooks.envbuild]", ""))
    done = build(project)
    assert done.code != 0
    assert "is stale" in done.stdout + done.stderr
    assert "alpha>=2 is asked for, but the lock has alpha 1.0" in done.stdout + done.stderr
    assert not list((project / "dist").glob("*.whl"))
    # the builder's own report that its back end failed may be a traceback; none of ours is in it
    assert "envbuild/hatch.py" not in done.stdout + done.stderr


def test_refresh_locks_again(project):
    definition = project / "pyproject.toml"
    definition.write_text(
        definition.read_text().replace("allow-unpinned-base = true", "allow-unpinned-base = true\nrefresh = true")
    )
    definition.write_text(
        definition.read_text()
        .replace("[tool.hatch.metadata.hooks.envbuild]", "")
        .replace('dynamic = ["dependencies"]', "")
    )
    assert build(project).code == 0
    assert (project / "pylock.toml").is_file()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('folders = "x"', "tool.hatch.build.hooks.envbuild.folders: is not known"),
        ("folder = 3", "tool.hatch.build.hooks.envbuild.folder: 3 is not a str"),
        ('include = ["locks"]', "'locks' is not one of lock, dockerfile, sbom"),
    ],
)
def test_a_wrong_option_is_named(project, line, said):
    api.lock(project / "pyproject.toml")
    definition = project / "pyproject.toml"
    definition.write_text(definition.read_text().replace("allow-unpinned-base = true", line))
    done = build(project)
    assert done.code != 0
    assert said in done.stdout + done.stderr


def test_pins_become_an_extra(project):
    definition = project / "pyproject.toml"
    definition.write_text(
        definition.read_text().replace('dynamic = ["dependencies"]', 'dynamic = ["optional-dependencies"]')
        + 'extra = "locked"\n'
    )
    api.lock(definition)
    assert build(project).code == 0
    with zipfile.ZipFile(the_wheel(project)) as wheel:
        metadata = Parser().parsestr(wheel.read("my_package-1.0.dist-info/METADATA").decode())
    assert metadata.get_all("Requires-Dist") == ["alpha==1.0; extra == 'locked'", "beta==2.0; extra == 'locked'"]
