"""A conda channel on loopback, with `repodata.json` and `repodata.json.zst`; packages may be added while it runs.

There are no shards: a client that asks for `repodata_shards.msgpack.zst` gets 404 and takes the whole file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import zstandard

from tests.support.conda_archive import CondaPackage, make_conda
from tests.support.http import Response, Site
from tests.support.wheel import metadata


class Channel(Site):
    """A channel at `url`."""

    def __init__(self, packages: Sequence[CondaPackage] = (), *, user: str = "", password: str = "") -> None:
        super().__init__(user=user, password=password)
        self.packages = list(packages)

    def __enter__(self) -> Channel:
        super().__enter__()
        return self

    @property
    def url(self) -> str:
        """Return the URL of the channel."""
        return f"{self.root}/channel"

    def add(self, package: CondaPackage) -> CondaPackage:
        """Publish `package`, and return it."""
        self.packages.append(package)
        return package

    def package_url(self, package: CondaPackage) -> str:
        """Return where the file of `package` is."""
        return f"{self.url}/{package.subdir}/{package.file_name}"

    def respond(self, path: str, accept: str) -> Response | None:
        """Return repodata or a package."""
        if not path.startswith("/channel/") or path.count("/") != 3:
            return None
        _, _, subdir, file_name = path.split("/")
        if file_name == "repodata.json":
            return Response(content=self.repodata(subdir), content_type="application/json")
        if file_name == "repodata.json.zst":
            return Response(content=zstandard.ZstdCompressor().compress(self.repodata(subdir)))
        for package in self.packages:
            if (package.subdir, package.file_name) == (subdir, file_name):
                return Response(content=package.content)
        return None

    def repodata(self, subdir: str) -> bytes:
        """Return the listing of one subdir; a subdir without packages has an empty one, as conda wants."""
        records = {package.file_name: package.record for package in self.packages if package.subdir == subdir}
        listing = {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": records,
            "removed": [],
            "repodata_version": 1,
        }
        return json.dumps(listing, sort_keys=True).encode()


def python_module(
    name: str,
    version: str,
    *,
    modules: Mapping[str, str] | None = None,
    depends: Sequence[str] = (),
    entry_points: Sequence[str] = (),
    build: str = "py_0",
) -> CondaPackage:
    """Return a noarch python package with core metadata, as conda packages of Python distributions have."""
    module = name.replace("-", "_")
    info = f"site-packages/{module}-{version}.dist-info"
    files: dict[str, str] = {
        f"site-packages/{path}": text
        for path, text in (modules or {f"{module}.py": f'__version__ = "{version}"\n'}).items()
    }
    files[f"{info}/METADATA"] = metadata(name, version)
    files[f"{info}/INSTALLER"] = "conda\n"
    return make_conda(
        name,
        version,
        build=build,
        files=dict(files),
        depends=[*depends, "python"],
        noarch="python",
        entry_points=entry_points,
    )
