"""A requirements file as entries of a `pip:` list: no comments, no blank lines, included files in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from envbuild.azureml.environments.conda_yaml import read_text
from envbuild.core.errors import DefinitionError, Problem

_INCLUDE = re.compile(r"(?:-r|--requirement)[ =]?\s*(?P<path>.+)")
_LOCAL = re.compile(
    r"(?P<option>-e\s+|--editable[ =]\s*|-c\s+|--constraint[ =]\s*)?(?P<path>\.{1,2}/?\S*|\./\S+)(?P<rest>.*)"
)


def requirement_lines(path: Path, seen: tuple[Path, ...] = ()) -> Iterator[str]:
    """Yield the entries of the requirements file `path`; paths in it become absolute, since the list goes elsewhere.

    Raises:
        DefinitionError: a file cannot be read, or includes itself.
    """
    place = path.resolve()
    if place in seen:
        raise DefinitionError(Problem(message="includes itself", file=str(path)))
    for line in _joined(read_text(path)):
        included = _INCLUDE.fullmatch(line)
        if included and "://" not in line:
            yield from requirement_lines(place.parent / included["path"].strip(), (*seen, place))
        elif (local := _LOCAL.fullmatch(line)) is not None:
            yield f"{local['option'] or ''}{(place.parent / local['path']).resolve()}{local['rest']}"
        else:
            yield line


def _joined(text: str) -> Iterator[str]:
    whole = re.sub(r"\\\r?\n", " ", text)
    for line in whole.splitlines():
        stripped = re.sub(r"(?:^|\s)#.*$", "", line).strip()
        if stripped:
            yield stripped
