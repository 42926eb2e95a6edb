"""Locks and plans for the tests of the oci engine: packages made at test time, bases in the local registry or in files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from envbuild.core.keys import sha256
from envbuild.core.lock import CondaPackage, Lock, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.core.plan import App, AppFile, Code, Plan, make_plan
from envbuild.read import read_definition
from tests.support.channel import Channel
from tests.support.conda_archive import CondaPackage as MadeConda
from tests.support.index import Index, Release
from tests.support.wheel import make_wheel, wheel_file_name

DEFINITION = """\
[tool.envbuild]
name = "demo"
allow-distribution = ["debian"]
{more}
"""

SERVER = b"""\
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        import adder
        body = json.dumps({"adder": adder.__version__, "uid": os.getuid(), "prefix": sys.prefix}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("", 5001), Handler).serve_forever()
"""


def service() -> App:
    """Return an application that answers on port 5001."""
    file = AppFile(path="/var/azureml-app/server.py", content=SERVER, sha256=sha256(SERVER))
    return App(
        files=(file,),
        command=("python", "/var/azureml-app/server.py"),
        port=5001,
        health="/",
        workdir="/var/azureml-app",
        variables=(("GREETING", 'a "quoted" $value'),),
    )


def released(index: Index, release: Release) -> PipPackage:
    """Return what a lock says of a release of the tests' index."""
    file = PipFile(
        filename=release.file_name,
        url=index.file_url(release),
        size=len(release.content),
        hashes=(("sha256", release.sha256),),
    )
    return PipPackage(name=release.name, version=release.version, wheels=(file,))


def on_disk(folder: Path, name: str, version: str, **wheel: object) -> PipPackage:
    """Write a wheel to `folder` and return what a lock beside it says."""
    content = make_wheel(name, version, **wheel)  # type: ignore[arg-type]
    return from_wheel(folder, name, version, content, str(wheel.get("tag", "py3-none-any")))


def from_wheel(folder: Path, name: str, version: str, content: bytes, tag: str = "py3-none-any") -> PipPackage:
    """Write `content` as a wheel to `folder` and return what a lock beside it says."""
    path = folder / wheel_file_name(name, version, tag)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    file = PipFile(filename=path.name, path=str(path), size=len(content), hashes=(("sha256", digest),))
    return PipPackage(name=name, version=version, wheels=(file,))


def conda(channel: Channel, packages: Sequence[MadeConda], platform: str = "linux-64") -> tuple[CondaPackage, ...]:
    """Return what a lock says of packages of the tests' channel."""
    return tuple(
        CondaPackage(
            name=str(one.record["name"]),
            version=str(one.record["version"]),
            build=str(one.record["build"]),
            build_number=int(str(one.record["build_number"])),
            platform=platform,
            subdir=one.subdir,
            channel=channel.url,
            url=channel.package_url(one),
            sha256=str(one.record["sha256"]),
            md5=str(one.record["md5"]),
            size=len(one.content),
            depends=tuple(map(str, one.record["depends"])),  # type: ignore[call-overload]
            noarch=str(one.record.get("noarch") or ""),
        )
        for one in packages
    )


def plan(
    folder: Path,
    *,
    pip: Sequence[PipPackage] = (),
    conda: Sequence[CondaPackage] = (),
    base: LockedBase,
    python: LockedPython | None = None,
    app: App | None = None,
    more: str = "",
    platforms: tuple[str, ...] = ("linux-64",),
    platform: str = "",
    code: tuple[Code, ...] = (),
    **lock: object,
) -> Plan:
    """Return the plan of a definition in `folder` with a lock that holds just these packages."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pyproject.toml"
    path.write_text(DEFINITION.format(more=more))
    made = Lock(
        definition_hash="0" * 64,
        platforms=platforms,
        pip=tuple(pip),
        conda=tuple(conda),
        python=python or LockedPython(version="3.11.2", provider="base", interpreter="/usr/bin/python3.11"),
        base=base,
        virtual_packages=("__glibc=2.36=0",),
        **lock,  # type: ignore[arg-type]
    )
    return make_plan(read_definition(path), made, platform, app=app, code=code, allow_unpinned_base=True)


def layout(
    folder: Path, *layers: Mapping[str, object], config: Mapping[str, object] | None = None, oci: str = "linux/amd64"
) -> LockedBase:
    """Write an OCI layout with `layers` (path → bytes, None for a folder, `-> target` for a link) and return it as a base."""
    os_name, architecture = oci.split("/")
    blobs = [_tar(layer) for layer in layers]
    diff_ids = [_digest(blob) for blob in blobs]
    document = {
        "architecture": architecture,
        "os": os_name,
        "config": dict(config or {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]}),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    kind = "application/vnd.oci.image"
    config_blob = json.dumps(document).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _add(folder, config_blob, f"{kind}.config.v1+json"),
        "layers": [_add(folder, blob, f"{kind}.layer.v1.tar") for blob in blobs],
    }
    entry = _add(folder, json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return LockedBase(reference=f"oci:{folder}", digest=str(entry["digest"]))


def two_platforms(folder: Path, *layers: Mapping[str, object]) -> LockedBase:
    """Write an OCI layout with one index over an image for amd64 and one for arm64, and return it as a base."""
    entries = []
    for oci in ("linux/amd64", "linux/arm64"):
        layout(folder, *layers, oci=oci)
        [entry] = json.loads((folder / "index.json").read_text())["manifests"]
        os_name, architecture = oci.split("/")
        entries.append({**entry, "platform": {"os": os_name, "architecture": architecture}})
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    root = _add(folder, json.dumps(index).encode(), kind)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))
    return LockedBase(reference=f"oci:{folder}", digest=str(root["digest"]))


OS_RELEASE = b"ID=debian\nVERSION_ID=12\n"

MERGED_USR: Mapping[str, object] = {
    "usr": None,
    "usr/bin": None,
    "usr/lib": None,
    "bin": "-> usr/bin",
    "lib": "-> usr/lib",
    "opt": None,
    "home": None,
    "var": None,
    "etc": None,
    "etc/os-release": OS_RELEASE,
    "usr/bin/python3.11": b"#!not an ELF program",
}
"""A base without anything that runs, in today's usual shape."""


def _tar(members: Mapping[str, object]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, content in members.items():
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.removeprefix("-> ")
            else:
                assert isinstance(content, bytes)
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))
                continue
            archive.addfile(entry)
    return target.getvalue()


def _add(folder: Path, data: bytes, media_type: str) -> dict[str, object]:
    path = folder / "blobs" / "sha256" / hashlib.sha256(data).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
