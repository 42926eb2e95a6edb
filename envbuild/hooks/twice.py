"""Whether an image is reproducible: built twice from nothing, is it one digest, or at least equal file trees?"""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.protocol import BuildOptions
from envbuild.hooks.targets import Target
from envbuild.lockfile import lock_folder

if TYPE_CHECKING:
    from envbuild.engines.protocol import ImageEngine

# what says when, or by whom, and not what
_NOT_CONTENT = {"created", "history", "rootfs", "container", "container_config", "docker_version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two builds: `same_digest`, else the paths that differ (none: the trees are equal, only times are not)."""

    digests: tuple[str, str]
    differing: tuple[str, ...] = ()

    @property
    def same_digest(self) -> bool:
        """Whether both builds are one image."""
        return self.digests[0] == self.digests[1]


def build_twice(target: Target, *, engine: str = "auto", network: str = "", progress: Progress = SILENT) -> Comparison:
    """Build the image of `target` twice, without any cache, compare, and keep neither. `network` is that of RUN steps.

    Raises:
        LockError: the lock is stale or missing.
        EngineError: no engine answers, or a build failed.
    """
    from envbuild.api import plan
    from envbuild.engines.detect import pick
    from envbuild.engines.machine_secrets import default_secrets

    made = plan(target.definition, environment=target.environment, locked=True)
    maker = pick(engine)
    trees: list[dict[str, object]] = []
    digests = []
    with tempfile.TemporaryDirectory(prefix="envbuild-twice-") as folder:
        for number in (1, 2):
            archive = Path(folder, f"{number}.tar")
            name = f"{made.image_name}-{number}"
            options = BuildOptions(no_cache=True, network=network)
            if maker.name == "oci":
                options = replace(options, output=f"docker-archive:{archive}")
            image = maker.image(
                made,
                name=name,
                reuse=False,
                options=options,
                secrets=default_secrets(),
                root=lock_folder(target.definition),
                progress=progress,
            )
            digests.append(image.digest or image.id)
            if maker.name != "oci":
                _take(cast("ImageEngine", maker), name, archive)
            trees.append(dict(contents(archive)))
            archive.unlink()
    first, second = trees
    differing = sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))
    return Comparison(digests=(digests[0], digests[1]), differing=tuple(differing))


def _take(engine: ImageEngine, name: str, archive: Path) -> None:
    """Write the image to `archive`, and forget it in the engine."""
    try:
        engine.save(name, archive)
    finally:
        with suppress(EngineError):
            engine.remove_image(name)


def contents(archive: Path) -> Iterator[tuple[str, object]]:
    """Yield what a docker-archive holds but for times: its configuration, and each layer's files by `layer/path`."""
    with tarfile.open(archive) as outer:
        [manifest] = json.load(_member(outer, "manifest.json"))
        config: Mapping[str, object] = json.load(_member(outer, manifest["Config"]))
        yield "config", {name: value for name, value in config.items() if name not in _NOT_CONTENT}
        for number, layer in enumerate(manifest["Layers"]):
            with tarfile.open(fileobj=_member(outer, layer)) as inner:
                for member in inner:
                    yield f"{number}/{member.name}", _facts(inner, member)


def _member(archive: tarfile.TarFile, name: str) -> Any:
    found = archive.extractfile(name)
    if found is None:
        raise EngineError(f"the saved image has no {name}")
    return found


def _facts(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    digest = hashlib.sha256()
    if member.isreg() and (content := archive.extractfile(member)):
        while block := content.read(1 << 20):
            digest.update(block)
    return member.type, member.mode, member.uid, member.gid, member.linkname, digest.hexdigest()
