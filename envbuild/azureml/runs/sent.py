"""What a job on a cluster sends behind its output (`inside/sending.py`), told from the output and written to the run."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from envbuild.azureml.runs.inside.sending import MARK
from envbuild.core.errors import NetworkError
from envbuild.core.keys import sha256


@dataclass(slots=True)
class Output:
    """The log of a job, as it grows: its own lines go to `log`, each once."""

    log: Callable[[str], None]
    _shown: int = 0
    _sent: list[str] = field(default_factory=list)

    def show(self, said: str, *, ended: bool) -> None:
        """Take the whole log `said` as it is now; a line that is not whole waits, unless the job has `ended`."""
        upto = len(said) if ended else said.rfind("\n") + 1
        lines = said[self._shown : upto].splitlines()
        self._shown = max(upto, self._shown)
        self._sent += [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
        own = [line for line in lines if not line.startswith(MARK)]
        if own:
            self.log("\n".join(own).rstrip("\n"))

    def files(self) -> SentFiles | None:
        """Return what was sent, or None.

        Raises:
            NetworkError: it is not what was sent.
        """
        if not self._sent:
            return None
        try:
            data = b"".join(base64.b64decode(line, validate=True) for line in self._sent[1:])
        except ValueError:
            data = b""
        if sha256(data) != self._sent[0].strip():
            raise NetworkError("what the job made did not come back whole: the cluster's log lacks a part of it")
        return SentFiles(data)


@dataclass(frozen=True, slots=True)
class SentFiles:
    """The files that a job made, as a ZIP archive."""

    archive: bytes

    def take(self, *, outputs: Path, control: Path) -> None:
        """Write the files of the watched folders below `outputs`, and the run's own (metrics, tags, uploads) below `control`.

        Raises:
            NetworkError: a path leads out of its folder.
        """
        with zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            for name in archive.namelist():
                parts = PurePosixPath(name)
                if parts.is_absolute() or ".." in parts.parts:
                    raise NetworkError(f"the job sent a file {name!r}, which leads out of the run")
                own = parts.parts[0] == "control"
                target = control.joinpath(*parts.parts[1:]) if own else outputs / parts
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
