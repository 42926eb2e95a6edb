"""URLs as they may stand in a lock: without credentials, in one line, with a file name at the end."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f\"<>\\^`{|}]+")
_USERINFO = re.compile(r"://[^/]*@")
_TOKEN = re.compile(r"/t/[^/]+(?=/)")


def is_url(text: str) -> bool:
    """Tell whether `text` has a scheme and no space, quote or control character (RFC 3986)."""
    if _URL.fullmatch(text) is None:
        return False
    try:
        urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return True


def without_credentials(url: str) -> str:
    """Return `url` without password, token and (but for ssh) user name, be they written out or named by variables."""
    if "@" not in url and "/t/" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL, which its reader notes; what looks like a password goes all the same
        return _USERINFO.sub("://", url)
    user, at, host = parts.netloc.rpartition("@")
    if at and parts.scheme.endswith("ssh"):
        host = f"{user.partition(':')[0]}@{host}"
    path = _TOKEN.sub("", parts.path, count=1) if parts.scheme in ("http", "https") else parts.path
    return urlunsplit((parts.scheme, host, path, parts.query, parts.fragment))


def filename(url: str) -> str:
    """Return the last part of the path, decoded; it holds no separator, and is empty where it would be a folder."""
    path = url.partition("#")[0].partition("?")[0]
    name = re.split(r"[/\\]", unquote(path.rstrip("/").rsplit("/", 1)[-1]))[-1]
    return "" if name in (".", "..") else name
