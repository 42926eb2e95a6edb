"""A software bill of materials (CycloneDX 1.6, JSON) of a lock: every package with purl, hashes, licence and dependencies.

Without a timestamp, and with a serial number made of the content: the same lock gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from envbuild.core.graph import Node, graph
from envbuild.core.keys import canonical as canonical_json
from envbuild.core.keys import sha256
from envbuild.core.lock import CondaPackage, Lock, PipFile, PipPackage
from envbuild.core.plan import Code
from envbuild.core.selection import applicable
from envbuild.formats.canonical import canonical
from envbuild.formats.pip_values import set_only

_ALGORITHMS = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "sha3_256": "SHA3-256",
    "blake2b": "BLAKE2b-512",
}
_ROOT = "environment"


def write_cyclonedx(
    lock: Lock,
    platform: str = "",
    name: str = "environment",
    *,
    code: Sequence[Code] = (),
    licenses: Mapping[tuple[str, str], str] | None = None,
) -> str:
    """Return the bill of materials of one platform, or (empty) of all that the lock is for, and of the `code` in an image.

    `licenses` are those of pip's packages, by name and version, which no lock says.
    """
    whole = canonical(lock)
    platforms = (platform,) if platform else whole.platforms
    components: dict[str, dict[str, Any]] = {}
    edges: dict[str, set[str]] = {_ROOT: set()}
    for one in platforms:
        _add_platform(whole, one, components, edges, licenses or {})
    for extra in (*_base(whole), *_apt(whole), *map(_code, code)):
        components[extra["bom-ref"]] = extra
        edges[_ROOT].add(extra["bom-ref"])
        edges[extra["bom-ref"]] = set()
    return _document(name, components, edges)


def _document(name: str, components: dict[str, dict[str, Any]], edges: dict[str, set[str]]) -> str:
    body: dict[str, Any] = {
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "envbuild"}]},
            "component": {"type": "application", "bom-ref": _ROOT, "name": name},
        },
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [set_only({"ref": ref, "dependsOn": sorted(edges[ref])}) for ref in sorted(edges)],
    }
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, sha256(canonical_json(body)))}",
    }
    return json.dumps(head | body, indent=2, ensure_ascii=False) + "\n"


def _add_platform(
    lock: Lock,
    platform: str,
    components: dict[str, dict[str, Any]],
    edges: dict[str, set[str]],
    licenses: Mapping[tuple[str, str], str],
) -> None:
    refs: dict[Node, str] = {}
    for conda in lock.conda:
        if conda.platform == platform:
            component = conda_component(conda)
            refs[Node(name=conda.name, manager="conda", version=conda.version)] = component["bom-ref"]
            components[component["bom-ref"]] = component
    for pip in applicable(lock, platform):
        component = pip_component(pip, licenses.get((pip.name, pip.version), ""))
        refs[Node(name=pip.name, manager="pip", version=pip.version)] = component["bom-ref"]
        components[component["bom-ref"]] = component
    whole = graph(lock, platform)
    edges[_ROOT].update(refs[node] for node in whole.roots())
    for node, targets in whole.edges.items():
        edges.setdefault(refs[node], set()).update(refs[target] for target in targets)


def conda_component(package: CondaPackage) -> dict[str, Any]:
    """Return the component of one conda package."""
    archive = "conda" if package.filename.endswith(".conda") else "tar.bz2"
    qualifiers = {"build": package.build, "channel": package.channel, "subdir": package.subdir, "type": archive}
    purl = _purl("conda", package.name, package.version, qualifiers)
    file = {"url": package.url, "type": "distribution"}
    return set_only(
        {
            "type": "library",
            "bom-ref": purl,
            "name": package.name,
            "version": package.version,
            "hashes": _hashes((("md5", package.md5), ("sha256", package.sha256))),
            "licenses": _licences(package.license),
            "purl": purl,
            "externalReferences": [file],
        }
    )


def pip_component(package: PipPackage, license: str = "") -> dict[str, Any]:  # noqa: A002 - as the file calls it
    """Return the component of one pip package; each of its files is an external reference with its hashes."""
    files = tuple(package.files)
    purl = _purl("pypi", package.name, package.version, _pip_qualifiers(package))
    return set_only(
        {
            "type": "library",
            # two entries of one version (by marker) are told apart by their files
            "bom-ref": purl if len(files) != 1 else f"{purl}#{quote(files[0].filename, safe='')}",
            "name": package.name,
            "version": package.version,
            "hashes": _hashes(files[0].hashes) if len(files) == 1 else [],
            "licenses": _licences(license),
            "purl": purl,
            "externalReferences": [*map(_file, (one for one in files if one.url)), *_vcs(package)],
        }
    )


def _pip_qualifiers(package: PipPackage) -> dict[str, str]:
    if package.vcs is not None:
        return {"vcs_url": f"{package.vcs.type}+{package.vcs.url}@{package.vcs.commit}"}
    return {"download_url": package.archive.url} if package.archive is not None else {}


def _file(file: PipFile) -> dict[str, Any]:
    return set_only({"url": file.url, "type": "distribution", "hashes": _hashes(file.hashes)})


def _vcs(package: PipPackage) -> Iterator[dict[str, Any]]:
    if package.vcs is not None:
        yield {"url": package.vcs.url, "type": "vcs", "comment": f"commit {package.vcs.commit}"}


def _code(code: Code) -> dict[str, Any]:
    package, [wheel] = code.package, code.package.wheels
    # no purl: an index may have something else of that name
    return set_only(
        {
            "type": "library",
            "bom-ref": f"code:{package.name}@{package.version}",
            "name": package.name,
            "version": package.version,
            "hashes": _hashes(wheel.hashes),
            "licenses": _licences(code.license),
        }
    )


def _base(lock: Lock) -> Iterator[dict[str, Any]]:
    base = lock.base
    if base.reference:
        yield set_only(
            {
                "type": "container",
                "bom-ref": f"base:{base.pinned}",
                "name": base.reference.partition("@")[0],
                "version": base.digest,
            }
        )


def _apt(lock: Lock) -> Iterator[dict[str, Any]]:
    distribution = lock.base.distribution.partition(" ")[0] or "ubuntu"
    for text in lock.apt.packages:
        name, _, version = text.partition("=")
        purl = _purl("deb", name.partition(":")[0], version, {}, namespace=distribution)
        yield set_only({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})


def _purl(kind: str, name: str, version: str, qualifiers: dict[str, str], namespace: str = "") -> str:
    path = f"{quote(namespace, safe='')}/" if namespace else ""
    query = "&".join(f"{key}={quote(one, safe=':/')}" for key, one in sorted(qualifiers.items()) if one)
    pinned = f"@{quote(version, safe='')}" if version else ""
    return f"pkg:{kind}/{path}{quote(name, safe='')}{pinned}" + (f"?{query}" if query else "")


def _hashes(digests: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"alg": _ALGORITHMS[name], "content": one} for name, one in digests if one and name in _ALGORITHMS]


def _licences(text: str) -> list[dict[str, Any]]:
    """Return the licence as SPDX identifier or expression where it is one, else by its name as the package gives it."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text:
        return []
    try:
        expression = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return [{"license": {"name": text}}]
    if " " in expression:
        return [{"expression": expression}]
    return [{"license": {"name" if expression.startswith("LicenseRef-") else "id": expression}}]
