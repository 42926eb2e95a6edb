"""Small texts that reach a shell, a Dockerfile or a path: checked whole, once, where they enter."""

from __future__ import annotations

import re

_PEP503 = re.compile(r"[-_.]+")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_CONDA = re.compile(r"_?[a-z0-9](?:[a-z0-9._-]*[a-z0-9_.-])?|__[a-z0-9_]+|_[a-z0-9_.-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+)?")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_LOCATION = re.compile(r"""[^\s#'"\\`<>|-][^\s'"\\`<>|]*""")
_ENDLESS_KEY = re.compile(r"(?:[A-Za-z0-9_'\"-]{1,40}[ \t]*\.[ \t]*){200}")
_MOST_BRACKETS = 50
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


def normalize(name: str) -> str:
    """Return the normalised form of a Python distribution's name (PEP 503)."""
    return _PEP503.sub("-", name).lower()


def is_distribution(name: str) -> bool:
    """Tell whether `name` is a valid distribution name (PEP 508)."""
    return _DISTRIBUTION.fullmatch(name) is not None


def is_conda_package(name: str) -> bool:
    """Tell whether `name` is a valid conda package name (lower case)."""
    return _CONDA.fullmatch(name) is not None


def is_variable(name: str) -> bool:
    """Tell whether `name` is a portable environment variable name (POSIX)."""
    return _VARIABLE.fullmatch(name) is not None


NO_SNAPSHOT = "none"
SNAPSHOT_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
"""A day whose archive apt packages may be from: `2026-11-21`."""


def is_snapshot(text: str) -> bool:
    """Tell whether `text` is a day, or says that there is to be none."""
    return text == NO_SNAPSHOT or re.fullmatch(SNAPSHOT_DAY, text, re.ASCII) is not None


def snapshot_of(text: str) -> str:
    """Return the day `text` as apt asks for it, `20261121T000000Z`; nothing where there is to be none."""
    return "" if text == NO_SNAPSHOT else f"{text.replace('-', '')}T000000Z"


def is_apt_package(text: str) -> bool:
    """Tell whether `text` is `name`, `name:arch`, or either with `=version` (Debian policy §5.6)."""
    return _APT.fullmatch(text) is not None


def is_environment(name: str) -> bool:
    """Tell whether `name` can name an environment in a file name and a workspace."""
    return _ENVIRONMENT.fullmatch(name) is not None


def is_location(text: str) -> bool:
    """Tell whether `text` (a URL or path) is one word for whatever reads it as the value of an option of pip's or uv's."""
    return _LOCATION.fullmatch(text) is not None and is_one_line(text)


def is_shallow(text: str) -> bool:
    """Tell whether `text` has few enough brackets that no parser that calls itself for each can run out of stack."""
    return text.count("(") + text.count("[") <= _MOST_BRACKETS


def has_endless_key(text: str) -> bool:
    """Tell whether a TOML document has a dotted key of hundreds of parts, which readers take in quadratic time."""
    return _ENDLESS_KEY.search(text) is not None


def is_one_line(text: str) -> bool:
    """Tell whether `text` holds no control or line-separating character (a tab is allowed)."""
    return _CONTROL.search(text) is None
