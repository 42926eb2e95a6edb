"""The JSON lock of mamba and its browser relatives (`lockVersion` 1): one platform, with pip packages."""

from __future__ import annotations

import json
from dataclasses import replace

from envbuild.core.errors import LockError, Problem
from envbuild.core.lock import CondaPackage, Lock, PipFile, PipPackage
from envbuild.formats import checks
from envbuild.formats.canonical import canonical
from envbuild.formats.conda_entries import from_url, python_of
from envbuild.formats.fields import Notes, Table, as_table
from envbuild.formats.urls import without_credentials


def load_json(text: str, file: str) -> Table:
    """Return the mapping that the JSON `text` is.

    Raises:
        LockError: it is no JSON, or no mapping.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise LockError(Problem(message=f"is not JSON: {error.msg}", file=file, line=error.lineno)) from error
    except (RecursionError, ValueError) as error:
        raise LockError(Problem(message="is nested too deeply, or a number in it is too long", file=file)) from error
    notes = Notes(file=file)
    table = as_table(value, (), notes)
    notes.check()
    return table


def read_mamba(text: str, file: str) -> Lock:
    """Return the lock that a mamba JSON lock means.

    Raises:
        LockError: it is not such a file; every problem is named with its key.
    """
    root = load_json(text, file)
    version = root.text("lockVersion", required=True)
    if version and version.partition(".")[0] != "1":
        root.wrong("lockVersion", f"{version[:20]!r} is not a version that envbuild knows (1.0.0)")
        root.notes.check()
    platform = checks.platform(root)
    channels = _channels(root)
    conda = tuple(_conda(root.table("packages"), name, platform, channels) for name in root.table("packages").data)
    pip = tuple(_pip(root.table("pipPackages"), name) for name in root.table("pipPackages").data)
    root.notes.check()
    return canonical(
        Lock(
            definition_hash="",
            platforms=(platform,),
            channels=tuple(channels.values()),
            conda=conda,
            pip=pip,
            python=python_of(conda),
            created_by="mamba",
        )
    )


def _channels(root: Table) -> dict[str, str]:
    info = root.table("channelInfo")
    found = {}
    for name in root.texts("channels"):
        urls = [without_credentials(one.text("url")) for one in info.tables(name)]
        found[name] = (urls[0] if urls else name).rstrip("/")
    return found


def _conda(packages: Table, archive: str, platform: str, channels: dict[str, str]) -> CondaPackage:
    entry = packages.table(archive)
    channel, subdir = entry.text("channel", required=True), checks.subdir(entry) or platform
    if channel and channel not in channels:
        entry.wrong("channel", f"{channel[:80]!r} is not one of the lock's channels")
    base = channels.get(channel, channel)
    checks.file_name(entry, "", archive)
    digests = entry.table("hash")
    package = from_url(
        name=checks.conda_name(entry),
        version=checks.conda_version(entry),
        platform=platform,
        url=f"{base}/{subdir}/{archive}",
        depends=(),
        channels=(base,),
    )
    return replace(
        package,
        subdir=subdir,
        build=entry.text("build") or package.build,
        md5=checks.digest(digests, "md5"),
        sha256=checks.digest(digests, "sha256"),
        size=entry.number("size"),
    )


def _pip(packages: Table, archive: str) -> PipPackage:
    entry = packages.table(archive)
    file = PipFile(
        filename=checks.file_name(entry, "", archive),
        url=checks.url(entry, required=True),
        hashes=checks.hashes(entry, "hash"),
    )
    wheel = archive.endswith(".whl")
    return PipPackage(
        name=checks.distribution(entry),
        version=checks.pip_version(entry),
        wheels=(file,) if wheel else (),
        sdist=None if wheel else file,
    )
