"""The facts at the top of a lock file that envbuild wrote, found line by line: no YAML, no TOML, no regular expression.

Whether a lock is fresh is asked on every build; this answers in well under a millisecond for a file of any length. `lock --check`
ends with it where nothing changed, so it imports nothing that an interpreter does not load anyway.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

_VERSIONS = ("version: 1", 'lock-version = "1.0"')
_CONDA_CUSTOM = "\n  custom_metadata:"
_CONDA_PACKAGES = ("\n    conda/", "\n    pip/", "\n    envbuild-tool/")
"""How the facts of single packages and tools begin, which come after those of the lock. The path of a source can begin so too."""
_CONDA_FACT = "    envbuild-"
_CONDA_SOURCE = "      md5: ''"
"""The line between the path of a source and its SHA-256."""


class Header:
    """What stands at the top of a lock. All is empty where another tool wrote it.

    `sources` are pairs of a path, relative to the lock, and the SHA-256 of the file that the lock was made from.
    """

    __slots__ = ("definition_hash", "exclude_newer", "format", "platforms", "sources")

    def __init__(
        self,
        *,
        format: Literal["conda-lock", "pylock", ""] = "",  # noqa: A002
        definition_hash: str = "",
        sources: Sequence[tuple[str, str]] = (),
        platforms: Sequence[str] = (),
        exclude_newer: str = "",
    ) -> None:
        """Keep what was read."""
        self.format = format
        self.definition_hash = definition_hash
        self.sources = tuple(sources)
        self.platforms = tuple(platforms)
        self.exclude_newer = exclude_newer


def read_header(text: str) -> Header:
    """Return the header of a lock file's text; never an error, since whoever needs more reads the whole file."""
    if text.startswith("lock-version"):
        return _pylock(text)
    if text.startswith(("#", "version:")):
        return _conda_lock(text)
    return Header()


def _conda_lock(text: str) -> Header:
    inputs, title, custom = _before(text, ("\npackage:",)).partition(_CONDA_CUSTOM)
    lines = (inputs + title + _before(custom, _CONDA_PACKAGES)).split("\n")
    pairs = (line.removeprefix(_CONDA_FACT).partition(": ") for line in lines if line.startswith(_CONDA_FACT))
    facts = {name: _yaml(value) for name, _, value in pairs}
    return Header(
        format="conda-lock",
        definition_hash=facts.get("definition-hash", "") if _is_known(lines) else "",
        sources=list(_conda_sources(lines)),
        platforms=[_yaml(line[4:]) for line in _following(lines, "  platforms:", "  - ")],
        exclude_newer=facts.get("exclude-newer", ""),
    )


def _conda_sources(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for path, md5, sha256 in zip(lines, lines[1:], lines[2:], strict=False):
        if md5 == _CONDA_SOURCE:
            yield _yaml(path.strip().removesuffix(":")), _yaml(sha256.strip().removeprefix("sha256: "))


def _pylock(text: str) -> Header:
    lines = _before(text, ("\n[[",)).split("\n")
    pairs = (line.partition(" = ") for line in _following(lines, "[tool.envbuild]"))
    facts = {name: value for name, _, value in pairs}
    sources = (line.rpartition(" = ") for line in _following(lines, "[tool.envbuild.sources]"))
    return Header(
        format="pylock",
        definition_hash=_quoted(facts.get("definition-hash", "")) if _is_known(lines) else "",
        sources=[(_quoted(path), _quoted(digest)) for path, _, digest in sources],
        platforms=facts.get("platforms", "").split('"')[1::2],
        exclude_newer=_quoted(facts.get("exclude-newer", "")),
    )


def _is_known(lines: Sequence[str]) -> bool:
    """Tell whether these are the lines of a version that we read: what another one says may mean something else."""
    return any(one in lines for one in _VERSIONS)


def _before(text: str, ends: Sequence[str]) -> str:
    """Return `text` up to the first of `ends`."""
    return text[: min((at for at in map(text.find, ends) if at >= 0), default=len(text))]


def _following(lines: Sequence[str], title: str, start: str = "") -> Iterator[str]:
    """Yield the lines after `title` that begin with `start`, up to an empty one or the next table."""
    if title in lines:
        for line in lines[lines.index(title) + 1 :]:
            if not line.startswith(start) or not line or line.startswith("["):
                return
            yield line


def _yaml(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else _quoted(text)


def _quoted(text: str) -> str:
    """Return what `text` says, which is a string in double quotes as JSON, TOML and YAML write it, or plain."""
    if not text.startswith('"'):
        return text
    return _unescaped(text[1:-1]) if "\\" in text else text[1:-1]


def _unescaped(text: str) -> str:
    # a path with such characters is rare, and the module takes as long to import as all else here
    import re

    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        return chr(int(code, 16)) if code else "\t" if found[4] == "t" else found[4]

    return re.sub(r"\\(?:x([0-9a-f]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", character, text)
