"""Wheels made at test time (binary distribution format 1.0): valid RECORD, equal bytes for equal arguments."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence


def wheel_file_name(name: str, version: str, tag: str = "py3-none-any") -> str:
    """Return the file name with the name and version escaped as the format wants."""
    return f"{_escaped(name)}-{version.replace('-', '_')}-{tag}.whl"


def make_wheel(
    name: str,
    version: str,
    *,
    files: Mapping[str, str | bytes] | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    entry_points: Mapping[str, str] | None = None,
    tag: str = "py3-none-any",
) -> bytes:
    """Return the bytes of a wheel; without `files` it holds a module that knows its version.

    `extras` maps an extra to its requirements; `entry_points` maps a console script to `module:function`.
    """
    content: dict[str, bytes] = {
        path: text.encode() if isinstance(text, str) else text
        for path, text in (files or {f"{_escaped(name)}.py": f'__version__ = "{version}"\n'}).items()
    }
    info = f"{_escaped(name)}-{version}.dist-info"
    content[f"{info}/METADATA"] = metadata(name, version, requires, requires_python, extras or {}).encode()
    pure = "true" if tag.endswith("-none-any") else "false"
    content[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: envbuild-tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    )
    if entry_points:
        scripts = "".join(f"{script} = {target}\n" for script, target in entry_points.items())
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}".encode()
    return _archive(content, record=f"{info}/RECORD")


def metadata(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return core metadata 2.1."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, wanted in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in wanted]
    return "\n".join(lines) + "\n"


def wheel_metadata(wheel: bytes) -> bytes:
    """Return the METADATA file of a wheel, as PEP 658 serves it beside the wheel."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        [path] = [path for path in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)]
        return archive.read(path)


def _escaped(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _archive(content: Mapping[str, bytes], *, record: str) -> bytes:
    rows = [f"{path},{_digest(data)},{len(data)}" for path, data in content.items()]
    everything = {**content, record: ("\n".join([*rows, f"{record},,"]) + "\n").encode()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in everything.items():
            member = zipfile.ZipInfo(path, date_time=(2024, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return target.getvalue()


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
