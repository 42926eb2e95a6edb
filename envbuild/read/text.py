"""From bytes to text: byte-order marks, PEP 263, and characters that nobody can see."""

from __future__ import annotations

import codecs
import re

from envbuild.read.findings import Findings, Origin, fatal

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PEP_263 = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_INVISIBLE = re.compile(f"[{_SPACES}{_ZERO_WIDTH}]")
_MENDED = {**dict.fromkeys(map(ord, _SPACES), " "), **dict.fromkeys(map(ord, _ZERO_WIDTH), None)}


def decode(content: bytes, file: str, *, pep263: bool = False) -> str:
    """Return the text of `content`: UTF-8, or what its byte-order mark says, or (with `pep263`) its coding comment.

    Raises:
        DefinitionError: the bytes are not text in that encoding; the line is named.
    """
    encoding, start = _encoding(content, pep263=pep263)
    try:
        text = content[start:].decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content[: start + at].count(b"\n") + 1
        raise fatal(f"is not {encoding.upper()} text", file=file, line=line, hint="save the file as UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise fatal("holds a NUL character; it is not a text file", file=file, line=line, hint="save the file as UTF-8")
    return text


def _encoding(content: bytes, *, pep263: bool) -> tuple[str, int]:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, len(mark)
    if content[:4:2].strip(b"\0") and content[1:4:2] == b"\0\0":
        return "utf-16-le", 0
    if pep263:
        for line in content.split(b"\n")[:2]:
            if found := _PEP_263.match(line):
                return found[1].decode("ascii", "replace"), 0
    return "utf-8", 0


def mend(text: str, file: str, findings: Findings) -> str:
    """Return `text` with unusual spaces made plain and zero-width characters removed; a note names the first line."""
    if text.isascii() or not (found := _INVISIBLE.search(text)):
        return text
    line = text[: found.start()].count("\n") + 1
    findings.note(Origin(file=file, line=line), "holds non-breaking or zero-width spaces; they are read as plain ones")
    return text.translate(_MENDED)
