"""The content hash that Azure gives to environments without a name, so that the same one has the same version here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from envbuild.azureml.ignoring import ignored_by

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from envbuild.azureml.environments.environment_yaml import EnvironmentAsset

_SEED = b"Initialize for october 2021 AML CLI version"


def anonymous_version(asset: EnvironmentAsset) -> str:
    """Return the version of an environment without a name: 64 hexadecimal digits.

    The order of lists counts, and so does `name:` in the conda file; the order of keys and whether the conda file is named
    or written in place do not. An image counts by its text, whatever its tag points to.
    """
    if asset.build or asset.dockerfile:
        return _of_context(asset)
    text = _digest(asset.image)
    if asset.inference_config:
        text = _digest(yaml.safe_dump(_plain(asset.inference_config), sort_keys=True)).join(text)
    if asset.conda_file is None:
        return _digest(text)
    conda = _digest(yaml.safe_dump(_plain(asset.conda_file), sort_keys=True))
    # the one text stands between the characters of the other: what Azure's client computes, odd as it is
    return _digest(text.join(conda))


def _of_context(asset: EnvironmentAsset) -> str:
    if asset.dockerfile:
        content = _digest(asset.dockerfile)
    elif "://" in asset.build:
        content = _digest(asset.build)
    else:
        content = directory_hash(asset.root / asset.build)
    return _digest(content + asset.dockerfile_path) if asset.dockerfile_path else _digest(content)


def directory_hash(folder: Path) -> str:
    """Return the hash over the names and contents of the files below `folder`, those that its ignore file names left out."""
    total = hashlib.sha256(_SEED)
    _add(total, folder, folder, ignored_by(folder))
    return total.hexdigest()


def _add(total: Any, folder: Path, root: Path, ignored: GitIgnoreSpec) -> None:
    for path in sorted(folder.iterdir(), key=lambda one: str(one).lower()):
        name = path.relative_to(root).as_posix()
        if ignored.match_file(name):
            continue
        total.update(path.name.encode())
        if path.is_dir():
            _add(total, path, root, ignored)
        else:
            total.update(path.read_bytes())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
