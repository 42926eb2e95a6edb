"""The files of a lock on this machine: local wheels checked, others fetched, several at once, each against its hash."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envbuild.core.errors import PlanError
from envbuild.core.lock import PipFile
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.oci.wheels import WheelUnit
from envbuild.net.downloads import Download, DownloadCache
from envbuild.net.http import HttpClient
from envbuild.net.integrity import Integrity

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where the files of a lock come from; `root` is where its relative paths start."""

    root: Path = Path()
    client: HttpClient = field(default_factory=HttpClient)

    def fetch(self, units: Sequence[WheelUnit], progress: Progress = SILENT) -> list[WheelUnit]:
        """Return `units` with their wheels at hand, eight at a time.

        Raises:
            NetworkError, IntegrityError, PlanError: one cannot be had, or is not what the lock promises.
        """
        if not units:
            return []
        total = sum(one.size for one in units) or None
        with (
            progress.step(f"fetch {len(units)} wheels", total) as step,
            ThreadPoolExecutor(max_workers=8, thread_name_prefix="fetch") as pool,
        ):

            def one(unit: WheelUnit) -> WheelUnit:
                path = self.path(_file(unit))
                step.advance(unit.size, unit.name)
                return replace(unit, path=path, size=path.stat().st_size)

            try:
                return list(pool.map(one, units))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def path(self, file: PipFile) -> Path:
        """Return where `file` lies on this machine, its hash checked.

        Raises:
            NetworkError, IntegrityError, PlanError: as `fetch`.
        """
        local = self._local(file)
        promise = Integrity(sha256=file.sha256, size=file.size)
        if local is None:
            url = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), file.url)
            item = Download(url=url, filename=file.filename, sha256=file.sha256, size=file.size)
            return DownloadCache().fetch(item, self.client)
        if not local.is_file():
            raise PlanError(f"the lock's wheel {file.path or local} is not there")
        promise.check(local, file.filename)
        return local

    def _local(self, file: PipFile) -> Path | None:
        if file.path:
            return self.root / file.path
        if file.url.startswith("file://"):
            return Path(unquote(urlsplit(file.url).path))
        return None


def _file(unit: WheelUnit) -> PipFile:
    assert unit.chosen.file is not None  # noqa: S101 - the engine refuses what is no wheel
    return unit.chosen.file
