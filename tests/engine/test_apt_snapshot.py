"""Apt packages of a day, asked for by the apt of Debian 13 itself: the archive of that day is this machine's mirror under another name."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

import pytest

from envbuild.core.definition import Definition
from envbuild.core.lock import Lock, LockedApt, LockedBase
from envbuild.core.plan import make_plan
from envbuild.engines.docker import DockerEngine
from envbuild.engines.protocol import BuildOptions
from tests.support import debian
from tests.support.base_image import NEWER, with_files
from tests.support.http import Response, Site

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DAY = "20261101T000000Z"


def mirror() -> str:
    """Return the URL of the mirror that this machine uses."""
    return debian.source_line().split()[-3].rstrip("/")


class Archive(Site):
    """`/archive/debian/DAY/…` is `…` of the mirror, and so is `/mirror/…`."""

    def respond(self, path: str, accept: str) -> Response | None:
        del accept
        inside = path.removeprefix(f"/archive/debian/{DAY}/").removeprefix("/mirror/")
        try:
            with urllib.request.urlopen(f"{mirror()}/{quote(inside)}", timeout=60) as answer:
                return Response(content=answer.read())
        except urllib.error.HTTPError:
            return None


@pytest.mark.parametrize("known", [True, False], ids=["a mirror that apt knows", "a mirror of one's own"])
def test_packages_come_from_the_archive_of_the_locked_day(on_engine, known):
    with Archive() as archive:
        # before it has read the label of a mirror, apt goes by the host where it knows it
        rules = ["Override::Label::Debian", *([f"Host::{urlsplit(mirror()).hostname}"] if known else [])]
        place = f"http://{archive.address}/archive/debian/@SNAPSHOTID@/"
        settings = "".join(f'Acquire::Snapshots::URI::{rule} "{place}";\n' for rule in rules)
        files = {"etc/apt/apt.conf.d/99snapshots": settings}
        if not known:
            files["etc/apt/sources.list"] = (
                debian.source_line("trixie").replace(mirror(), f"{archive.root}/mirror") + "\n"
            )
        base = with_files(on_engine, NEWER, f"debian-13-snapshots-{known}".lower(), files)
        lock = Lock(
            definition_hash="",
            platforms=("linux-64",),
            apt=LockedApt(packages=("hello",), snapshot=DAY),
            base=LockedBase(reference=base.reference, digest=base.digest, distribution="debian 13"),
        )
        definition = Definition(kind="requirements", name="of-a-day", allow_distribution=("debian",), apt=("hello",))
        DockerEngine().image(
            make_plan(definition, lock), name=f"of-a-day:{known}", options=BuildOptions(network="host")
        )
        assert on_engine.run(f"of-a-day:{known}", "hello").strip() == "Hello, world!"
        packages = [path for path in archive.paths() if "/pool/" in path]
    assert any("/hello_" in path for path in packages)
    assert all(path.startswith(f"/archive/debian/{DAY}/") for path in packages)
