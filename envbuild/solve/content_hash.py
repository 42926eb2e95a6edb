"""conda-lock's own `content_hash`, so that its `--check-input-hash` accepts the files that we write.

The algorithm is `conda_lock.content_hash` of conda-lock 4, held against that module by the tests. It covers channels, specs and
conda-lock's default virtual packages; what our own definition hash covers besides (Python code, images, dates) it does not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from envbuild.core.definition import CondaSpec, Definition, PipRequirement
from envbuild.core.names import normalize
from envbuild.core.platforms import PLATFORMS

_TIMESTAMP = 1577854800000
_OPEN = {
    "linux": (("__unix", "0"), ("__linux", "5.10"), ("__glibc", "2.28"), ("__cuda", "11.4")),
    "win32": (("__win", "0"), ("__cuda", "11.4")),
}
_MAC = (("__unix", "0"), ("__osx", "11.0"))
_KNOWN = {"linux-64", "linux-aarch64", "linux-ppc64le", "osx-64", "osx-arm64", "win-64"}
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def conda_lock_content_hash(definition: Definition, platforms: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of platform and content hash, as conda-lock computes them for an `environment.yml` that says the same.

    Spellings that mean the same to us but not to conda-lock (`numpy` and `numpy *`, the quotes in a marker) count as the first.
    """
    return tuple((platform, _hash(definition, platform)) for platform in platforms)


def _hash(definition: Definition, platform: str) -> str:
    channels = [name for name in definition.channels if name != "nodefaults"]
    content: dict[str, object] = {
        "channels": [_channel(name) for name in channels],
        "specs": _specs(definition, platform),
        "virtual_package_hash": {"noarch": _subdir("noarch", {}), platform: _virtual(platform)},
    }
    repositories = [url for url in (definition.index.index_url, *definition.index.extra_index_urls) if url]
    if repositories:
        content["pip_repositories"] = [_compact({"url": url}) for url in repositories]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _channel(name: str) -> str:
    used = sorted(set(_VARIABLE.findall(name))) if "://" in name else []
    url = _VARIABLE.sub(r"${\1}", name) if used else name
    return _compact({"url": url, "used_env_vars": used})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _specs(definition: Definition, platform: str) -> list[dict[str, object]]:
    """Return one entry for each pair of manager and name; of several, the last counts, and `pip` is always any version."""
    entries = [_conda(spec) for spec in definition.conda_for(platform)]
    entries += [
        _pip(one)
        for one in definition.pip
        if one.kind not in ("editable", "include") and _marker_holds(one.marker, platform)
    ]
    if definition.pip:
        entries.append(_named("pip", "conda", version="*"))
    unique = {(str(one["manager"]), str(one["name"])): one for one in entries}
    return [unique[key] for key in sorted(unique)]


def _named(name: str, manager: str, **fields: object) -> dict[str, object]:
    """Return the entry of a dependency with a version."""
    entry = _entry(name, manager)
    return {**entry, "version": "", "build": None, "conda_channel": None, "hash": None, **fields}


def _entry(name: str, manager: str) -> dict[str, object]:
    return {"name": name, "manager": manager, "category": "main", "extras": []}


def _conda(spec: CondaSpec) -> dict[str, object]:
    version = _conda_version(spec.version) or ("*" if spec.build else "")
    channel = spec.channel.rstrip("/").rpartition("/")[2] if "://" in spec.channel else spec.channel
    return _named(spec.name, "conda", version=version, build=spec.build or None, conda_channel=channel or None)


def _conda_version(version: str) -> str:
    """Return a version in conda's raw form from ours: `=1.2` is `1.2.*` there and `==1.2` is `1.2`."""
    if version.startswith("=") and not version.startswith("=="):
        return f"{version[1:]}.*"
    return re.sub(r"(^|[,|(])==", r"\1", version)


def _pip(one: PipRequirement) -> dict[str, object]:
    markers = {"markers": one.marker} if one.marker else {}
    name = _name_in_url(one.text) if "://" in one.text.partition("@")[0] else one.name
    if one.kind == "vcs":
        return {**_entry(name, "pip"), **_vcs(one.target), **markers}
    if one.kind == "url":
        url, _, fragment = one.target.partition("#")
        entry = {**_entry(name, "pip"), "extras": sorted(one.extras)}
        return {**entry, "url": url, "hashes": [fragment.replace("=", ":")], **markers}
    if one.kind == "path":
        entry = {**_entry(one.name, "pip"), "extras": sorted(one.extras)}
        return {**entry, "path": one.target.removeprefix("file://"), "is_directory": False, **markers}
    version = ",".join(sorted(one.specifier.replace(" ", "").replace("===", "==").split(","))) or "*"
    fields = {"version": version, "extras": sorted(one.extras), "hash": ",".join(one.hashes) or None}
    return {**_named(one.name, "pip", **fields), **markers}


def _name_in_url(url: str) -> str:
    """Return what conda-lock calls a requirement that is only a URL: the last part of its path."""
    return normalize(url.rsplit("/", 1)[-1].split("@", maxsplit=1)[0].removesuffix(".git"))


def _vcs(target: str) -> dict[str, object]:
    url = target.removesuffix(".git").removeprefix("git+")
    url, at, revision = url.rpartition("@") if re.search(r"@[^/:]+(?:#.*)?$", url) else (url, "", "")
    revision, _, subdirectory = revision.partition("#subdirectory=")
    found: dict[str, object] = {"source": url, "vcs": "git", "rev": revision if at else None}
    return {**found, "subdirectory": subdirectory} if subdirectory else found


def _marker_holds(marker: str, platform: str) -> bool:
    """Tell whether `marker` holds on `platform`; what depends on anything but the platform counts as true."""
    if not marker:
        return True
    from packaging.markers import Marker

    target = PLATFORMS[platform]
    known = {
        "os_name": target.os_name,
        "platform_machine": target.platform_machine,
        "platform_system": target.platform_system,
        "sys_platform": target.sys_platform,
    }
    names = set(re.findall(r"[a-z_]+(?=\s*(?:[<>=!~]|not\s+in\b|in\b))", marker))
    return Marker(marker).evaluate(known) if names <= known.keys() else True


def _virtual(platform: str) -> dict[str, object]:
    if platform not in _KNOWN:
        return {}
    target = PLATFORMS[platform]
    machine = {"AMD64": "x86_64"}.get(target.platform_machine, target.platform_machine)
    pairs = [
        ("__archspec", "1", machine),
        *((name, version, "") for name, version in _OPEN.get(target.sys_platform, _MAC)),
    ]
    if platform == "osx-64":
        pairs.append(("__osx", "10.15", ""))
    packages: dict[str, object] = dict(_virtual_package(*one, platform) for one in pairs)
    return _subdir(platform, packages)


def _subdir(name: str, packages: dict[str, object]) -> dict[str, object]:
    return {"info": {"subdir": name}, "packages": packages}


def _virtual_package(name: str, version: str, build: str, platform: str) -> tuple[str, dict[str, object]]:
    full = f"{build}_0" if build else "0"
    package: dict[str, object] = {
        "name": name,
        "version": version,
        "build_string": build,
        "build_number": 0,
        "build": full,
        "noarch": "",
        "depends": [],
        "timestamp": _TIMESTAMP,
        "package_type": "virtual_system",
        "subdir": platform,
    }
    return f"{name}-{version}-{full}.tar.bz2", package
