"""What every reader asks of names, URLs and digests before they become part of a lock (they reach shells and files later)."""

from __future__ import annotations

import re

from envbuild.core.definition import IndexPin
from envbuild.core.names import is_distribution, is_shallow, normalize
from envbuild.formats.fields import Table
from envbuild.formats.urls import is_url, without_credentials

_CONDA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[A-Za-z0-9_.!+*-]+")
_PLATFORM = re.compile(r"[a-z0-9]+-[a-z0-9]+|noarch")
_ARCHIVE = re.compile(r"[A-Za-z0-9_.+!%=-]+\.(?:conda|tar\.bz2|tar\.zst)")
_FILE = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f\x7f]+")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_FOLDER = re.compile(r"(?!-)[^\s\\;#'\"`$<>|&]+")
_DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_ALGORITHM = re.compile(r"[A-Za-z0-9_]{1,32}")
_HEX = re.compile(r"[0-9a-f]+")


def conda_name(table: Table, name: str = "name") -> str:
    """Return the conda package name at `name`; what is none is noted."""
    return _matching(table, name, _CONDA_NAME, "a conda package name")


def conda_version(table: Table, name: str = "version") -> str:
    """Return the version or build text at `name`; what is none is noted."""
    return _matching(table, name, _VERSION, "a version")


def platform(table: Table, name: str = "platform") -> str:
    """Return the conda subdir at `name`; what is none is noted."""
    return _matching(table, name, _PLATFORM, "a platform like linux-64")


def _matching(table: Table, name: str, pattern: re.Pattern[str], what: str) -> str:
    text = table.text(name, required=True)
    if text and not pattern.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not {what}")
    return text


def conda_url(table: Table, name: str = "url") -> str:
    """Return the URL of a conda archive at `name` without credentials; what is none is noted."""
    text = url(table, name, required=True)
    if text and not _ARCHIVE.fullmatch(text.partition("#")[0].rsplit("/", 1)[-1]):
        table.wrong(name, f"{text[:120]!r} does not end in the name of a conda archive (.conda, .tar.bz2)")
    return text


def subdir(table: Table, name: str = "subdir") -> str:
    """Return the conda subdir at `name`, empty where there is none; what is none is noted."""
    return platform(table, name) if table.text(name) else ""


def urls(table: Table, name: str) -> tuple[str, ...]:
    """Return the list of URLs at `name` without credentials; what is none is noted."""
    texts = table.texts(name)
    for number, text in enumerate(texts):
        if not is_url(text):
            table.wrong(name, f"{text[:80]!r} (item {number}) is not a URL")
    return tuple(without_credentials(text) for text in texts if is_url(text))


def index_pins(table: Table, name: str) -> tuple[IndexPin, ...]:
    """Return the list at `name`, each `NAME URL` or `NAME URL ; MARKER`; what is none is noted."""
    found = []
    for number, text in enumerate(table.texts(name)):
        head, _, condition = text.partition(" ; ")
        distribution, _, place = head.partition(" ")
        if not is_distribution(distribution) or not is_url(place) or (condition and _not_a_marker(condition)):
            table.wrong(name, f"{text[:80]!r} (item {number}) is not a distribution and the URL of its index")
        else:
            found.append(IndexPin(name=distribution, url=without_credentials(place), marker=condition))
    return tuple(found)


def file_name(table: Table, name: str, text: str) -> str:
    """Return `text`, the name of a file that will be written somewhere; one that could leave its folder is noted."""
    if not _FILE.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not a file name")
    return text


def revision(table: Table, name: str, text: str) -> str:
    """Return `text`, a commit; one that could be read as something else on a command line is noted."""
    if not _REVISION.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not a commit")
    return text


def folder(table: Table, name: str, text: str) -> str:
    """Return `text`, a path; one that could be read as something else in a requirements file is noted."""
    if text and not _FOLDER.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not a path without spaces, quotes and special characters")
    return text


def distribution(table: Table, name: str = "name") -> str:
    """Return the normalised distribution name at `name`; what is none is noted."""
    text = table.text(name, required=True)
    if text and not is_distribution(text):
        table.wrong(name, f"{text[:80]!r} is not the name of a Python distribution")
    return normalize(text)


def matching_version(table: Table, name: str, text: str) -> str:
    """Return `text`, the version that stands at `name`; what is none is noted."""
    if text and not _VERSION.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not a version")
    return text


def pip_version(table: Table, name: str = "version") -> str:
    """Return the PEP 440 version at `name` (empty where there is none); what is none is noted."""
    text = table.text(name)
    if text and not _VERSION.fullmatch(text):
        table.wrong(name, f"{text[:80]!r} is not a version (PEP 440)")
    return text


def url(table: Table, name: str = "url", *, required: bool = False) -> str:
    """Return the URL at `name` without credentials; what is none is noted."""
    text = table.text(name, required=required)
    if text and not is_url(text):
        table.wrong(name, f"{text[:80]!r} is not a URL")
        return ""
    return without_credentials(text)


def digest(table: Table, name: str, algorithm: str = "") -> str:
    """Return the lower-case hexadecimal digest at `name`, or an empty text; what is none is noted."""
    text = table.text(name).lower()
    if not text:
        return ""
    length = _DIGEST_LENGTHS.get(algorithm or name, len(text))
    if not _HEX.fullmatch(text) or len(text) != length:
        table.wrong(name, f"{text[:80]!r} is not a digest of {length} hexadecimal digits")
    return text


def hash_pair(table: Table, name: str) -> tuple[tuple[str, str], ...]:
    """Return the one digest at `name`, written `sha256:…`, as pairs; what is none is noted."""
    algorithm, sign, text = table.text(name).partition(":")
    if not sign and not algorithm:
        return ()
    inner = Table({name: text}, table.path, table.notes)
    found = digest(inner, name, algorithm.lower())
    return ((algorithm.lower(), found),) if found else ()


def hashes(table: Table, name: str = "hashes") -> tuple[tuple[str, str], ...]:
    """Return the digests by algorithm at `name`, sorted."""
    inner = table.table(name)
    for one in inner.data:
        if not _ALGORITHM.fullmatch(one):
            inner.wrong("", f"{one[:40]!r} is not the name of a hash algorithm (sha256, …)")
    return tuple(sorted((one.lower(), text) for one in inner.data if (text := digest(inner, one, one.lower()))))


def marker(table: Table, name: str = "marker") -> str:
    """Return the marker at `name` as written; one that PEP 508 does not know is noted."""
    text = table.text(name)
    if text and (problem := _not_a_marker(text)):
        table.wrong(name, problem)
        return ""
    return text


def _not_a_marker(text: str) -> str:
    """Return why `text` is no marker, or an empty text."""
    from packaging.markers import InvalidMarker, Marker

    if not is_shallow(text):
        return "is nested beyond any marker"
    try:
        Marker(text)
    except InvalidMarker as error:
        return f"is not a marker (PEP 508): {str(error).splitlines()[0]}"
    return ""


def specifier(table: Table, name: str = "requires-python") -> str:
    """Return the version specifiers at `name` as written; what PEP 440 does not know is noted."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = table.text(name)
    if text:
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            table.wrong(name, f"{text[:80]!r} is not a version specifier (PEP 440)")
            return ""
    return text
