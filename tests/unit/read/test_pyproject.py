from __future__ import annotations

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read.pyproject import parse_pixi, parse_pyproject


def no_file(path):
    raise AssertionError(path)


def read(text, environment="", include=no_file):
    return parse_pyproject(text, "pyproject.toml", include, environment)


def pip(text, environment=""):
    return [one.text for one in read(text, environment).pip]


def message(text, environment=""):
    with pytest.raises(DefinitionError) as caught:
        read(text, environment)
    return str(caught.value)


PROJECT = """
[project]
name = "demo"
requires-python = ">= 3.10, < 3.13"
dependencies = ["rich"]
[project.optional-dependencies]
gpu = ["torch"]
all = ["Demo[gpu]", "tqdm"]
[dependency-groups]
lint = ["ruff"]
dev = ["pytest", {include-group = "lint"}]
"""


def test_a_project_is_its_dependencies_and_the_rest_is_noted():
    found = read(PROJECT)
    assert (found.name, found.python, [one.text for one in found.pip]) == ("demo", ">=3.10,<3.13", ["rich"])
    assert "gpu, all, lint, dev" in found.notes[0].message


@pytest.mark.parametrize(
    ("environment", "expected"),
    [("gpu", ["rich", "torch"]), ("all", ["rich", "torch", "tqdm"]), ("dev", ["rich", "pytest", "ruff"])],
)
def test_an_extra_or_a_group_is_chosen_by_name(environment, expected):
    assert pip(PROJECT, environment) == expected


def test_groups_without_a_project_are_all_taken():
    assert pip("[dependency-groups]\na = ['x']\nb = ['y']\n") == ["x", "y"]


def test_groups_that_include_one_another_are_refused():
    text = "[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]\n"
    assert "a → b → a" in message(text)


def test_our_table_wins_over_every_other():
    assert pip(PROJECT + "[tool.envbuild]\npip = ['ours']\n") == ["ours"]


def test_a_table_that_names_no_packages_takes_the_project():
    found = read(PROJECT + "[tool.envbuild]\nbase = 'ubuntu:22.04'\nextras = ['gpu']\n")
    assert [one.text for one in found.pip] == ["rich", "torch"]
    assert found.python == ">=3.10,<3.13"


def test_environments_inherit_what_they_do_not_say():
    text = "[tool.envbuild]\nchannels = ['c']\npython = 3.10\n[tool.envbuild.environments.a]\nchannels = ['d']\n"
    found = read(text)
    assert (found.name, found.channels, found.python) == ("a", ("d",), "3.10")


def test_a_number_as_python_is_read_as_it_was_written():
    found = read("[tool.envbuild]\npython = 3.10\npip = ['x']\n")
    assert found.python == "3.10"
    assert found.notes[0].hint == 'write python = "3.10"'


def test_an_environment_that_is_not_there_is_named_with_those_that_are():
    assert "it has: a" in message("[tool.envbuild.environments.a]\npip = ['x']\n", "b")


def test_dynamic_dependencies_are_read_where_setuptools_names_a_file():
    text = "[project]\nname='x'\ndynamic=['dependencies']\n[tool.setuptools.dynamic]\ndependencies={file=['r.txt']}\n"
    found = read(text, include=lambda path: {"r.txt": b"flask\n"}[path])
    assert [one.text for one in found.pip] == ["flask"]


def test_dynamic_dependencies_are_refused_where_only_code_knows_them():
    assert "dynamic" in message("[project]\nname='x'\ndynamic=['dependencies']\n")


def test_uv_says_where_a_dependency_comes_from():
    text = """
[project]
name = "x"
dependencies = ["a[e]>=1 ; python_version > '3.8'", "b", "c"]
[tool.uv]
constraint-dependencies = ["d<2"]
[tool.uv.sources]
a = {git = "https://git.example/a.git", tag = "v1", subdirectory = "sub"}
b = {path = "../b", editable = true}
[[tool.uv.index]]
url = "https://index.example/simple"
default = true
"""
    found = read(text)
    assert [one.text for one in found.pip] == [
        'a[e] @ git+https://git.example/a.git@v1#subdirectory=sub ; python_version > "3.8"',
        "-e ../b",
        "c",
    ]
    assert [one.text for one in found.constraints] == ["d<2"]
    assert found.index.index_url == "https://index.example/simple"


UV_INDEXES = """
[project]
name = "x"
dependencies = ["torch==2.4", "numpy"]
[[tool.uv.index]]
name = "cpu"
url = "https://wheels.example/cpu"
explicit = true
[[tool.uv.index]]
name = "cu"
url = "https://wheels.example/cu124"
explicit = true
[tool.uv.sources]
unused = {index = "cpu"}
"""


def test_an_index_of_uvs_for_single_packages_is_a_pin():
    text = (
        UV_INDEXES
        + "torch = [{index = 'cpu', marker = \"sys_platform == 'darwin'\"}, {index = 'cu', marker = \"sys_platform == 'linux'\"}]\n"
    )
    found = read(text)
    assert [one.text for one in found.pip] == ["torch==2.4", "numpy"]
    assert list(map(str, found.index.pins)) == [
        "torch https://wheels.example/cpu ; sys_platform == 'darwin'",
        "torch https://wheels.example/cu124 ; sys_platform == 'linux'",
    ]
    assert (found.index.index_url, found.index.extra_index_urls) == ("", ())
    assert found.hash != read(UV_INDEXES).hash


def test_a_pin_to_an_index_that_is_not_there_is_refused():
    assert "comes from the index 'gpu', which is not there" in message(UV_INDEXES + "torch = {index = 'gpu'}\n")


def test_poetrys_source_of_a_dependency_is_a_pin():
    text = """
[tool.poetry]
name = "x"
[tool.poetry.dependencies]
torch = {version = "^2.4", source = "wheels"}
numpy = {version = "*", source = "PyPI"}
[[tool.poetry.source]]
name = "wheels"
url = "https://wheels.example/cu124"
priority = "explicit"
"""
    assert list(map(str, read(text).index.pins)) == ["torch https://wheels.example/cu124"]
    assert "which is not there" in message(text.replace('source = "wheels"', 'source = "whales"'))


def test_a_package_of_the_uv_workspace_waits_for_its_folder():
    found = read("[project]\nname='x'\ndependencies=['b']\n[tool.uv.sources]\nb = {workspace = true}\n")
    assert [(one.kind, one.name, one.target) for one in found.pip] == [("path", "b", "uv-workspace:b")]


def test_index_pins_of_our_own():
    text = "[tool.envbuild]\npip = ['torch']\nindex-pins = {Torch = 'https://wheels.example/cu124'}\n"
    assert list(map(str, read(text).index.pins)) == ["torch https://wheels.example/cu124"]
    assert "holds a credential" in message(text.replace("https://", "https://me:hunter2@"))
    assert "which is not a URL" in message(text.replace("https://wheels.example/cu124", "wheels"))


def test_conda_lock_gives_the_conda_side():
    text = """
[project]
name = "x"
dependencies = ["flask"]
[tool.conda-lock]
channels = ["conda-forge"]
platforms = ["linux-64"]
[tool.conda-lock.dependencies]
numpy = ">=1.26"
cuda = {version = "11.*", channel = "nvidia"}
only-pip = {version = "^1.0", source = "pypi"}
"""
    found = read(text)
    assert [one.text for one in found.conda] == ["numpy >=1.26", "nvidia::cuda =11"]
    assert [one.text for one in found.pip] == ["flask", "only-pip<2.0,>=1.0"]


def test_a_file_that_only_configures_tools_defines_no_environment():
    assert "defines no environment" in message("[tool.black]\nline-length = 100\n")


PIXI = """
[workspace]
name = "x"
channels = ["conda-forge"]
platforms = ["linux-64"]
[dependencies]
numpy = "1.26.*"
[feature.test.dependencies]
pytest = "*"
[environments]
test = {features = ["test"]}
lonely = {features = ["test"], no-default-feature = true}
"""


@pytest.mark.parametrize(
    ("environment", "expected"), [("", ["numpy"]), ("test", ["pytest", "numpy"]), ("lonely", ["pytest"])]
)
def test_a_pixi_environment_is_made_of_its_features(environment, expected):
    assert [one.name for one in parse_pixi(PIXI, "pixi.toml", no_file, environment).conda] == expected


def test_inline_tables_may_span_lines_as_toml_1_1_has_it():
    text = PIXI + '[pypi-dependencies]\nflask = {\n  version = ">=2", # a comment with }\n  extras = ["a,}"],\n}\n'
    with pytest.raises(DefinitionError, match="not a requirement"):
        parse_pixi(text, "pixi.toml", no_file)
    found = parse_pixi(text.replace("a,}", "async"), "pixi.toml", no_file)
    assert [one.text for one in found.pip] == ["flask[async]>=2"]


BUILT = "[build-system]\nrequires = ['hatchling']\n[project]\nname = 'a'\n"


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        (BUILT, ""),
        ("[project]\nname = 'a'\n", "it has no [build-system]"),
        ("[project]\nname = 'a'\n[tool.uv]\npackage = true\n", ""),
        (f"{BUILT}[tool.uv]\npackage = false\n", "it says tool.uv.package = false"),
        (f"{BUILT}[tool.envbuild]\npython = '3.11'\n", ""),
        ("[build-system]\nrequires = []\n[tool.poetry.dependencies]\nsix = '*'\n", ""),
        (
            "[build-system]\nrequires = []\n[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nsix = '*'\n",
            "it says tool.poetry.package-mode = false",
        ),
    ],
)
def test_a_project_that_says_how_it_is_built_is_code_of_its_environment(text, left_out):
    [code] = read(text).code
    assert (code.path, code.left_out) == (".", left_out)


@pytest.mark.parametrize(
    "text",
    [
        f"{BUILT}[tool.envbuild]\npip = ['six']\n",
        f"{BUILT}[tool.envbuild]\nproject = false\n",
        "[dependency-groups]\na = ['x']\n",
    ],
)
def test_a_project_whose_dependencies_are_not_taken_is_no_code_of_the_environment(text):
    assert not read(text).code


def test_code_is_turned_off_for_the_image():
    assert read(f"{BUILT}[tool.envbuild.image]\ncode = false\n").image.code is False


def test_the_day_of_apts_archive_is_a_day_or_none():
    def asked(text):
        return read(f'[tool.envbuild]\napt = ["git"]\napt-snapshot = "{text}"\n')

    without = read('[tool.envbuild]\napt = ["git"]\n')
    assert (without.apt_snapshot, asked("none").apt_snapshot) == ("", "none")
    assert asked("2026-11-21").apt_snapshot == "2026-11-21"
    assert len({without.hash, asked("none").hash, asked("2026-11-21").hash}) == 3
    for wrong in ("yesterday", "2026-13-01", "20261121", "None"):
        assert f"'{wrong}' is no day of an archive" in message(f'[tool.envbuild]\napt-snapshot = "{wrong}"\n')
