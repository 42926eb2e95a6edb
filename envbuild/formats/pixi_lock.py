"""pixi.lock (versions 4 to 7, pixi's and rattler's): one environment of it becomes a lock."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.errors import LockError, Problem
from envbuild.core.lock import CondaPackage, Lock, PipFile, PipPackage
from envbuild.core.names import is_shallow, normalize
from envbuild.formats import checks
from envbuild.formats.canonical import canonical, depends_key
from envbuild.formats.conda_entries import channel_of, file_parts, from_url, place, python_of
from envbuild.formats.fields import Table
from envbuild.formats.folding import fold, only_known_dependencies
from envbuild.formats.pip_entries import parse_vcs
from envbuild.formats.urls import filename, is_url, without_credentials
from envbuild.formats.yaml_text import load

_VERSIONS = ("4", "5", "6", "7")


def read_pixi(text: str, file: str, environment: str = "") -> Lock:
    """Return the lock of one environment of a pixi.lock: `environment`, else `default`, else the only one.

    Raises:
        LockError: it is not such a file, the environment is not in it, or a package is to be built from source.
    """
    root = load(text, file)
    version = root.text("version", required=True)
    if version not in _VERSIONS:
        root.wrong(
            "version", f"{version[:20]!r} is not a version of pixi.lock that envbuild knows ({', '.join(_VERSIONS)})"
        )
    root.notes.check()
    lock = _read(root, _environment(root, environment))
    root.notes.check()
    return canonical(lock)


def _environment(root: Table, wanted: str) -> Table:
    environments = root.table("environments")
    names = list(environments.data)
    name = wanted or ("default" if "default" in names or len(names) != 1 else names[0])
    if name not in names:
        known = ", ".join(names) or "none"
        raise LockError(
            Problem(
                message=f"has no environment {name!r} (it has: {known})",
                file=root.notes.file,
                key="environments",
                hint="name the one to import",
            )
        )
    return environments.table(name)


def _read(root: Table, environment: Table) -> Lock:
    channels = tuple(without_credentials(one.text("url")).rstrip("/") for one in environment.tables("channels"))
    indexes = checks.urls(environment, "indexes")
    subdirs = {one.text("name"): one.text("subdir") or one.text("name") for one in root.tables("platforms")}
    known = _known(root)
    used = environment.table("packages")
    conda: list[CondaPackage] = []
    pip: list[PipPackage] = []
    for name in used.data:
        platform = subdirs.get(name, name)
        for reference in used.tables(name):
            entry = _entry(reference, known, platform)
            if entry is not None and reference.has("conda"):
                conda.append(_conda(entry, platform, channels))
            elif entry is not None:
                pip.append(_pip(entry, platform, indexes))
    platforms = tuple(dict.fromkeys(subdirs.get(name, name) for name in used.data))
    virtual = _virtual_packages(root, environment)
    return Lock(
        definition_hash="",
        platforms=platforms,
        channels=channels,
        conda=tuple(dict.fromkeys(conda)),
        pip=fold(only_known_dependencies(pip, conda), platforms),
        python=python_of(tuple(conda)),
        index_url=indexes[0] if indexes else "",
        extra_index_urls=indexes[1:],
        virtual_packages=virtual,
        created_by="pixi",
    )


def _virtual_packages(root: Table, environment: Table) -> tuple[str, ...]:
    used = environment.table("packages").data
    named = [one.texts("virtual-packages") for one in root.tables("platforms") if one.text("name") in used]
    return tuple(dict.fromkeys(text for texts in named for text in texts))


def _known(root: Table) -> dict[tuple[str, str], list[Table]]:
    """Return the package entries by kind and location; several may share a location and differ in their subdir."""
    known: dict[tuple[str, str], list[Table]] = {}
    for entry in root.tables("packages"):
        kind = entry.text("kind")  # versions 4 and 5; since 6 the kind is the key of the location
        for key in ("conda", "pypi"):
            location = entry.text("url") or entry.text("path") if kind == key else entry.text(key)
            if location:
                known.setdefault((key, location), []).append(entry)
    return known


def _entry(reference: Table, known: dict[tuple[str, str], list[Table]], platform: str) -> Table | None:
    key = next((one for one in ("conda", "pypi") if reference.has(one)), "")
    location = reference.text(key) if key else ""
    if reference.has("conda_source") or (key == "conda" and not place_is_archive(location)):
        what = (reference.text("conda_source") or location)[:100]
        reference.wrong(
            "", f"{what} is built from source, which a lock of envbuild cannot hold", hint="build and publish it"
        )
        return None
    found = known.get((key, location), [])
    fitting = [one for one in found if one.text("subdir") in (platform, "noarch", "")]
    if not fitting:
        reference.wrong(key, f"{location[:120]!r} is not among the file's packages")
        return None
    return fitting[0]


def place_is_archive(location: str) -> bool:
    """Tell whether `location` is the URL or path of a conda archive."""
    return location.partition("#")[0].endswith((".conda", ".tar.bz2"))


def _conda(entry: Table, platform: str, channels: tuple[str, ...]) -> CondaPackage:
    key = "conda" if entry.has("conda") else "url"
    location = entry.text(key)
    if not is_url(location):
        entry.wrong(key, f"{location[:120]!r} is a path on one machine, not a URL")
    url = without_credentials(location)
    channel, _, archive = place(url)
    name, version, build = file_parts(archive)
    depends = tuple(sorted(set(entry.texts("depends")), key=depends_key))
    guess = from_url(
        name=entry.text("name") or name,
        version=entry.text("version") or version,
        platform=platform,
        url=url,
        depends=depends,
        channels=channels,
    )
    number = entry.number("build_number")
    noarch = entry.text("noarch")
    return replace(
        guess,
        channel=channel_of(without_credentials(entry.text("channel")) or channel, channels),
        subdir=checks.subdir(entry) or guess.subdir,
        build=entry.text("build") or build,
        build_number=guess.build_number if number is None else number,
        md5=checks.digest(entry, "md5"),
        sha256=checks.digest(entry, "sha256"),
        size=entry.number("size"),
        constrains=entry.texts("constrains"),
        license=entry.text("license"),
        noarch=noarch if noarch in ("python", "generic") else guess.noarch,
    )


def _pip(entry: Table, platform: str, indexes: tuple[str, ...]) -> PipPackage:
    location = entry.text("pypi") or entry.text("url") or entry.text("path")
    url = without_credentials(location.removeprefix("direct+"))
    package = PipPackage(
        name=checks.distribution(entry),
        version=checks.pip_version(entry),
        requires_python=checks.specifier(entry, "requires_python"),
        dependencies=tuple(sorted({normalize(_requirement_name(one)) for one in entry.texts("requires_dist")})),
        platforms=(platform,),
    )
    vcs = parse_vcs(url)
    if vcs is not None:
        checks.revision(entry, "pypi", vcs.commit)
        return replace(package, vcs=replace(vcs, subdirectory=checks.folder(entry, "pypi", vcs.subdirectory)))
    digests = tuple((name, one) for name in ("md5", "sha256") if (one := checks.digest(entry, name)))
    if not is_url(url) and not filename(url).endswith((".whl", ".tar.gz", ".zip")):
        return replace(package, directory=checks.folder(entry, "pypi", url))
    file = PipFile(
        filename=checks.file_name(entry, "pypi", filename(url)),
        url=url if is_url(url) else "",
        path="" if is_url(url) else url,
        hashes=digests,
    )
    if location.startswith("direct+") or file.path:
        return replace(package, archive=file)
    index = indexes[0] if indexes else ""
    if file.filename.endswith(".whl"):
        return replace(package, wheels=(file,), index=index)
    return replace(package, sdist=file, index=index)


def _requirement_name(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text).name if is_shallow(text) else ""
    except InvalidRequirement:
        return text.split(maxsplit=1)[0]
