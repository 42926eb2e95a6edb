"""Folders of source code among the requirements: what they need is asked for, wherever it is written."""

from __future__ import annotations

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read import read_definition


@pytest.fixture
def write(tmp_path):
    def put(path: str, text: str) -> None:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    return put


def pip(path, environment=""):
    return [one.text for one in read_definition(path, environment=environment).pip]


PROJECT = """
[project]
name = "own"
dependencies = ["numpy>=1.26", "helper"]
[project.optional-dependencies]
dev = ["pytest"]
[tool.uv.sources]
helper = {path = "../helper"}
"""


def test_a_folder_stands_for_what_it_needs(tmp_path, write):
    write("own/pyproject.toml", PROJECT)
    write("helper/setup.cfg", "[options]\ninstall_requires =\n    six\n    numpy>=1.26\n")
    write("environment.yml", "dependencies:\n  - python=3.11\n  - pip\n  - pip:\n    - flask\n    - -e ./own[dev]\n")
    found = read_definition(tmp_path / "environment.yml")
    assert [one.text for one in found.pip] == ["flask", "numpy>=1.26", "six", "pytest"]
    assert {one.path for one in found.sources} == {"environment.yml", "own/pyproject.toml", "helper/setup.cfg"}
    assert [note.message for note in found.notes] == [
        "`-e ./own[dev]` is a folder of source code: what it needs is locked, its code is built when an image is",
        "`helper` is a folder of source code: what it needs is locked, its code is built when an image is",
    ]
    assert found.pip[1].origin.file == "own/pyproject.toml"
    assert [(one.path, one.marker, one.left_out) for one in found.code] == [("own", "", ""), ("helper", "", "")]
    assert found.code[0].origin.line == 6


def test_its_marker_holds_for_all_that_it_needs(tmp_path, write):
    write("own/pyproject.toml", "[project]\nname='own'\ndependencies=['six', \"tomli ; python_version < '3.11'\"]\n")
    write("requirements.txt", 'own @ file:own ; sys_platform == "linux"\n')
    assert pip(tmp_path / "requirements.txt") == [
        'six; sys_platform == "linux"',
        'tomli; (python_version < "3.11") and (sys_platform == "linux")',
    ]


def test_the_code_of_a_folder_is_wanted_wherever_one_of_its_markers_holds(tmp_path, write):
    write("own/pyproject.toml", "[project]\nname='own'\n")
    write("other/pyproject.toml", "[project]\nname='other'\n")
    lines = [
        "own @ file:own ; python_version < '3.9'",
        "./other ; os_name == 'nt'",
        "own @ file:own ; os_name == 'nt'",
        "./other",
    ]
    write("requirements.txt", "\n".join(lines))
    assert [(one.path, one.marker) for one in read_definition(tmp_path / "requirements.txt").code] == [
        ("own", '(python_version < "3.9") or (os_name == "nt")'),
        ("other", ""),
    ]


def test_a_folder_that_says_it_is_no_package_has_no_code(tmp_path, write):
    write("own/pyproject.toml", "[project]\nname='own'\ndependencies=['six']\n[tool.uv]\npackage=false\n")
    write("requirements.txt", "./own\n")
    [one] = read_definition(tmp_path / "requirements.txt").code
    assert one.left_out == "it says tool.uv.package = false"


def test_a_project_that_names_itself_asks_for_nothing_twice(tmp_path, write):
    write(
        "pyproject.toml",
        "[project]\nname='own'\ndependencies=['six']\n[tool.pixi.workspace]\nchannels=['conda-forge']\n"
        "[tool.pixi.dependencies]\npython='3.11.*'\n[tool.pixi.pypi-dependencies]\nown={path='.', editable=true}\n",
    )
    assert pip(tmp_path / "pyproject.toml") == ["six"]


def test_a_folder_that_only_its_build_code_knows_stays(tmp_path, write):
    write("own/setup.py", "from setuptools import setup\nsetup(install_requires=open('x').read())\n")
    write("dynamic/pyproject.toml", "[project]\nname='d'\ndynamic=['dependencies']\n")
    write("requirements.txt", "-e ./own\n./dynamic\n./absent\n")
    assert pip(tmp_path / "requirements.txt") == ["-e ./own", "./dynamic", "./absent"]


WORKSPACE = """
[project]
name = "app"
dependencies = ["library", "six"]
[tool.uv.sources]
library = {workspace = true}
[tool.uv.workspace]
members = ["packages/*"]
exclude = ["packages/old"]
"""
LIBRARY = """
[project]
name = "library"
dependencies = ["app-tools", "torch"]
[tool.uv.sources]
app-tools = {workspace = true}
torch = {index = "wheels"}
[[tool.uv.index]]
name = "wheels"
url = "https://wheels.example/cu124"
explicit = true
"""


def test_members_of_a_uv_workspace_are_found_from_its_root_and_from_each_other(tmp_path, write):
    write("pyproject.toml", WORKSPACE)
    write("packages/library/pyproject.toml", LIBRARY)
    write("packages/tools/pyproject.toml", "[project]\nname='app_tools'\ndependencies=['rich']\n")
    write("packages/old/pyproject.toml", "[project]\nname='library'\ndependencies=['old']\n")
    assert pip(tmp_path / "pyproject.toml") == ["rich", "torch", "six"]
    assert pip(tmp_path / "packages/library/pyproject.toml") == ["rich", "torch"]
    [pin] = read_definition(tmp_path / "pyproject.toml").index.pins
    assert str(pin) == "torch https://wheels.example/cu124"


def test_a_package_that_the_workspace_lacks_is_refused_at_its_line(tmp_path, write):
    write("pyproject.toml", WORKSPACE)
    with pytest.raises(DefinitionError, match="library comes from the uv workspace, which has no such member"):
        read_definition(tmp_path / "pyproject.toml")


def test_a_change_of_a_folders_needs_changes_the_definition(tmp_path, write):
    write("own/pyproject.toml", "[project]\nname='own'\ndependencies=['six']\n")
    write("requirements.txt", "./own\n")
    before = read_definition(tmp_path / "requirements.txt").hash
    write("own/pyproject.toml", "[project]\nname='own'\ndependencies=['six>=1']\n")
    assert read_definition(tmp_path / "requirements.txt").hash != before
