"""The YAML of a conda file, with its comments: read, checked, written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from envbuild.core.errors import DefinitionError, Problem

KEYS = ("name", "channels", "dependencies", "prefix", "variables")
DEFAULT_TEXT = """\
# The packages of one environment: conda's, and under pip: those that only pip installs.
# envbuild pins them all, with what they need, in a lock.

name: project_environment
dependencies:
  # Which Python; write another version here.
- python={python}

- pip:
    # What Azure's services need; envbuild has its own and leaves it out.
  - azureml-defaults

channels:
- conda-forge
"""


def lines_of(value: Any) -> list[Any]:
    """Return the lines of a `pip:` value, which may be a list or one text."""
    if isinstance(value, str):
        return value.splitlines()
    return value if isinstance(value, list) else []


def read_text(path: Path) -> str:
    """Return the text of a conda file.

    Raises:
        DefinitionError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError(Problem(message=f"cannot be read: {reason}", file=str(path))) from error


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    # a line is never folded: a tool that reads it line by line would see half a URL
    yaml.width = 1 << 16
    return yaml


def parse(text: str, file: str) -> Any:
    """Return the round-trip structure of YAML `text`; `file` is named in errors.

    Raises:
        DefinitionError: it is not YAML.
    """
    from ruamel.yaml.error import YAMLError

    try:
        return _yaml().load(text)
    except RecursionError:
        raise DefinitionError(Problem(message="is nested too deeply", file=file)) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DefinitionError(
            Problem(
                message=f"is not YAML: {getattr(error, 'problem', error)}",
                file=file,
                line=mark.line + 1 if mark else None,
            )
        ) from error


def dump(structure: Any) -> str:
    """Return `structure` as YAML, comments kept, list dashes under their key."""
    stream = io.StringIO()
    _yaml().dump(structure, stream)
    return stream.getvalue()


def checked(structure: Any, file: str) -> Any:
    """Return `structure` if it has the shape of a conda file.

    Raises:
        DefinitionError: it is not a map, has a key that conda files have not, or no list where they have one.
    """
    if not isinstance(structure, dict):
        raise DefinitionError(Problem(message="is not a valid YAML structure: a map is needed", file=file))
    unknown = [str(key) for key in structure if key not in KEYS]
    if unknown:
        raise DefinitionError(
            [
                Problem(
                    message=f"unknown {key} key in environment specification", file=file, key=key, hint=", ".join(KEYS)
                )
                for key in unknown
            ]
        )
    if odd := _no_lists(structure):
        raise DefinitionError([Problem(message="a list is needed", file=file, key=key) for key in odd])
    return structure


def _no_lists(structure: dict[str, Any]) -> list[str]:
    """Return the keys that need a list and have none."""
    entries = structure.get("dependencies") or []
    found = [key for key in ("channels", "dependencies") if not isinstance(structure.get(key), (list, type(None)))]
    blocks = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    return [*found, *("dependencies.pip" for one in blocks if not isinstance(one.get("pip"), (list, str, type(None))))]


def plain(value: Any) -> Any:
    """Return `value` without what ruamel adds."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
