"""The image that the last plain build of a definition made: the next one's answer where no byte has changed.

It is asked for before anything else is imported, as `unchanged` is, and so are paths strings here.
"""

from __future__ import annotations

import json
import os

from envbuild import __version__
from envbuild.caches import cache_folder
from envbuild.unchanged import lock_folder, sha256, sha256_of, unchanged_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Layers = list[tuple[str, str]]
    """The kind and the key of each layer of a plan."""


def last_image(definition: str, environment: str = "") -> tuple[str, Layers] | None:
    """Return the name and the layers of the image that the last plain build of `definition` made, if the next would make the same.

    None says nothing. Nothing is parsed but the lock's header, so that an image that exists is found at once.
    """
    record = read_record(definition, environment)
    image, lock = record.get("image"), unchanged_lock(definition, environment)
    if not isinstance(image, dict) or not lock or image.get("version") != __version__:
        return None
    if image.get("lock") != sha256_of(lock) or not _same_code(image.get("code"), lock_folder(definition)):
        return None
    return str(image["name"]), [(str(one["kind"]), str(one["key"])) for one in record["layers"]]


def _same_code(code: Any, folder: str) -> bool:
    """Tell whether each folder of source code in the image, by its path from `folder`, has the files that it was built from."""
    if not code:
        return True
    from envbuild.code.sources import sources_hash

    return all(sources_hash(os.path.join(folder, path)) == known for path, known in code)


def read_record(definition: str, environment: str) -> dict[str, Any]:
    """Return what is kept of builds of `definition`, or nothing."""
    try:
        with open(record_path(definition, environment), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def record_path(definition: str, environment: str) -> str:
    """Return the file in which it is kept what builds of `definition` made."""
    name = sha256(f"{os.path.realpath(definition)}#{environment}".encode())
    return os.path.join(cache_folder(), "history", f"{name}.json")
