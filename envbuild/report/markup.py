"""HTML by construction: a text is escaped when it enters, and only what was made here is markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_VOID = frozenset({"meta", "link", "br", "hr", "input", "rect"})


class Html(str):
    """Markup that `tag` or `raw` made; every other text is data."""

    __slots__ = ()


Child = object
"""Html, a text, a number, None (left out), or an iterable of those."""


def text(value: object) -> Html:
    """Return `value` escaped; what HTML cannot hold is shown as U+FFFD."""
    return value if isinstance(value, Html) else Html(escape(_NOT_IN_HTML.sub("\ufffd", str(value))))


def raw(markup: str) -> Html:
    """Return `markup` as it is: only for what stands in this package."""
    return Html(markup)


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """Return an element. Attributes that are None or False are left out, `class_` is `class`, `data_x` is `data-x`."""
    written = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>" if name != "rect" else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Return `children` one behind the other."""
    return Html("".join(_child(one) for one in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if not isinstance(child, str) and isinstance(child, Iterable):
        return join(child)
    return text(child)


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'
