"""Stub wheels: metadata only, to tell a pip resolver that a distribution is already there.

A stub's version carries the local label `conda` (PEP 440), so that no file of an index can be taken for it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

from envbuild import files
from envbuild.core.keys import canonical, sha256

LABEL = "conda"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def stub_version(version: str) -> str:
    """Return `version` with the local label that marks a stub, or an empty text where it is no PEP 440 version."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return ""
    return f"{parsed.public}+{'.'.join(part for part in (parsed.local, LABEL) if part)}"


def make_stub(name: str, version: str, extras: Mapping[str, Sequence[str]] | None = None) -> tuple[str, bytes]:
    """Return the file name and the bytes of the stub of normalised `name` at `version`; equal input, equal bytes.

    It requires nothing: what provides the distribution has also chosen what it depends on. `extras` maps an extra to its
    requirements, because whoever provides a distribution seldom provides them.
    """
    escaped = name.replace("-", "_")
    label = stub_version(version)
    folder = f"{escaped}-{label}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {label}"]
    for extra, requirements in sorted((extras or {}).items()):
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {one}" for one in requirements)]
    content = {
        f"{folder}/METADATA": "\n".join([*lines, ""]),
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: envbuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/RECORD": f"{folder}/METADATA,,\n{folder}/WHEEL,,\n{folder}/RECORD,,\n",
    }
    return f"{escaped}-{label}-py3-none-any.whl", _archive(content)


def stub_folder(provided: Mapping[str, str], extras: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> Path:
    """Return a folder with a stub of each of `provided` (normalised name to PEP 440 version).

    It stays in the cache, so that a resolver's own cache of what it read there stays valid too.
    """
    more = extras or {}
    key = sha256(
        canonical([dict(provided), {name: {k: list(v) for k, v in one.items()} for name, one in more.items()}])
    )
    folder = files.cache_root() / "stubs" / key
    if folder.is_dir():
        return folder
    with files.new_folder(folder, overwrite=True) as made:
        for name, version in sorted(provided.items()):
            file_name, content = make_stub(name, version, more.get(name))
            (made / file_name).write_bytes(content)
    return folder


def _archive(content: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path, text in content.items():
            member = zipfile.ZipInfo(path, date_time=_EPOCH)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, text)
    return target.getvalue()
