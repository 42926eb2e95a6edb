"""URLs in definitions: they may point to a secret (`${NAME}`) but never hold one."""

from __future__ import annotations

import re

_LONGEST = 8000
"""Characters that are looked at: no URL is longer, and a hostile one costs no more."""

_USERINFO = re.compile(r"://([^/?#\s]*)@")
_CONDA_TOKEN = re.compile(r"://[^/\s]+/(?:[^\s]*/)?t/([^/\s]+)/")
_QUERY_SECRET = re.compile(r"[?&](?:sig|token|access_token|password|api_key|apikey)=([^&#\s]+)", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Z_][A-Z0-9_]*")
_PLAIN_USERS = frozenset({"git", "hg", "svn", "anonymous", "oauth2", "__token__", "x-access-token"})


def has_credentials(url: str) -> bool:
    """Tell whether `url` holds a user's password or a token itself; `${NAME}` and the user `git` are none."""
    url = url[:_LONGEST]
    for found in _USERINFO.finditer(url):
        user, _, password = found[1].partition(":")
        # over SSH and FTP the user alone is no secret; over HTTP it is often a token
        over_http = url[: found.start()].lower().endswith(("http", "https"))
        secrets = [user, password] if over_http and user not in _PLAIN_USERS else [password]
        if any(secret and not _REFERENCE.fullmatch(secret) for secret in secrets):
            return True
    return any(
        not _REFERENCE.fullmatch(found[1])
        for pattern in (_CONDA_TOKEN, _QUERY_SECRET)
        for found in pattern.finditer(url)
    )
