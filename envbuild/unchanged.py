"""Which lock is a definition's, and whether the files that it was made from still have the same bytes.

That proves a lock fresh without parsing either, on every build and every commit. So paths are strings here (`pathlib` alone takes
longer to import than all this takes to run), and nothing is imported but what an interpreter has loaded anyway.
"""

from __future__ import annotations

import os
import sys

from envbuild.formats.header import Header, read_header

DEFAULT_FILES = (
    "environment.yml",
    "environment.yaml",
    "pyproject.toml",
    "requirements.in",
    "requirements.txt",
    "conda.yml",
    "conda.yaml",
    "pixi.toml",
    "Pipfile",
)
"""What a definition is called where none is named, in the order in which they are looked for."""

LARGEST = 64 * 1024**2
"""Bytes; a lock of thousands of packages has a few million."""

_PLAIN = (
    "environment",
    "conda",
    "conda_dependencies",
    "requirements",
    "pyproject",
    "pixi",
    "MLmodel",
    "MLproject",
    "Dockerfile",
    "azureml_environment",
)
_NAMED = ("environment", "conda", "requirements")


def unchanged_lock(definition: str, environment: str = "") -> str:
    """Return the lock of `definition` if the bytes of its sources prove it fresh; "" proves nothing."""
    path, header = find(definition, environment)
    return path if sources_unchanged(header, definition) else ""


def find(definition: str, environment: str = "") -> tuple[str, Header]:
    """Return the lock of `definition` and what stands at its top; "" and an empty header where there is none."""
    folder = lock_folder(definition)
    for dotted in dotted_names(definition, environment):
        for name in (f"conda-lock{dotted}.yml", f"pylock{dotted}.toml"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                header = header_of(path)
                if not is_of_another(header, definition):
                    return path, header
    return "", Header()


def sources_unchanged(header: Header, definition: str) -> bool:
    """Tell whether every file that a lock was made from, `definition` among them, still has the bytes that `header` says."""
    recorded = dict(header.sources)
    if not header.definition_hash or not recorded:
        return False
    if os.path.isfile(definition) and os.path.basename(definition) not in recorded:
        return False
    folder = lock_folder(definition)
    return all(sha256_of(os.path.join(folder, name)) == digest for name, digest in recorded.items())


def header_of(path: str) -> Header:
    """Return what stands at the top of the lock at `path`; an empty header where it cannot be read, or git left a conflict in it."""
    try:
        if not is_readable(path):
            return Header()
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return Header()  # whoever reads all of it says what is wrong
    return Header() if "\n<<<<<<< " in text else read_header(text)


def is_of_another(header: Header, definition: str) -> bool:
    """Tell whether a lock was made from a neighbour of `definition` that has the same lock name.

    The first source is the definition itself; the others are what it includes, which can be a neighbour that has a lock of its own.
    """
    if not header.sources or os.path.isdir(definition):
        return False
    made_from, _ = header.sources[0]
    if made_from == os.path.basename(definition) or "/" in made_from:
        return False
    return lock_name(made_from) == lock_name(definition)


def is_readable(path: str) -> bool:
    """Tell whether `path` is a file of a size that a lock or a source can have, or nothing at all."""
    return not os.path.exists(path) or (os.path.isfile(path) and os.path.getsize(path) <= LARGEST)


def default_definitions(folder: str) -> list[str]:
    """Return what in `folder` can be meant where no definition is named, the likeliest first."""
    return [path for name in DEFAULT_FILES if os.path.isfile(path := os.path.join(folder, name))]


def default_definition(folder: str) -> str:
    """Return the likeliest definition in `folder` where none is named, or ""."""
    return next(iter(default_definitions(folder)), "")


def lock_folder(definition: str) -> str:
    """Return the folder in which the lock of `definition` lies."""
    return definition if os.path.isdir(definition) else os.path.dirname(definition)


def lock_name(definition: str, environment: str = "") -> str:
    """Return the `<name>` in the lock's file name; empty for the one definition of a folder that needs none.

    `environment.gpu.yml`, `requirements-gpu.txt` and `gpu.yml` are all `gpu`; `environment` names one of a `pyproject.toml`.
    """
    if environment:
        return _dashed(environment)
    stem = _stem(definition)
    if os.path.isdir(definition) or stem in _PLAIN:
        return ""
    endings = (stem[len(one) :] for one in _NAMED if stem.startswith(one))
    named = next((one for one in endings if len(one) > 1 and one[0] in "._-"), None)
    return _dashed(named[1:] if named else stem)


def dotted_names(definition: str, environment: str = "") -> list[str]:
    """Return what stands between `pylock` and `.toml`, the best first."""
    name = lock_name(definition, environment)
    whole = "" if environment or os.path.isdir(definition) else _dashed(_stem(definition))
    return [f".{one}" if one else "" for one in dict.fromkeys([name, whole or name])]


def _stem(definition: str) -> str:
    name = os.path.basename(definition)
    return os.path.splitext(name)[0]


def _dashed(name: str) -> str:
    """Return `name` with a dash for each run of other characters: PEP 751 allows no dot in the name of a pylock file."""
    words = "".join(one if one.isascii() and (one.isalnum() or one in "_-") else " " for one in name).split(" ")
    return "-".join(filter(None, words)).strip("-")


def sha256_of(path: str) -> str | None:
    """Return the SHA-256 of the file at `path`; None where it is none that a lock or a source can be."""
    try:
        # the name stands in the lock, which may come from anybody: a device would never end
        if not is_readable(path):
            return None
        with open(path, "rb") as file:
            return sha256(file.read())
    except (OSError, ValueError):
        return None


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    # `hashlib` loads OpenSSL, which takes a third of the time that an interpreter takes to start
    try:
        module = __import__("_sha256" if sys.version_info < (3, 12) else "_sha2")
    except ImportError:
        module = __import__("hashlib")
    digest: str = module.sha256(content).hexdigest()
    return digest
