"""A PipPackage as the mapping that PEP 751 gives it in `packages`, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

from envbuild.core.lock import PipFile, PipPackage, Vcs
from envbuild.formats import checks
from envbuild.formats.fields import Table
from envbuild.formats.toml_text import Moment
from envbuild.formats.urls import filename, without_credentials

_FRACTION = re.compile(r"(?:\.0*|(\.\d*?[1-9])0*)(?=Z$)")


def set_only(mapping: Mapping[str, object]) -> dict[str, object]:
    """Return the entries of `mapping` that say something."""
    return {key: one for key, one in mapping.items() if one not in ("", None, (), [], {})}


def package_to_dict(package: PipPackage) -> dict[str, object]:
    """Return `package` as PEP 751's mapping, keys in the specification's order; `tool.envbuild` holds its platforms."""
    return set_only(
        {
            "name": package.name,
            "version": package.version,
            "marker": package.marker,
            "requires-python": package.requires_python,
            "dependencies": [{"name": one} for one in package.dependencies],
            "index": without_credentials(package.index),
            "vcs": package.vcs and vcs_to_dict(package.vcs),
            "directory": package.directory and {"path": package.directory},
            "archive": package.archive and file_to_dict(package.archive),
            "sdist": package.sdist and file_to_dict(package.sdist),
            "wheels": [file_to_dict(one) for one in package.wheels],
            "tool": package.platforms and {"envbuild": {"platforms": list(package.platforms)}},
        }
    )


def file_to_dict(file: PipFile) -> dict[str, object]:
    """Return `file` as PEP 751's mapping; its name stands there only where URL and path do not end in it."""
    return set_only(
        {
            "name": "" if file.filename == filename(file.url or file.path) else file.filename,
            "upload-time": file.upload_time and Moment(file.upload_time),
            "url": without_credentials(file.url),
            "path": file.path,
            "size": file.size,
            "hashes": dict(file.hashes),
        }
    )


def vcs_to_dict(vcs: Vcs) -> dict[str, object]:
    """Return `vcs` as PEP 751's mapping."""
    return set_only(
        {
            "type": vcs.type,
            "url": without_credentials(vcs.url),
            "requested-revision": vcs.requested_revision,
            "commit-id": vcs.commit,
            "subdirectory": vcs.subdirectory,
        }
    )


def read_package(table: Table) -> PipPackage:
    """Return the package that `table` is; what is wrong is noted there."""
    vcs, archive, sdist, folder = (table.table(key) for key in ("vcs", "archive", "sdist", "directory"))
    return PipPackage(
        name=checks.distribution(table),
        version=checks.pip_version(table),
        marker=checks.marker(table),
        requires_python=checks.specifier(table),
        index=checks.url(table, "index"),
        dependencies=tuple(sorted({checks.distribution(one) for one in table.tables("dependencies")})),
        wheels=tuple(sorted(map(read_file, table.tables("wheels")), key=lambda one: one.filename)),
        sdist=read_file(sdist) if table.has("sdist") else None,
        archive=read_file(archive) if table.has("archive") else None,
        vcs=read_vcs(vcs) if table.has("vcs") else None,
        directory=checks.folder(folder, "path", folder.text("path", required=True)) if table.has("directory") else "",
        platforms=table.table("tool").table("envbuild").texts("platforms"),
    )


def read_file(table: Table) -> PipFile:
    """Return the file that `table` is; what is wrong is noted there."""
    url, path = checks.url(table), table.text("path")
    if not url and not path:
        table.wrong("url", "is missing, and so is path: one of them says where the file is")
    name = table.text("name") or filename(url or path)
    return PipFile(
        filename=checks.file_name(table, "name", name),
        url=url,
        path=checks.folder(table, "path", path),
        size=table.number("size"),
        hashes=checks.hashes(table),
        upload_time=_upload_time(table),
    )


def read_vcs(table: Table) -> Vcs:
    """Return the place in version control that `table` is; what is wrong is noted there."""
    url = checks.url(table) or table.text("path", required=not table.has("url"))
    return Vcs(
        type=table.text("type", required=True),
        url=url,
        commit=checks.revision(table, "commit-id", table.text("commit-id")),
        requested_revision=table.text("requested-revision"),
        subdirectory=checks.folder(table, "subdirectory", table.text("subdirectory")),
    )


def _upload_time(table: Table) -> str:
    value = table.data.get("upload-time")
    if isinstance(value, datetime):
        return time_text(value)
    return canonical_time(table.text("upload-time"))


def time_text(moment: datetime) -> str:
    """Return `moment` in UTC as RFC 3339 text without needless zeros; one without a zone is taken for UTC (PEP 751)."""
    utc = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    return canonical_time(utc.replace(tzinfo=None).isoformat() + "Z")


def canonical_time(text: str) -> str:
    """Return an RFC 3339 text in UTC without needless zeros in its fraction; any other text as it is."""
    return _FRACTION.sub(r"\1", text.replace("+00:00", "Z"))
