"""Whether an image is reproducible: built twice from nothing, is it one digest, or at least equal file trees?"""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from envbuild.core.errors import EngineError
from envbuild.core.progress import SILENT, Progress
from envbuild.hooks.targets import Target

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


def build_twice(target: Target, *, engine: str = "auto", progress: Progress = SILENT) -> Comparison:
    """Build the image of `target` twice, without any cache, compare, and remove both.

    Raises:
        LockError: the lock is stale or missing.
        EngineError: no engine answers, or a build failed.
    """
    from envbuild.api import default_secrets, plan
    from envbuild.engines.detect import pick
    from envbuild.engines.protocol import BuildOptions, ImageEngine
    from envbuild.lockfile import lock_folder

    made = plan(target.definition, environment=target.environment, locked=True)
    builder = cast("ImageEngine", pick(engine))
    names = [f"{made.image_name}-{which}" for which in ("first", "second")]
    with ExitStack() as cleanup:
        images = []
        for name in names:
            cleanup.callback(_remove, builder, name)
            options = BuildOptions(no_cache=True)
            images.append(
                builder.image(
                    made,
                    name=name,
                    reuse=False,
                    options=options,
                    secrets=default_secrets(),
                    root=lock_folder(target.definition),
                    progress=progress,
                )
            )
        digests = (images[0].id, images[1].id)
        return Comparison(digests=digests, differing=() if digests[0] == digests[1] else _compare(builder, names))


def _remove(builder: Any, name: str) -> None:
    with suppress(EngineError):
        builder.remove_image(name)


def _compare(builder: Any, names: list[str]) -> tuple[str, ...]:
    trees = []
    with tempfile.TemporaryDirectory(prefix="envbuild-twice-") as folder:
        for name in names:
            path = Path(folder, "image.tar")
            builder.save(name, path)
            trees.append(dict(contents(path)))
            path.unlink()
    first, second = trees
    return tuple(sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path)))


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
