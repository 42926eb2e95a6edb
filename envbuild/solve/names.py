"""Which Python distribution a conda package holds: decided offline, from the record and a short table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envbuild.core.lock import CondaPackage
from envbuild.core.names import normalize
from envbuild.solve.conda import CondaAnswer

_PURL = re.compile(r"pkg:pypi/([^@?#/]+)(?:@([^?#]+))?")

RENAMED = {
    "airflow": "apache-airflow",
    "antlr-python-runtime": "antlr4-python3-runtime",
    "astropy-base": "astropy",
    "brotli-python": "brotli",
    "cupy-core": "cupy",
    "cvxpy-base": "cvxpy",
    "cython-blis": "blis",
    "dask-core": "dask",
    "docker-py": "docker",
    "fastapi-core": "fastapi",
    "geopandas-base": "geopandas",
    "geoviews-core": "geoviews",
    "google-cloud-bigquery-core": "google-cloud-bigquery",
    "google-cloud-bigquery-storage-core": "google-cloud-bigquery-storage",
    "h3-py": "h3",
    "jupyterhub-base": "jupyterhub",
    "matplotlib-base": "matplotlib",
    "modin-core": "modin",
    "msgpack-python": "msgpack",
    "nbconvert-core": "nbconvert",
    "ortools-python": "ortools",
    "polars-default": "polars",
    "py-lief": "lief",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pyct-core": "pyct",
    "pyg": "torch-geometric",
    "pymc-base": "pymc",
    "pymol-open-source": "pymol",
    "pyqt": "pyqt5",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "pytensor-base": "pytensor",
    "python-annoy": "annoy",
    "python-blosc": "blosc",
    "python-blosc2": "blosc2",
    "python-build": "build",
    "python-confluent-kafka": "confluent-kafka",
    "python-duckdb": "duckdb",
    "python-eccodes": "eccodes",
    "python-fastjsonschema": "fastjsonschema",
    "python-flatbuffers": "flatbuffers",
    "python-gmsh": "gmsh",
    "python-graphviz": "graphviz",
    "python-hdfs": "hdfs",
    "python-igraph": "igraph",
    "python-installer": "installer",
    "python-isal": "isal",
    "python-kaleido": "kaleido",
    "python-kubernetes": "kubernetes",
    "python-libarchive-c": "libarchive-c",
    "python-librt": "librt",
    "python-lmdb": "lmdb",
    "python-lsp-server-base": "python-lsp-server",
    "python-pdal": "pdal",
    "python-sounddevice": "sounddevice",
    "python-symengine": "symengine",
    "python-tzdata": "tzdata",
    "python-wget": "wget",
    "python-xxhash": "xxhash",
    "python-zlib-ng": "zlib-ng",
    "pytorch": "torch",
    "pytorch-cluster": "torch-cluster",
    "pytorch-geometric": "torch-geometric",
    "pytorch-scatter": "torch-scatter",
    "pytorch-sparse": "torch-sparse",
    "pytorch-spline-conv": "torch-spline-conv",
    "qtconsole-base": "qtconsole",
    "ray-core": "ray",
    "redis-py": "redis",
    "seaborn-base": "seaborn",
    "sentencepiece-python": "sentencepiece",
    "snakemake-minimal": "snakemake",
    "tensorflow-base": "tensorflow",
    "tiledb-py": "tiledb",
    "vtk-base": "vtk",
}
"""conda's name (normalised) → the distribution's, where they differ. Written by hand; names that are equal need no line."""

NO_DISTRIBUTION = frozenset(
    {
        "boost",
        "cmake",
        "gdb",
        "glib",
        "glib-tools",
        "gobject-introspection",
        "itstool",
        "libboost-python",
        "libboost-python-devel",
        "lldb",
        "mamba",
        "mesa",
        "nodejs",
        "ninja",
        "openjdk",
        "opencv",
        "python",
        "python-abi",
        "python-gil",
        "python-freethreading",
        "pytorch-mutex",
        "pytorch-cuda",
        "qt",
        "texlive-core",
    }
)
"""Packages that need Python, or sound like it, and hold no distribution of their name."""


def provided(answer: CondaAnswer) -> dict[str, str]:
    """Return the distributions (normalised name → PEP 440 version) that the packages of `answer` hold."""
    found: dict[str, str] = {}
    for package in answer.packages:
        for name, version in _distributions(package, answer.purls):
            usable = pep440(version)
            if usable:
                found.setdefault(name, usable)
    return dict(sorted(found.items()))


def conda_name(distribution: str, answer: CondaAnswer) -> str:
    """Return the conda package of `answer` that holds `distribution`, or an empty text."""
    for package in answer.packages:
        if any(name == distribution for name, _ in _distributions(package, answer.purls)):
            return package.name
    return ""


def pep440(version: str) -> str:
    """Return `version` as PEP 440 has it; what conda alone allows (`1.1_1`) is mended; an empty text where it cannot be."""
    from packaging.version import VERSION_PATTERN

    candidates = (version, version.replace("_", "."), version.split("_", maxsplit=1)[0])
    pattern = re.compile(rf"\s*{VERSION_PATTERN}\s*", re.VERBOSE | re.IGNORECASE)
    mended = next((one for one in candidates if pattern.fullmatch(one)), "")
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return mended or (leading[0] if leading else "")


def _distributions(package: CondaPackage, purls: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    stated = [found for text in purls.get(package.name, ()) if (found := _PURL.match(text))]
    if stated:
        return [(normalize(found[1]), found[2] or package.version) for found in stated]
    name = normalize(package.name.strip("_"))
    if name in NO_DISTRIBUTION:
        return []
    if name in RENAMED:
        return [(RENAMED[name], package.version)]
    return [(name, package.version)] if _needs_python(package) else []


def _needs_python(package: CondaPackage) -> bool:
    needs = {text.split("[")[0].split()[0].split("::")[-1] for text in package.depends if text.strip()}
    return package.noarch == "python" or bool(needs & {"python", "python_abi"})
