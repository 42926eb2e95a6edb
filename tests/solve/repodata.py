"""Conda channels that are records only: enough to solve on, in a folder or on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tests.support.http import Response, Site

FIRST_DAY = 19_722
"""Days from the epoch to the end of 2023: rattler takes small timestamps for seconds."""

SUBDIRS = ("linux-64", "linux-aarch64", "osx-arm64", "win-64", "noarch")


class Records(Site):
    """A channel at `url`, or written to a folder by `write`; `name` is the last part of its URL."""

    def __init__(self, name: str = "channel", *, user: str = "", password: str = "") -> None:
        super().__init__(user=user, password=password)
        self.name = name
        self.records: dict[str, dict[str, dict[str, object]]] = {subdir: {} for subdir in SUBDIRS}
        self.base_url = ""

    def __enter__(self) -> Records:
        super().__enter__()
        return self

    @property
    def url(self) -> str:
        return f"{self.root}/{self.name}"

    def add(
        self,
        name: str,
        version: str,
        *depends: str,
        subdir: str = "noarch",
        build: str = "0",
        constrains: Iterable[str] = (),
        day: int = 1,
        **fields: object,
    ) -> str:
        """Publish one record, made on `day` of January 2024 and what follows, and return its file name."""
        filename = f"{name}-{version}-{build}.conda"
        data = f"{self.name}/{subdir}/{filename}".encode()
        needs_python = any(one.split()[0] == "python" for one in depends)
        self.records[subdir][filename] = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "subdir": subdir,
            "depends": list(depends),
            "constrains": list(constrains),
            "license": "MIT",
            "md5": hashlib.md5(data).hexdigest(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data) * 1000,
            "timestamp": (FIRST_DAY + day) * 86_400_000,
            **({"noarch": "python" if needs_python else "generic"} if subdir == "noarch" else {}),
            **fields,
        }
        return filename

    def python(self, *versions: str, subdirs: Iterable[str] = ("linux-64",)) -> None:
        """Publish `python` in `versions`, and a `pip` for all."""
        for subdir in subdirs:
            for version in versions:
                self.add("python", version, subdir=subdir, build="h_cpython")
        self.add("pip", "24.0", "python >=3.8")

    def repodata(self, subdir: str) -> bytes:
        info = {"subdir": subdir, **({"base_url": f"{self.base_url}/{subdir}"} if self.base_url else {})}
        listing = {"info": info, "packages": {}, "packages.conda": self.records[subdir], "repodata_version": 2}
        return json.dumps(listing, sort_keys=True).encode()

    def respond(self, path: str, accept: str) -> Response | None:
        prefix, _, filename = path.rpartition("/")
        root, _, subdir = prefix.rpartition("/")
        if root != f"/{self.name}" or filename != "repodata.json" or subdir not in self.records:
            return None
        return Response(content=self.repodata(subdir), content_type="application/json")

    def write(self, folder: Path) -> str:
        """Write the channel into `folder` and return its `file://` URL."""
        for subdir in SUBDIRS:
            (folder / self.name / subdir).mkdir(parents=True, exist_ok=True)
            (folder / self.name / subdir / "repodata.json").write_bytes(self.repodata(subdir))
        return (folder / self.name).as_uri()
