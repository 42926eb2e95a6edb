"""What can be said before the command line is understood, because nothing changed: that no lock is stale, that an image is there.

`envbuild lock --check` and `envbuild image` run on every commit and every build, mostly in vain; to import the parser takes longer
than the answer.
"""

from __future__ import annotations

from envbuild.unchanged import default_definition, unchanged_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def answer(argv: Sequence[str]) -> str:
    """Return what the command line `argv` prints if that is known already; "" leaves it to the command."""
    if argv[:2] == ["lock", "--check"]:
        return _fresh(argv[2:])
    if argv[:1] == ["image"]:
        from envbuild.image_at_once import image_answer

        return image_answer(argv[1:])
    return ""


def _fresh(files: Sequence[str]) -> str:
    definitions = files or [default_definition("")]
    if not all(_is_plain(one) and unchanged_lock(one) for one in definitions):
        return ""
    return "".join(f"{one}: fresh\n" for one in definitions)


def _is_plain(word: str) -> bool:
    """Tell whether `word` is no option, and a path that is printed as it is written."""
    return not word.startswith("-") and not {"", "."} & set(word.removeprefix("/").split("/"))
