"""Real conda-forge records: our answers are those of the bare solver."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from envbuild.solve.virtual import virtual_packages
from tests.conftest import SHARED
from tests.solve.conda_asking import answer, request
from tests.support.http import Response, Site

pytestmark = pytest.mark.shared

SIX = ("python =3.11", "numpy", "pandas", "scikit-learn", "matplotlib-base", "requests")
ELEVEN = (*SIX, "scipy", "dask", "jupyterlab", "flask", "sqlalchemy")
PUBLIC = "https://conda.example/conda-forge"


class Folder(Site):
    """A folder over HTTP, with validators."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def respond(self, path: str, accept: str) -> Response | None:
        file = self.folder / path.lstrip("/")
        return Response(content=file.read_bytes()) if ".." not in path and file.is_file() else None


@pytest.fixture(scope="module")
def channel():
    with Folder(SHARED / "channels") as site:
        yield f"{site.root}/conda-forge"


def bare(channel: str, specs: tuple[str, ...], platform: str) -> set[str]:
    """Return the URLs that rattler answers, asked directly."""
    from rattler import BuildString, GenericVirtualPackage, MatchSpec, PackageName, Version
    from rattler.solver import solve

    virtual = [text.split("=") for text in virtual_packages(platform, ())]
    found = asyncio.run(
        solve(
            [channel],
            [MatchSpec(text, strict=False) for text in specs],
            platforms=[platform, "noarch"],
            virtual_packages=[
                GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
                for name, version, build in virtual
            ],
        )
    )
    return {one.url for one in found}


@pytest.mark.parametrize("specs", [SIX, ELEVEN], ids=["six", "eleven"])
@pytest.mark.parametrize("platform", ["linux-64", "osx-arm64", "win-64", "linux-aarch64"])
def test_the_answer_is_the_bare_solvers(channel, specs, platform):
    from rattler.exceptions import SolverError

    from envbuild.core.errors import SolveError

    try:
        expected = bare(channel, specs, platform)
    except SolverError:
        with pytest.raises(SolveError):
            answer(request(*specs, channels=[channel], platform=platform))
        return
    (found,) = answer(request(*specs, channels=[channel], platform=platform))
    assert {one.url for one in found.packages} == expected


def test_the_public_urls_are_locked_with_hashes_and_sizes(channel):
    (found,) = answer(request(*SIX, channels=[channel]))
    assert not any("127.0.0.1" in one.url + one.channel for one in found.packages)
    assert all(len(one.sha256) == 64 and len(one.md5) == 32 and one.size for one in found.packages)


def test_a_mirror_gives_the_same_answer(channel):
    (direct,) = answer(request(*SIX, channels=[channel]))
    (mirrored,) = answer(request(*SIX, channels=[PUBLIC]), mirrors={PUBLIC: (channel,)})
    assert mirrored == direct


def test_a_lock_keeps_its_packages_and_one_update_moves_little(channel):
    (old,) = answer(request(*SIX, channels=[channel], exclude_newer="2025-06-01"))
    (same,) = answer(request(*SIX, channels=[channel], locked=old.packages))
    assert same == old
    locked = tuple(one for one in old.packages if one.name != "pandas")
    (moved,) = answer(request(*SIX, channels=[channel], locked=locked))
    changed = {one.name for one in set(moved.packages) ^ set(old.packages)}
    assert "pandas" in changed
    assert len(changed) <= 5
