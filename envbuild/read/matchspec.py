"""Conda's MatchSpec language, read without conda: text → `CondaSpec` in one canonical form that says the same.

The meaning is conda's own (`conda.models.match_spec`, `conda.models.version`): `n=1.2` is any 1.2, `n==1.2`, `n 1.2` and
`n=1.2=build` are exactly 1.2, `n==1.2.*` is any 1.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from envbuild.core.definition import NOWHERE, CondaSpec, Origin
from envbuild.core.names import is_conda_package
from envbuild.read.urls import has_credentials

LONGEST = 2000
SUBDIRS = frozenset(
    [
        "noarch",
        "linux-32",
        "linux-64",
        "linux-aarch64",
        "linux-armv6l",
        "linux-armv7l",
        "linux-ppc64",
        "linux-ppc64le",
        "linux-riscv32",
        "linux-riscv64",
        "linux-s390x",
        "osx-64",
        "osx-arm64",
        "win-32",
        "win-64",
        "win-arm64",
        "zos-z",
        "freebsd-64",
        "emscripten-32",
        "emscripten-wasm32",
        "wasi-wasm32",
    ]
)
_NAME = re.compile(r"\s*([^\s=<>!~|,\[\]]+)\s*(.*?)\s*", re.DOTALL)
_CHANNEL_OPTION = re.compile(r"(.*?)\s+(?:-c|--channel)[\s=]+(\S+)\s*")
_BRACKETS = re.compile(r"(.*?)\[([^\[\]]*)\]\s*", re.DOTALL)
_PAIR = re.compile(r"""\s*([a-zA-Z0-9_]+)\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|([^,'"]*?))\s*(?:,|$)""")
_VERSION = re.compile(r"(?:\d+!)?[0-9a-zA-Z]+(?:[._-]+[0-9a-zA-Z]+)*_?(?:\+[0-9a-zA-Z]+(?:[._-][0-9a-zA-Z]+)*)?")
_ONE = r"\(*(?:==|!=|>=|<=|~=|=|<|>)?[^\s=<>~,|()]+\)*"
_EXPRESSION_AND_BUILD = re.compile(rf"(?P<version>{_ONE}(?:[,|]{_ONE})*)(?:(?:\s+=?|=)(?P<build>[^\s=]*))?")
_BUILD = re.compile(r"[0-9A-Za-z_.+*]+")
_KEYS = frozenset(
    {"version", "build", "build_number", "channel", "subdir", "md5", "sha256", "fn", "url", "license", "track_features"}
)
_ARCHIVE = re.compile(r"([^/\\]+)-([^-/\\]+)-([^-/\\]+)(?:\.tar\.bz2|\.conda)")


class MatchSpecError(ValueError):
    """A text is no MatchSpec. `hint` says what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(slots=True, kw_only=True)
class _Parts:
    name: str = ""
    version: str = ""
    build: str = ""
    channel: str = ""
    subdir: str = ""
    others: dict[str, str] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A spec as understood; `mended` says what was not conda's own syntax, in words."""

    spec: CondaSpec
    mended: tuple[str, ...] = ()


def parse_matchspec(text: str, origin: Origin = NOWHERE) -> Read:
    """Return the meaning of `text`.

    Raises:
        MatchSpecError: it has none, or one that a definition cannot have.
    """
    rest = text.partition("#")[0].strip() if " #" in text else text.strip()
    _refuse_foreign(rest)
    # long runs of spaces say nothing, and would be tried again and again
    rest = written = " ".join(rest.split())
    if found := _ARCHIVE.fullmatch(rest.partition("#")[0].rpartition("/")[2]):
        return _archive(rest, found, origin)
    parts = _Parts()
    rest = _take_channel_option(rest, parts)
    rest, pairs = _take_brackets(rest)
    rest = _take_channel(rest, parts)
    _take_name_and_version(rest, parts)
    for key, value in pairs.items():
        _take_pair(key, value.strip(), parts)
    return Read(spec=replace(_spec(parts, origin), written=written), mended=tuple(parts.mended))


def _refuse_foreign(text: str) -> None:
    if len(text) > LONGEST:
        raise MatchSpecError(f"has {len(text)} characters; a spec has {LONGEST} at most")
    if not text:
        raise MatchSpecError("is empty", "remove it, or write a package name")
    if text.startswith("-"):
        raise MatchSpecError(f"{text!r} is an option of a command line", "pip's options belong into the `pip:` list")
    if "{{" in text or "{%" in text:
        raise MatchSpecError(f"{text!r} is a template that has yet to be filled in", "render it first")
    if ";" in text:
        raise MatchSpecError(
            f"{text!r} has an environment marker, which conda does not know", f"put it into the `pip:` list: {text!r}"
        )
    if ("@" in text and re.match(r"[A-Za-z0-9._-]+(\[.*\])?\s*@", text)) or text.startswith(
        ("git+", "hg+", "svn+", "bzr+")
    ):
        raise MatchSpecError(f"{text!r} is pip's way to name a URL", "put it into the `pip:` list")
    if " if " in text:
        raise MatchSpecError(f"{text!r} has a condition, which is not supported", "write the spec without ` if …`")


def _archive(text: str, found: re.Match[str], origin: Origin) -> Read:
    name, version, build = found.groups()
    _check_name(name.lower())
    url = text if "://" in text else f"file://{text}" if text.startswith("/") else text
    if has_credentials(url):
        raise MatchSpecError("has a credential in its URL", "write ${NAME} in its place")
    spec = CondaSpec(text=url, name=name.lower(), version=f"=={version}", build=build, channel="", origin=origin)
    return Read(spec=spec)


def _take_channel_option(text: str, parts: _Parts) -> str:
    found = _CHANNEL_OPTION.fullmatch(text)
    if found is None:
        if re.search(r"\s--?[a-z]", text):
            raise MatchSpecError(f"{text!r} holds an option of a command line", "write the package alone")
        return text
    parts.channel = found[2]
    parts.mended.append(f"`-c {found[2]}` is an option of the command line; it is read as {found[2]}::{found[1]}")
    return found[1]


def _take_brackets(text: str) -> tuple[str, dict[str, str]]:
    found = _BRACKETS.fullmatch(text)
    if found is None:
        if "[" in text or "]" in text:
            raise MatchSpecError(f"{text!r} has brackets that do not close at its end", "write name[version='>=1.2']")
        return text, {}
    pairs = {pair[1].lower(): next(filter(None, pair.groups()[1:]), "") for pair in _PAIR.finditer(found[2])}
    left = _PAIR.sub("", found[2]).strip(" ,")
    if left or not pairs.keys() <= _KEYS:
        wrong = left or ", ".join(sorted(pairs.keys() - _KEYS))
        raise MatchSpecError(
            f"[{wrong}] is not a condition of conda's",
            f"extras belong to pip: put {text!r} into the `pip:` list"
            if left
            else f"accepted: {', '.join(sorted(_KEYS))}",
        )
    return found[1].strip(), pairs


def _take_pair(key: str, value: str, parts: _Parts) -> None:
    if not value or (not re.fullmatch(r"[^\s'\"\[\]\\]+", value) and key != "version"):
        raise MatchSpecError(f"[{key}={value!r}] has no value that can be used")
    if key == "version":
        parts.version = _canonical_version(value)
    elif key == "channel":
        parts.channel = value
    elif key in ("build", "subdir"):
        setattr(parts, key, value)
    else:
        parts.others[key] = value


def _take_channel(text: str, parts: _Parts) -> str:
    channel, colons, rest = text.rpartition("::")
    if not colons:
        if re.match(r"[A-Za-z0-9_-]+:[A-Za-z_]", text):
            raise MatchSpecError(
                f"{text!r} has one colon between channel and package", f"write {text.replace(':', '::', 1)}"
            )
        return text
    channel = channel.strip().rstrip("/")
    if not channel or re.search(r"[\s'\"\[\]\\]", channel):
        raise MatchSpecError(f"{text!r} has no channel that can be used before `::`", "write channel::name")
    if has_credentials(channel):
        raise MatchSpecError("has a credential in its channel's URL", "write ${NAME} in its place")
    head, _, last = channel.rpartition("/")
    if head and last in SUBDIRS:
        channel, parts.subdir = head, parts.subdir or last
    parts.channel = channel
    return rest.strip()


def _take_name_and_version(text: str, parts: _Parts) -> None:
    found = _NAME.fullmatch(text)
    if found is None:
        raise MatchSpecError(f"{text!r} begins with no package name", "write name, name=1.2 or name>=1.2,<2")
    parts.name = found[1].lower()
    _check_name(parts.name)
    if not found[2]:
        return
    version, parts.build = _split_build(found[2], text)
    parts.version = _canonical_version(version)
    if parts.build and parts.version.startswith("=") and not version.endswith("*"):
        # `n=1.2=build` is exactly 1.2, though `n=1.2` is any 1.2
        parts.version = f"=={parts.version.lstrip('=')}"
    if "~=" in version:
        parts.mended.append(f"`~=` is pip's operator; it is read as conda does: {compatible(version)}")


def _split_build(text: str, whole: str) -> tuple[str, str]:
    """Split `=1.2=py_0`, `1.2 py_0`, `>=1,<2 py_0` into version and build."""
    if text in ("=", "==", "!=", ">=", "<=", ">", "<", "~="):
        raise MatchSpecError(
            f"{whole!r} has an operator but no version", f"write {whole.rstrip('=<>!~ ')} alone, or a version behind it"
        )
    # spaces around an operator, a comma or a bar mean nothing; any other space parts the version from the build
    tight = re.sub(r"\s*([,|])\s*", r"\1", text)
    tight = re.sub(r"(==|!=|>=|<=|~=|[<>]|^=)\s+", r"\1", tight)
    found = _EXPRESSION_AND_BUILD.fullmatch(tight)
    if found is None:
        raise MatchSpecError(f"{whole!r} is not understood", "write name=version=build, or name>=1.2,<2")
    if found["build"] == "":
        raise MatchSpecError(f"{whole!r} has no build behind its last `=`", f"write {whole.rstrip('= ')}")
    build = found["build"] or ""
    if build and not _BUILD.fullmatch(build):
        raise MatchSpecError(f"{whole!r}: {build!r} is not a build", "write name=version=build")
    return found["version"], "" if build == "*" else build


def _check_name(name: str) -> None:
    if "*" in name:
        raise MatchSpecError(f"{name!r} is a pattern; a package's own name is needed")
    if not is_conda_package(name):
        raise MatchSpecError(
            f"{name!r} is not the name of a conda package", "letters, digits, `-`, `_` and `.` are accepted"
        )


def _check_version(version: str, whole: str) -> None:
    if not _VERSION.fullmatch(version):
        raise MatchSpecError(f"{version!r} in {whole!r} is not a version", "write 1.2, >=1.2,<2 or 1.2.*")


def _canonical_version(text: str) -> str:
    """Return a version expression in canonical form: no spaces, `=1.2` for one prefix, `1.2.*` inside an expression."""
    tight = re.sub(r"\s+", "", text)
    if "^" in tight or "$" in tight:
        raise MatchSpecError(f"{text!r} is a regular expression", "write a range, for example >=1.2,<2")
    terms = re.split(r"([,|()])", tight)
    if len(terms) == 1:
        return _term(tight, text, alone=True)
    return "".join(
        part if part in (",", "|", "(", ")", "") else _term(part, text, alone=False) for part in terms
    ).rstrip(",")


def _term(term: str, whole: str, *, alone: bool) -> str:
    found = re.fullmatch(r"(==|=|!=|>=|<=|>|<|~=|)(.*)", term)
    operator, version = (found[1], found[2]) if found else ("", term)
    if version in ("*", "*.*") and operator in ("", "=", "=="):
        return "" if alone else "*"
    stem = version.rstrip("*").rstrip(".") if version.endswith("*") else version
    if version.endswith(".") or "*" in stem:
        raise MatchSpecError(f"{version!r} in {whole!r} is not a version", "write 1.2, >=1.2,<2 or 1.2.*")
    _check_version(stem, whole)
    # conda's rules for `.*` behind an operator (conda.models.version.VersionSpec)
    prefix = operator == "=" or (version.endswith("*") and (operator == "" or (operator == "==" and alone)))
    if prefix:
        return f"={stem}" if alone else f"{stem}.*"
    if operator == "~=" and (version.endswith("*") or not re.search(r"\d\.\d", stem)):
        raise MatchSpecError(f"{term!r} needs a version of two parts or more, without `*`", "write ~=1.2, or >=1.2,<2")
    return f"{operator or '=='}{stem}.*" if operator == "!=" and version.endswith("*") else f"{operator or '=='}{stem}"


def compatible(version: str) -> str:
    """Return what `~=1.2.3` means with conda's own operators: `>=1.2.3,1.2.*` (PEP 440, compatible release)."""
    return re.sub(r"~=\s*([^\s,|]+)", lambda found: f">={found[1]},{found[1].rpartition('.')[0]}.*", version)


def _spec(parts: _Parts, origin: Origin) -> CondaSpec:
    channel = f"{parts.channel}/{parts.subdir}" if parts.channel and parts.subdir else parts.channel
    if parts.subdir and not parts.channel:
        parts.others["subdir"] = parts.subdir
    if parts.build and not _BUILD.fullmatch(parts.build):
        raise MatchSpecError(f"{parts.build!r} is not a build", "write name=version=build")
    if parts.build and parts.version.startswith("=") and not parts.version.startswith("=="):
        # behind a prefix conda's text form would read the version as exact
        parts.version = f"{parts.version[1:]}.*"
    text = " ".join(filter(None, [parts.name, parts.version or ("*" if parts.build else ""), parts.build]))
    if parts.others:
        text += "[" + ",".join(f"{key}='{value}'" for key, value in sorted(parts.others.items())) + "]"
    return CondaSpec(
        text=f"{channel}::{text}" if channel else text,
        name=parts.name,
        version=parts.version,
        build=parts.build,
        channel=parts.channel,
        origin=origin,
    )
