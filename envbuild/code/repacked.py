"""A wheel with the same bytes wherever, and by whatever release of its backend, it was built: sorted, dated, not compressed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

from envbuild.core.archives import ZIP_DAMAGES

_DATE = (1980, 1, 1, 0, 0, 0)
_GENERATOR = re.compile(rb"^Generator: .*$", re.MULTILINE)


def repacked(wheel: Path) -> bytes:
    """Return the wheel `wheel` with its members in order, at one time, with plain modes, and without its generator's version.

    Raises:
        ValueError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = {one.filename: one for one in archive.infolist() if not one.filename.endswith("/")}
            contents = {name: archive.read(name) for name in members}
    except ZIP_DAMAGES as error:
        raise ValueError(f"{wheel.name} is no archive: {error}") from error
    infos = {name.partition("/")[0] for name in members if name.endswith(".dist-info/WHEEL")}
    if len(infos) != 1:
        raise ValueError(f"{wheel.name} has no WHEEL file, or several")
    [info] = infos
    contents[f"{info}/WHEEL"] = _GENERATOR.sub(b"Generator: envbuild", contents[f"{info}/WHEEL"])
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(contents):
            executable = name in members and members[name].external_attr >> 16 & 0o111
            entry = zipfile.ZipInfo(name, date_time=_DATE)
            entry.create_system, entry.external_attr = 3, (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, contents[name])
    return output.getvalue()


def _record(contents: dict[str, bytes], own: str) -> bytes:
    text = io.StringIO()
    rows = ((name, _digest(data), len(data)) for name, data in sorted(contents.items()) if name != own)
    csv.writer(text, lineterminator="\n").writerows([*rows, (own, "", "")])
    return text.getvalue().encode()


def _digest(data: bytes) -> str:
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()}"
