"""Base images for the engine's tests: Debian 12 made by mmdebstrap, and tiny changes of it that say what they are.

None of them is an image that anybody publishes, and their names and labels say so. The root file system is made once
and kept in the tests' cache; the same cache gives the same digests in every run.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.files import exclusive, new_folder
from tests.support import debian
from tests.support.cache import tests_cache
from tests.support.engine import Engine
from tests.support.registry import Image, Layer, digest, push

CREATED = "2024-01-01T00:00:00Z"
EPOCH = "1704067200"
_UNUSED = ("doc", "info", "locale", "man")

OS_RELEASE = {
    "alpine": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID={version}\nPRETTY_NAME="Alpine Linux v{version}"\n',
    "centos": 'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="{version}"\nPRETTY_NAME="CentOS Linux {version}"\n',
    "debian": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="{version}"\nPRETTY_NAME="Debian GNU/Linux {version}"\n',
    "ubuntu": 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="{version}"\nPRETTY_NAME="Ubuntu {version}"\n',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What mmdebstrap puts on top of a minimal Debian; `as_index` publishes it as a multi-platform index."""

    name: str
    include: tuple[str, ...]
    as_index: bool = False
    suite: str = debian.SUITE

    @property
    def system(self) -> str:
        """What it is: `Debian 12`."""
        return " ".join(self.name.split("-")[:2]).capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An image in the local registry; `digest` is what its tag points at."""

    repository: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """Return `registry/name:tag`."""
        return f"{self.repository}:{self.tag}"

    @property
    def pinned(self) -> str:
        """Return `registry/name@sha256:…`."""
        return f"{self.repository}@{self.digest}"


BARE = Recipe(name="debian-12", include=("ca-certificates",))
PYTHON = Recipe(name="debian-12-python", include=("ca-certificates", "python3", "python3-venv"), as_index=True)

NEWER = Recipe(name="debian-13", include=("ca-certificates",), suite="trixie")


def provide(engine: Engine, recipe: Recipe) -> BaseImage:
    """Put the image of `recipe` into the engine's registry; it is made first when the cache does not have it.

    Raises:
        NoDebianError: this machine cannot get Debian packages.
        ProgramError: mmdebstrap failed.
    """
    return _publish(engine, recipe.name, _image(recipe), recipe)


def with_os_release(engine: Engine, distribution: str, version: str) -> BaseImage:
    """Publish the bare image with an `/etc/os-release` that says `distribution` (a key of OS_RELEASE) and `version`."""
    title = f"Debian 12 whose os-release says {distribution} {version}, for envbuild's tests"
    image = _image(BARE, title)
    text = OS_RELEASE[distribution].format(version=version)
    layer = Layer.of(_single_file_tar("usr/lib/os-release", text.encode()))
    changed = Image(layers=(*image.layers, layer), config=image.config)
    return _publish(engine, f"{distribution}-{version}-os-release", changed, BARE)


def with_files(engine: Engine, recipe: Recipe, name: str, files: Mapping[str, str]) -> BaseImage:
    """Publish the image of `recipe` with `files`, text by path without a leading `/`, as `name`."""
    image = _image(recipe)
    layers = (Layer.of(_single_file_tar(path, text.encode())) for path, text in files.items())
    return _publish(engine, name, Image(layers=(*image.layers, *layers), config=image.config), recipe)


def _publish(engine: Engine, name: str, image: Image, recipe: Recipe) -> BaseImage:
    path = f"envbuild-tests/{name}"
    found = push(engine.registry, path, "latest", image, as_index=recipe.as_index)
    return BaseImage(repository=f"{engine.registry}/{path}", tag="latest", digest=found)


def _image(recipe: Recipe, title: str = "") -> Image:
    config = {
        "architecture": debian.architecture(),
        "os": "linux",
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["/bin/bash"],
            "Labels": {
                "org.opencontainers.image.title": title or f"{recipe.system} made by mmdebstrap for envbuild's tests"
            },
        },
    }
    return Image(layers=(_root_layer(recipe),), config=config)


def _root_layer(recipe: Recipe) -> Layer:
    """Return the root file system, from the cache or made now."""
    key = hashlib.sha256(repr((recipe.include, _mmdebstrap(recipe, Path("root.tar")))).encode()).hexdigest()[:16]
    cached = tests_cache() / f"{recipe.name}-{key}"
    with exclusive(tests_cache() / "base-image.lock"):
        if not cached.is_dir():
            with new_folder(cached) as folder, tempfile.TemporaryDirectory(dir=folder) as temporary:
                tar = Path(temporary) / "root.tar"
                programs.run(_mmdebstrap(recipe, tar), env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
                content = tar.read_bytes()
                (folder / "root.tar.gz").write_bytes(gzip.compress(content, compresslevel=4, mtime=0))
                (folder / "diff_id").write_text(digest(content))
    return Layer(content=(cached / "root.tar.gz").read_bytes(), diff_id=(cached / "diff_id").read_text())


def _mmdebstrap(recipe: Recipe, tar: Path) -> list[str]:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNUSED]
    include = f"--include={','.join(recipe.include)}"
    return [
        "mmdebstrap",
        "--variant=minbase",
        include,
        *excluded,
        recipe.suite,
        str(tar),
        debian.source_line(recipe.suite),
    ]


def _single_file_tar(path: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(path)
        member.size, member.mode, member.mtime = len(content), 0o644, int(EPOCH)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()
