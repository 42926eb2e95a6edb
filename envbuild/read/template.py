"""Files that are templates: what has yet to be filled in is found and named."""

from __future__ import annotations

import re

from envbuild.core.errors import DefinitionError
from envbuild.read.findings import fatal

LONGEST = 2000
"""Characters of a line in which a template is looked for."""

_TEMPLATE = re.compile(r"(?<!\$)\{\{.*?\}\}|\{%.*?%\}")


def find_template(text: str) -> tuple[int, str] | None:
    """Return line and text of the first `{{ … }}` or `{% … %}` outside a comment, if there is one."""
    if "{{" not in text and "{%" not in text:
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#") and (found := _TEMPLATE.search(line[:LONGEST])):
            return number, found[0]
    return None


def template_error(quoted: str, file: str, line: int) -> DefinitionError:
    """Return the error for a file that is a template."""
    return fatal(
        f"is a template: {quoted} has yet to be filled in",
        file=file,
        line=line,
        hint="render it first, and give envbuild the result",
    )
