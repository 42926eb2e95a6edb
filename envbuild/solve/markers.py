"""Environment markers (PEP 508) once the Python is known: what they say of its version is decided, the rest stays."""

from __future__ import annotations

from typing import Any

from packaging.markers import Marker

_PYTHON = ("python_version", "python_full_version")


def bounded(marker: str, minor: tuple[int, int]) -> str:
    """Return `marker` with the bound that a universal solve needs to look at no later Python than `minor`."""
    bound = f"python_full_version < '{minor[0]}.{minor[1] + 1}'"
    return f"({marker}) and {bound}" if marker else bound


def for_python(marker: str, minor: tuple[int, int]) -> str | None:
    """Return what is left of `marker` on Python `minor`: an empty text if it always holds, None if it never does."""
    if not marker:
        return ""
    left = _simplified(Marker(marker)._markers, minor)  # noqa: SLF001 - packaging has no public view of the tree
    if isinstance(left, bool):
        return "" if left else None
    return left[0]


_Left = bool | tuple[str, bool]
"""Decided, or the text that is left and whether it is a disjunction (which needs brackets inside `and`)."""


def _simplified(node: Any, minor: tuple[int, int]) -> _Left:
    if isinstance(node, tuple):
        return _atom(node, minor)
    alternatives: list[list[_Left]] = [[]]
    for part in node:
        if part == "or":
            alternatives.append([])
        elif part != "and":
            alternatives[-1].append(_simplified(part, minor))
    return _any([_all(parts) for parts in alternatives])


def _atom(node: tuple[Any, Any, Any], minor: tuple[int, int]) -> _Left:
    left, operator, right = node
    text = f"{left.serialize()} {operator.serialize()} {right.serialize()}"
    if not {left.value, right.value} & set(_PYTHON):
        return text.replace('"', "'"), False
    name = f"{minor[0]}.{minor[1]}"
    # a first and a far later release of the same minor: where they agree, every release does
    answers = {
        Marker(text).evaluate({"python_version": name, "python_full_version": f"{name}.{micro}"}) for micro in (0, 999)
    }
    return answers.pop() if len(answers) == 1 else (text.replace('"', "'"), False)


def _all(parts: list[_Left]) -> _Left:
    if any(part is False for part in parts):
        return False
    texts = [part for part in parts if not isinstance(part, bool)]
    if not texts:
        return True
    if len(texts) == 1:
        return texts[0]
    return " and ".join(f"({text})" if is_or else text for text, is_or in texts), False


def _any(parts: list[_Left]) -> _Left:
    if any(part is True for part in parts):
        return True
    texts = list(dict.fromkeys(part for part in parts if not isinstance(part, bool)))
    if not texts:
        return False
    if len(texts) == 1:
        return texts[0]
    return " or ".join(f"({text})" if " and " in text else text for text, _ in texts), True
