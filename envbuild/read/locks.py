"""Lock files are answers, not questions: recognised, so that the refusal says where they belong."""

from __future__ import annotations

import re

from envbuild.core.errors import DefinitionError
from envbuild.read.findings import fatal

_NAMES = re.compile(
    r"(?:.*[.-]lock(?:\.(?:ya?ml|json|toml))?|pylock(?:\..+)?\.toml|package-lock\.json|.*\.conda-lock\.ya?ml)",
    re.IGNORECASE,
)
_EXPLICIT = re.compile(r"^@EXPLICIT\s*$", re.MULTILINE)
_CONTENT = re.compile(
    r"\A(?:#[^\n]*\n|\s)*(?:version: *\d+\n(?:metadata:|environments:|platforms:)|lock-version *=|lockVersion:)"
)


def is_lock(name: str, text: str) -> bool:
    """Tell whether a file called `name`, with the content `text`, is a lock file of any tool."""
    if _NAMES.fullmatch(name):
        return True
    return bool(_EXPLICIT.search(text) or _CONTENT.match(text) or re.match(r'\s*\{\s*"(?:lockVersion|_meta)"', text))


def lock_error(file: str) -> DefinitionError:
    """Return the refusal of a lock file as a definition."""
    return fatal("is a lock file, not a definition", file=file, hint="use `envbuild import` to start from it")
