"""Our content hash, held against the one that conda-lock itself computes for the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.read import read_definition
from envbuild.solve.content_hash import conda_lock_content_hash

PLATFORMS = ["linux-64", "linux-aarch64", "linux-ppc64le", "osx-64", "osx-arm64", "win-64"]

FILES = {
    "plain": "channels: [conda-forge]\ndependencies: [python=3.11, numpy]\n",
    "versions": """
channels: [conda-forge, nodefaults]
dependencies:
  - python 3.9.19
  - numpy>=1.2,<2
  - pandas==1.5
  - scipy=1.2.*=py_*
  - blas=*=openblas
  - scikit-learn~=1.2
  - matplotlib 3.*|4.1
  - pip=23
""",
    "channels": """
channels: [team, defaults, 'https://conda.example/channel']
dependencies:
  - conda-forge::python=3.11
  - https://conda.example/other::tool
""",
    "pip": """
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
    - Flask_Login[a,b]>=1,<2
    - numba==0.58.1
    - requests ; sys_platform == "win32"
    - rich ; python_version < "3.12"
    - other @ git+https://git.example/team/Other.git@v1.2
    - wheeled @ https://files.example/wheeled-1.0-py3-none-any.whl
    - exact===1.0
""",
    "selectors": """
channels: [conda-forge]
dependencies:
  - python=3.11
  - clang  # [osx]
  - gcc  # [linux64]
""",
}


def theirs(path: Path) -> dict[str, str]:
    from conda_lock.content_hash import compute_content_hashes
    from conda_lock.src_parser.aggregation import aggregate_lock_specs
    from conda_lock.src_parser.environment_yaml import parse_environment_file
    from conda_lock.virtual_package import default_virtual_package_repodata

    spec = aggregate_lock_specs([parse_environment_file(path, PLATFORMS, "")], PLATFORMS)
    return compute_content_hashes(spec, default_virtual_package_repodata())


@pytest.fixture(autouse=True)
def _no_lookup(monkeypatch):
    """conda-lock would look the conda name of `pip` up over the network."""
    from conda_lock.src_parser import pyproject_toml

    monkeypatch.setattr(pyproject_toml, "pypi_name_to_conda_name", lambda name, mapping_url: name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_it_equals_conda_locks_own_on_every_platform(name, tmp_path):
    path = tmp_path / "environment.yml"
    path.write_text(FILES[name])
    assert dict(conda_lock_content_hash(read_definition(path), PLATFORMS)) == theirs(path)


def test_it_changes_with_a_spec_and_with_the_order_of_channels(tmp_path):
    path = tmp_path / "environment.yml"
    found = set()
    for text in (
        FILES["plain"],
        FILES["plain"].replace("numpy", "numpy=2"),
        FILES["plain"].replace("[conda-forge]", "[a, b]"),
        FILES["plain"].replace("[conda-forge]", "[b, a]"),
    ):
        path.write_text(text)
        found.add(conda_lock_content_hash(read_definition(path), ["linux-64"]))
    assert len(found) == 4
