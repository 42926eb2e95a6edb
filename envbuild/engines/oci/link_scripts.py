"""Which link scripts of conda packages may be left out: those that do nothing but say something, or fill a cache. Pure.

The image is never run while it is assembled, so that a script is either proven harmless by its text, or the package is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED = r"""(?:"[^"`]*"|'[^']*'|[^\s"'`;|&<>()#]+)"""
_MESSAGES = r"""(?:["']?\$\{?PREFIX\}?["']?/\.messages\.txt["']?|/dev/null)"""
_REDIRECTED = rf"(?:\s*(?:[12]?>>?\s*{_MESSAGES}|[12]?>&[12]|&>>?\s*{_MESSAGES}))*"
_HARMLESS = re.compile(
    rf"(?:(?:echo|printf)(?:\s+{_QUOTED})*|fc-cache(?:\s+-[a-z]+)*|\S*/fc-cache(?:\s+-[a-z]+)*|true|:|exit(?:\s+0)?"
    rf"|set\s+[-+][a-z]+(?:\s+pipefail)?){_REDIRECTED}(?:\s*\|\|\s*true)?;?"
)
_HERE = re.compile(rf"cat\s+(?:>>?\s*{_MESSAGES}\s+)?<<(-?)\s*(['\"]?)(\w+)\2{_REDIRECTED}")
_RUNS = re.compile(r"`|\$\(")


def is_harmless(script: str) -> bool:
    """Tell whether the shell script `script` may be left out.

    Accepted are messages (`echo`, `printf`, `cat` of a here-document, to the terminal or to conda's `.messages.txt`), the
    cache of fonts (`fc-cache`, made anew by who misses it), and what does nothing.
    """
    lines = iter(script.replace("\\\n", " ").splitlines())
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        here = _HERE.fullmatch(text)
        if here is not None:
            if not _skip(lines, here[3], quoted=bool(here[2])):
                return False
        elif _RUNS.search(text) or not _HARMLESS.fullmatch(text):
            return False
    return True


def _skip(lines: Iterator[str], end: str, *, quoted: bool) -> bool:
    for line in lines:
        if line.strip() == end:
            return True
        if not quoted and _RUNS.search(line):
            return False
    return False
