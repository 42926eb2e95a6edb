"""Extras of what is already provided: conda's `dask` brings none of what `dask[array]` asks for, so pip's side has to."""

from __future__ import annotations

from collections.abc import Mapping
from email.parser import HeaderParser

from packaging.version import InvalidVersion, Version

from envbuild.core.errors import NetworkError
from envbuild.core.progress import Progress
from envbuild.net.http import HttpClient
from envbuild.solve.indexes import IndexAccess
from envbuild.solve.options import PipRequest
from envbuild.solve.simple_index import IndexFile, is_of, project_files

Extras = Mapping[str, tuple[str, ...]]


def provided_extras(request: PipRequest, access: IndexAccess, progress: Progress) -> dict[str, Extras]:
    """Return, for each provided name of which an extra is asked, what all its extras require.

    It is read from the metadata of the same version in an index. Where that cannot be had a note says so: then what the extra
    needs has to be written as requirements.
    """
    asked = {one.name: one.extras for one in request.requirements if one.extras and one.name in request.provided}
    found: dict[str, Extras] = {}
    for name, extras in sorted(asked.items()):
        version = request.provided[name]
        try:
            metadata = None if request.options.offline else _metadata(name, version, access)
        except NetworkError:
            metadata = None
        if metadata is None:
            wanted = f"{name}[{','.join(extras)}]"
            progress.note(f"what {wanted} adds to the provided {name} {version} is not known: write it as requirements")
        else:
            found[name] = parse_extras(metadata)
    return found


def parse_extras(metadata: str) -> Extras:
    """Return what each extra of core metadata requires: the `Requires-Dist` lines whose marker names it."""
    headers = HeaderParser().parsestr(metadata)
    required = [str(one) for one in headers.get_all("Requires-Dist", ())]
    extras = [str(one) for one in headers.get_all("Provides-Extra", ())]
    return {
        extra: tuple(one for one in required if f"'{extra}'" in one.replace('"', "'").partition(";")[2])
        for extra in extras
    }


def _metadata(name: str, version: str, access: IndexAccess) -> str | None:
    try:
        wanted = is_of(name, Version(version))
    except InvalidVersion:
        return None
    client = HttpClient()
    for index in access.indexes:
        every = project_files(index, name, client)
        if every is not None:  # the first index that knows the name is the one that counts
            return _beside(next((one for one in every if one.metadata and wanted(one)), None), client)
    return None


def _beside(file: IndexFile | None, client: HttpClient) -> str | None:
    return client.get(f"{file.file.url}.metadata").decode() if file is not None else None
