"""One requirement as pip takes it: PEP 508, a URL, version control, a path, or any of the last three editable."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from envbuild.core.definition import Origin, PipRequirement, RequirementKind
from envbuild.core.names import is_distribution, is_one_line, is_shallow, normalize
from envbuild.read.findings import Findings
from envbuild.read.urls import has_credentials

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LONGEST = 8000
VCS = ("git+", "hg+", "svn+", "bzr+")
_ARCHIVES = (
    ".whl",
    ".zip",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tar.xz",
    ".tar",
    ".tbz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
)
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?(?:[a-zA-Z][a-zA-Z0-9+.-]*://|file:(?!:)|(?<=\+)git@)\S+")
_FOLDERS = re.compile(r"""[^\s<>=!~\[\];:@'"]*[/\\][^\s<>=!~\[\];:@'"]*""")
_NAMED = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*\S", re.DOTALL)
_EXTRAS = re.compile(r"(.+?)\s*\[([^\[\]]*)\]")
_EGG = re.compile(r"(?:^|&)egg=([^&]*)")
_SCP = re.compile(r"(?:git\+)?(?:ssh://)?git@([\w.-]+):([^/\d]\S*)")


def read_requirement(
    text: str, at: Origin, findings: Findings, *, editable: bool = False, hashes: tuple[str, ...] = ()
) -> PipRequirement | None:
    """Return the requirement that `text` (one line, without options) says; None after a problem was recorded."""
    body = text.strip()
    if len(body) > LONGEST:
        findings.refuse(at, f"has {len(body)} characters; a requirement has {LONGEST} at most")
        return None
    if not is_shallow(body):
        findings.refuse(at, f"{body[:80]!r} is nested beyond any requirement")
        return None
    if not is_one_line(body):
        findings.refuse(at, f"{body[:80]!r} holds a line break or another control character")
        return None
    if has_credentials(body):
        findings.refuse(
            at,
            f"{body.split('@', 1)[0].split('://', 1)[0]}://… holds a credential; a definition never does",
            "write ${NAME} in its place, or keep it in netrc or a keyring",
        )
        return None
    place = _split_marker(body)[0]
    if found := _SCP.fullmatch(place):
        findings.refuse(at, f"{place!r} is git's short form, not a URL", f"write git+ssh://git@{found[1]}/{found[2]}")
        return None
    if not _NAMED.match(body) and (_URL.fullmatch(place) or _is_path(place, editable=editable)):
        one = _by_place(body, at, findings, editable=editable)
    else:
        one = _by_name(body, at, findings, editable=editable)
    return replace(one, hashes=hashes) if one is not None and hashes else one


def _is_path(text: str, *, editable: bool) -> bool:
    place = re.sub(r"\[[^\[\]]*\]", "", text).rstrip().partition("#egg=")[0]
    if editable or place.startswith((".", "/", "\\")) or re.match(r"[A-Za-z]:[\\/]", place):
        return True
    return place.lower().endswith(_ARCHIVES) or _FOLDERS.fullmatch(place) is not None


def _by_name(text: str, at: Origin, findings: Findings, *, editable: bool) -> PipRequirement | None:
    # here and below: a definition of conda packages alone needs none of it, and to import it costs as much as to read one
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        one = Requirement(text)
    except InvalidRequirement as error:
        findings.refuse(at, *_why_not(text, str(error)))
        return None
    marker = str(one.marker) if one.marker is not None else ""
    if one.url is None:
        return PipRequirement(
            text=str(one),
            name=normalize(one.name),
            extras=tuple(sorted(one.extras)),
            specifier=str(one.specifier),
            marker=marker,
            origin=at,
        )
    kind: RequirementKind = "editable" if editable else "vcs" if one.url.startswith(VCS) else "url"
    return PipRequirement(
        text=_editable_line(one.name, _extras_text(one), one.url) if editable else str(one),
        kind=kind,
        name=normalize(one.name),
        extras=tuple(sorted(one.extras)),
        marker=marker,
        target=one.url,
        origin=at,
    )


def _by_place(text: str, at: Origin, findings: Findings, *, editable: bool) -> PipRequirement | None:
    body, marker = _split_marker(text)
    if marker and not is_marker(marker):
        findings.refuse(at, f"{marker!r} is not an environment marker", 'for example: ; python_version >= "3.10"')
        return None
    is_url = bool(_URL.fullmatch(body)) and not re.match(r"[A-Za-z]:[\\/]", body)
    place, extras = _split_extras(body)
    target, fragment = _split_fragment(place)
    egg, egg_extras = _egg(fragment)
    name, extras = normalize(egg) or _name_of(target), tuple(sorted({*extras, *egg_extras}))
    if name and not is_distribution(name):
        findings.refuse(at, f"{egg or name!r} is not the name of a distribution", "write #egg=name, or name @ URL")
        return None
    kind: RequirementKind = "editable" if editable else "vcs" if target.startswith(VCS) else "url" if is_url else "path"
    rest = _EGG.sub("", fragment).strip("&")
    target = f"{target}#{rest}" if rest else target
    written = f"[{','.join(extras)}]" if extras else ""
    if editable:
        line = _editable_line(name if is_url else "", written, target)
    else:
        line = (
            f"{name}{written} @ {target}"
            if name and is_url and not target.startswith("file:")
            else f"{target}{written}"
        )
    return PipRequirement(
        text=f"{line} ; {marker}" if marker else line,
        kind=kind,
        name=name,
        extras=extras,
        marker=marker,
        target=target,
        origin=at,
    )


def _extras_text(one: Requirement) -> str:
    return f"[{','.join(sorted(one.extras))}]" if one.extras else ""


def _editable_line(name: str, extras: str, target: str) -> str:
    """Return `-e target` in the form that pip and uv have both always read: the name as `#egg=`."""
    if not name:
        return f"-e {target}{extras}"
    url, _, fragment = target.partition("#")
    return f"-e {url}#egg={name}{extras}{f'&{fragment}' if fragment else ''}"


def _split_marker(text: str) -> tuple[str, str]:
    # a URL may hold `;`, so a space beside it is what makes a marker (pip)
    found = re.fullmatch(r"(\S.*?)(?:(?<!\s)\s+;|;\s)\s*(.+)", text)
    if found is None:
        return text.strip(), ""
    from packaging.markers import Marker

    marker = found[2].strip()
    return found[1].strip(), str(Marker(marker)) if is_marker(marker) else marker


def is_marker(text: str) -> bool:
    """Tell whether `text` is an environment marker (PEP 508)."""
    from packaging.markers import InvalidMarker, Marker

    try:
        Marker(text)
    except InvalidMarker:
        return False
    return True


def _split_extras(text: str) -> tuple[str, tuple[str, ...]]:
    found = _EXTRAS.fullmatch(text)
    if found is None or "egg=" in text:
        return text, ()
    return found[1], tuple(one.strip() for one in found[2].split(",") if one.strip())


def _split_fragment(place: str) -> tuple[str, str]:
    target, _, fragment = place.partition("#")
    return target, fragment


def _egg(fragment: str) -> tuple[str, tuple[str, ...]]:
    found = _EGG.search(fragment)
    if found is None:
        return "", ()
    # `#egg=name-1.2` and `#egg=name==1.2` are old ways to say a version; the URL says it already
    name = re.split(r"[=<>!~]|-\d", found[1], maxsplit=1)[0]
    inner = _EXTRAS.fullmatch(name)
    return (inner[1], tuple(one.strip() for one in inner[2].split(",") if one.strip())) if inner else (name, ())


def _name_of(target: str) -> str:
    """Return the distribution that a wheel's or source archive's file name tells (PEP 427, PEP 625), or an empty text."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    file = (
        target.partition("?")[0]
        .replace("\\", "/")
        .rstrip("/")
        .rpartition("/")[2]
        .replace("%2B", "+")
        .replace("%2b", "+")
    )
    try:
        if file.endswith(".whl"):
            return str(parse_wheel_filename(file)[0])
        return str(parse_sdist_filename(file)[0])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def _why_not(text: str, error: str) -> tuple[str, str]:
    """Return what is wrong with `text`, and what to write: first the mistakes that people make."""
    if "{{" in text or "{%" in text:
        return f"{text!r} is a template that has yet to be filled in", "render it first, and give envbuild the result"
    if found := re.fullmatch(r"([\w./-]+)::\s*([A-Za-z0-9._-]+)\s*(.*)", text):
        hint = f"write {found[2]}{found[3]}, or put it into the dependencies of a conda environment file"
        return f"{text!r} names a conda channel; pip knows none", hint
    if found := re.fullmatch(r"([A-Za-z0-9._-]+(?:\[[^\]]*\])?)\s*=\s*([0-9][^=\s]*)(?:=\S+)?\s*(;.*)?", text):
        return (
            f"{text!r} has one `=`, as conda writes it; pip needs two",
            f"write {found[1]}=={found[2]}{found[3] or ''}",
        )
    if text.startswith(("'", '"')) or text.endswith(("',", '",')):
        clean = text.strip("'\", ")
        return f"{text!r} is an element of a Python list", f"write {clean} without quotation marks and comma"
    reason = error.splitlines()[0] if error else "not understood"
    return (
        f"{text!r} is not a requirement: {reason}",
        "write name, name==1.2, name>=1.2,<2, name[extra] or name @ URL (PEP 508)",
    )
