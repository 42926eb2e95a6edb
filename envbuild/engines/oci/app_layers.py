"""The application's files as layers: models first, then folders, then single files, as they change more often."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from envbuild.core.errors import IntegrityError, PlanError
from envbuild.core.plan import App, AppFile
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Recorder, Told


def app_layers(app: App | None) -> list[tuple[str, tuple[AppFile, ...]]]:
    """Return the title and the files of each layer, in the order in which a Dockerfile copies them.

    Raises:
        PlanError: the files have no folder in common.
    """
    if app is None or not app.files:
        return []
    from envbuild.render.app_files import app_copies

    layers: list[tuple[str, tuple[AppFile, ...]]] = []
    left = sorted(app.files, key=lambda one: one.path)
    for copy in app_copies(app):
        whole = all(source.endswith("/") for source in copy.sources)
        mine = tuple(one for one in left if _is_below(one.path, copy.target, whole=whole))
        left = [one for one in left if one not in mine]
        if mine:
            layers.append((f"files in {copy.target}", mine))
    return layers


def app_identity(files: Sequence[AppFile]) -> list[object]:
    """Return what the bytes of a layer of `files` depend on."""
    return ["files", 1, *([one.path, one.sha256, one.mode] for one in files)]


def write_app(tar: TarWriter, files: Sequence[AppFile]) -> Told:
    """Write `files`, each held against its hash.

    Raises:
        PlanError: one cannot be read.
        IntegrityError: one changed since the plan was made.
    """
    recorder = Recorder(tar)
    for one in files:
        if _put(recorder, one) != one.sha256:
            raise IntegrityError(f"{one.source or one.path} changed while the image was made")
    return recorder.told


def _put(recorder: Recorder, file: AppFile) -> str:
    """Write `file` and return its SHA-256 in hexadecimal digits."""
    if not file.source:
        return recorder.file(file.path, len(file.content), io.BytesIO(file.content), mode=file.mode).hex()
    try:
        with Path(file.source).open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            return recorder.file(file.path, size, stream, mode=file.mode).hex()
    except OSError as error:
        raise PlanError(f"{file.source}: {error.strerror or error}") from error


def _is_below(path: str, folder: str, *, whole: bool) -> bool:
    inside = path.startswith(folder)
    return inside and (whole or "/" not in path[len(folder) :])
