"""Credentials in texts that are committed: definitions, locks, Dockerfiles. What is found is named, never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envbuild.core.errors import Problem

HINT = "write ${NAME}, or keep it in netrc, a keyring or the container engine's login; and revoke it: it was in a file"

_REFERENCE = re.compile(
    r"\$\{?\w+|%\w+%|\{\{|<[^>]*>|\*+$|x{3,}$|\.{3}|(?:your|my|some|the|example|placeholder|change|replace|none|null|true|false|todo)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of credential: what it is called, texts one of which (in lower case) its line must hold, and its pattern."""

    name: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]


_NAMES = ("password", "passwd", "secret", "token", "api_key", "api-key", "apikey", "access_key", "access-key")
_MORE_NAMES = ("accesskey", "account_key", "account-key", "accountkey", "credential")
_KINDS = (
    _Kind("a private key", ("private key-----",), re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    _Kind(
        "a user and a password in a URL",
        ("@",),
        re.compile(r"://[^\s/@:'\"<>]*:(?P<secret>[^\s/@'\"<>]+)@(?=[\w\[$])"),
    ),
    _Kind(
        "a token in a URL", ("@",), re.compile(r"(?:https?|git\+https?)://(?P<secret>[A-Za-z0-9_\-]{20,})@(?=[\w\[])")
    ),
    _Kind("a conda token in a URL", ("/t/",), re.compile(r"://[^\s]+?/t/(?P<secret>[^\s/]+)/")),
    _Kind(
        "a signature in a URL",
        ("sig=", "signature=", "token=", "api_key="),
        re.compile(r"[?&](?:sig|signature|access_token|token|api_key)=(?P<secret>[^\s&'\"#]{8,})"),
    ),
    _Kind("an access key", ("akia", "asia"), re.compile(r"\b(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})\b")),
    _Kind(
        "an access token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
        re.compile(
            r"\b(?P<secret>gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{20,})"
        ),
    ),
    _Kind(
        "an access token",
        ("pypi-age", "npm_", "hf_", "sk-"),
        re.compile(
            r"\b(?P<secret>pypi-AgE[\w-]{40,}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9]{3,}[A-Za-z0-9_-]{29,})"
        ),
    ),
    _Kind(
        "an account key",
        ("accountkey=", "sharedaccesskey="),
        re.compile(r"\b(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{20,}=*)"),
    ),
    _Kind("a signed token", ("eyj",), re.compile(r"\b(?P<secret>eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})")),
    _Kind(
        "a secret as a plain value",
        (*_NAMES, *_MORE_NAMES),
        re.compile(
            r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|credential)s?[\"']?[ \t]*(?:=|:[ \t])"
            r"[ \t]*[\"']?(?P<secret>[^\s\"'#,]{8,})",
            re.IGNORECASE,
        ),
    ),
)
# a version, a path, a URL, a hash, an object reference: what stands behind such a name and is no secret
_PUBLIC = re.compile(
    r"\d+(?:\.\d+)+|[=<>].*|https?://.*|sha256:.*|[\w./-]+\.(?:txt|ya?ml|json|toml|py)|[\w.]+:\w+|\[.*", re.IGNORECASE
)


def leaks(text: str, file: str) -> Iterator[Problem]:
    """Yield one problem for each line with a credential in `text`; the credential itself is in no message."""
    lowered = text.lower() if text.isascii() else "".join(one.lower() if one.isascii() else one for one in text)
    seen: set[int] = set()
    for kind in _KINDS:
        for start, end in _lines_with(lowered, kind.needles):
            if any(_is_secret(one, kind) for one in kind.pattern.finditer(text, start, end)):
                line = text.count("\n", 0, start) + 1
                if line not in seen:
                    seen.add(line)
                    yield Problem(message=f"holds {kind.name}", file=file, line=line, hint=HINT)


def _lines_with(text: str, needles: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yield where each line begins and ends that holds one of `needles`: far quicker than a pattern on all of a long lock."""
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
            yield start, len(text) if end < 0 else end
            at = text.find(needle, end) if end >= 0 else -1


def _is_secret(found: re.Match[str], kind: _Kind) -> bool:
    secret = found.groupdict().get("secret") or ""
    return not (_REFERENCE.match(secret) or (kind.name.endswith("plain value") and _PUBLIC.fullmatch(secret)))


def leaks_in(path: Path) -> list[Problem]:
    """Return the credentials in the file `path`, in the order of its lines; a file that cannot be read is a problem."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return [Problem(message=f"cannot be read: {error.strerror or error}", file=str(path))]
    return sorted(leaks(text, str(path)), key=lambda one: (one.line or 0, one.message))
