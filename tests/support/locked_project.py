"""Projects with a lock that nothing had to solve: the definition is read, the packages are said, the lock is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envbuild.core.lock import CondaPackage, Lock, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.lockfile import lock_path, store_lock
from envbuild.read import read_definition

DIGEST = "sha256:" + "ab" * 32
BASE = "127.0.0.1:9/library/ubuntu:24.04"


def pip_package(name: str, version: str, *, needs: Sequence[str] = (), size: int = 1000) -> PipPackage:
    """Return a pure Python distribution with one wheel."""
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    wheel = PipFile(
        filename=file, url=f"https://index.example/files/{file}", hashes=(("sha256", "cd" * 32),), size=size
    )
    return PipPackage(name=name, version=version, dependencies=tuple(needs), wheels=(wheel,))


def make_lock(
    definition: Path,
    packages: Sequence[PipPackage],
    *,
    environment: str = "",
    conda: Sequence[CondaPackage] = (),
    channels: Sequence[str] = (),
) -> Path:
    """Write the lock of `definition` that holds exactly `packages` (and `conda`), and return its path."""
    read = read_definition(definition, environment=environment)
    lock = Lock(
        definition_hash=read.hash,
        platforms=("linux-64",),
        channels=tuple(channels),
        conda=tuple(conda),
        pip=tuple(packages),
        python=LockedPython(version="3.12", provider="conda" if conda else "apt"),
        base=LockedBase(reference=BASE, digest=DIGEST, distribution="ubuntu 24.04"),
        index_url=read.index.index_url,
        sources=read.sources,
        created_by="envbuild test",
    )
    path = lock_path(definition, lock, environment)
    store_lock(path, lock)
    return path


def project(folder: Path, *, pip: Sequence[str] = ("alpha",), more: str = "", extra: Sequence[PipPackage] = ()) -> Path:
    """Write a pyproject.toml with `[tool.envbuild]` and its fresh pylock.toml; return the definition."""
    folder.mkdir(parents=True, exist_ok=True)
    definition = folder / "pyproject.toml"
    wanted = ", ".join(f'"{one}"' for one in pip)
    definition.write_text(f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.12"\npip = [\n  {wanted},\n]\n{more}')
    make_lock(definition, [*(pip_package(one, "1.0") for one in pip), *extra])
    return definition
