"""What the files of a base image say: distribution, interpreters, conda. The image is read, never run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envbuild.core.bases import parse_os_release
from envbuild.files import cache_root, write_atomic
from envbuild.solve.python import FoundPython

if TYPE_CHECKING:
    from envbuild.net.images import ImageSource, ResolvedImage

LARGEST_READ = 400 << 20
"""Bytes (compressed): a larger base is not downloaded to look for its Python; its configuration has to do."""

_OS_RELEASE = "/etc/os-release"
_CONDA_ROOTS = ("/opt/conda", "/opt/miniconda", "/opt/miniconda3", "/opt/miniforge", "/root/miniconda3")
_INSTALLED = "/usr/local/lib/python3.*/site-packages/*.dist-info/METADATA"
_NAMES = (
    _INSTALLED,
    "/usr/bin/python3.*",
    "/usr/local/bin/python3.*",
    *(f"{root}/bin/python3.*" for root in _CONDA_ROOTS),
    *(f"{root}/conda-meta/conda-*.json" for root in _CONDA_ROOTS),
    *(f"{root}/conda-meta/python-3*.json" for root in _CONDA_ROOTS),
)
_INTERPRETER = re.compile(r".*/bin/python(3\.\d+)")
_CONDA = re.compile(r".*/conda-meta/conda-(\d[^-/]*)-[^-/]+\.json")
_PACKAGE = re.compile(r"/usr/local/lib/python3[^/]*/site-packages/([^/]+?)-[^-/]+\.dist-info/METADATA")
_ALWAYS_THERE = frozenset({"pip", "setuptools", "wheel"})
_CONDA_PYTHON = re.compile(r"(.*)/conda-meta/python-(\d[^-/]*)-[^-/]+\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was found. `distribution` is `ubuntu 22.04`; `conda` a version; both empty where there is none or nobody looked.

    `packages` are the Python distributions that somebody installed with pip: not the system's, and not the installers.
    """

    distribution: str = ""
    pythons: tuple[FoundPython, ...] = ()
    conda: str = ""
    packages: tuple[str, ...] = ()


def read_contents(source: ImageSource, image: ResolvedImage) -> Contents:
    """Return what `image` holds; kept in the cache by its digest, because it can never change.

    Raises:
        NetworkError, IntegrityError: a layer cannot be read.
    """
    path = cache_root() / "bases" / f"{image.digest.replace(':', '-')}.json"
    try:
        return _from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    configured = from_configuration(image.configuration)
    if image.size > LARGEST_READ:
        return configured
    from envbuild.net.image_files import find_files

    found = find_files(source, image, contents=(_OS_RELEASE,), names=_NAMES)
    contents = from_files(found.names, found.contents.get(_OS_RELEASE, b"").decode("utf-8", "replace"))
    write_atomic(path, json.dumps(_to_json(contents), sort_keys=True))
    return contents


def from_files(names: Iterable[str], os_release: str) -> Contents:
    """Return what the paths `names` and the text of `/etc/os-release` say."""
    pythons: dict[str, str] = {}
    conda = ""
    packages: set[str] = set()
    for name in sorted(names):
        if found := _PACKAGE.fullmatch(name):
            packages.add(found[1].replace("_", "-").lower())
        elif found := _INTERPRETER.fullmatch(name):
            pythons.setdefault(name, found[1])
        elif found := _CONDA.fullmatch(name):
            conda = found[1]
        elif found := _CONDA_PYTHON.fullmatch(name):
            minor = ".".join(found[2].split(".")[:2])
            pythons[f"{found[1]}/bin/python{minor}"] = found[2]
    found_pythons = tuple(FoundPython(version=version, interpreter=path) for path, version in sorted(pythons.items()))
    return Contents(
        distribution=parse_os_release(os_release),
        pythons=found_pythons,
        conda=conda,
        packages=tuple(sorted(packages - _ALWAYS_THERE)),
    )


def from_configuration(configuration: Mapping[str, Any]) -> Contents:
    """Return what labels and variables of an image configuration promise, for images too large to read."""
    config = configuration.get("config") or {}
    labels = config.get("Labels") or {}
    variables = dict(text.partition("=")[::2] for text in config.get("Env") or ())
    name = str(labels.get("org.opencontainers.image.ref.name", "")).lower()
    version = str(labels.get("org.opencontainers.image.version", ""))
    known = name in ("ubuntu", "debian") and re.fullmatch(r"\d+(?:\.\d+)?", version)
    python = re.fullmatch(r"(3\.\d+)\.\d+", variables.get("PYTHON_VERSION", ""))
    interpreters = (FoundPython(version=python[0], interpreter=f"/usr/local/bin/python{python[1]}"),) if python else ()
    return Contents(distribution=f"{name} {version}" if known else "", pythons=interpreters)


def _to_json(contents: Contents) -> dict[str, object]:
    pythons = [[one.version, one.interpreter] for one in contents.pythons]
    return {
        "distribution": contents.distribution,
        "pythons": pythons,
        "conda": contents.conda,
        "packages": list(contents.packages),
    }


def _from_json(value: Mapping[str, Any]) -> Contents:
    pythons = tuple(FoundPython(version=str(version), interpreter=str(path)) for version, path in value["pythons"])
    packages = tuple(str(name) for name in value["packages"])
    return Contents(
        distribution=str(value["distribution"]), pythons=pythons, conda=str(value["conda"]), packages=packages
    )
