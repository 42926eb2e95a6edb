"""The environment of installers and resolvers: the machine's own pip, uv and Python settings take no part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_UV_KEPT = frozenset(
    f"UV_{name}"
    for name in (
        "CACHE_DIR",
        "CONCURRENT_BUILDS",
        "CONCURRENT_DOWNLOADS",
        "CONCURRENT_INSTALLS",
        "HTTP_CONNECT_TIMEOUT",
        "HTTP_RETRIES",
        "HTTP_TIMEOUT",
        "KEYRING_PROVIDER",
        "LINK_MODE",
        "NATIVE_TLS",
        "SYSTEM_CERTS",
    )
)
_PIP_KEPT = frozenset(
    {"PIP_CACHE_DIR", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_PROXY", "PIP_RETRIES"}
)
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""The variables that name a file (or folder) of certificate authorities for one program or another; the first counts."""

_DROPPED = frozenset({"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"})


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without what would change a resolver's or installer's answer.

    Proxies, certificates, time limits and caches stay; authorities that are named for one program are named for all. With `ENVBUILD_CACHE_DIR` the caches of uv and pip lie in it.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _DROPPED
        and (not name.startswith("UV_") or name in _UV_KEPT)
        and (not name.startswith("PIP_") or name in _PIP_KEPT)
    }
    authority = next(filter(None, map(environ.get, AUTHORITIES)), "")
    if authority:
        # uv knows only the first of these names, pip only the last two
        kept = {
            ("SSL_CERT_DIR" if Path(authority).is_dir() else "SSL_CERT_FILE"): authority,
            "PIP_CERT": authority,
            **kept,
        }
    named = environ.get("ENVBUILD_CACHE_DIR")
    if named:
        kept |= {"UV_CACHE_DIR": str(Path(named, "uv")), "PIP_CACHE_DIR": str(Path(named, "pip"))}
    return kept
