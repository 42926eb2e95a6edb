"""The installation itself, in a process of its own: `local_conda_worker.py TASK RESULT`, both JSON.

The engine's runtime can crash the interpreter while it shuts down, so this ends by `os._exit`, and the result file is what counts.
It imports nothing of envbuild.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(task: Path, result: Path) -> None:
    """Install what `task` says and write `{"error": ""}` or the reason to `result`."""
    wanted = json.loads(task.read_bytes())
    try:
        asyncio.run(_install(wanted))
        error = ""
    except Exception as problem:  # noqa: BLE001 - whatever the engine raises is the answer
        error = str(problem) or type(problem).__name__
    part = result.with_suffix(".part")
    part.write_text(json.dumps({"error": error}))
    part.replace(result)


async def _install(wanted: dict[str, Any]) -> None:
    import rattler

    await rattler.install(
        [_record(rattler, one) for one in wanted["packages"]],
        wanted["prefix"],
        cache_dir=Path(wanted["cache"]),
        show_progress=False,
    )


def _record(rattler: Any, package: dict[str, Any]) -> Any:
    record = rattler.PackageRecord(
        name=package["name"],
        version=package["version"],
        build=rattler.BuildString(package["build"]),
        build_number=package["build_number"],
        subdir=package["subdir"],
        noarch=package["noarch"] or None,
        depends=list(package["depends"]),
        constrains=list(package["constrains"]),
        sha256=bytes.fromhex(package["sha256"]) or None,
        md5=bytes.fromhex(package["md5"]) or None,
        size=package["size"],
    )
    name = package["url"].rsplit("/", 1)[-1].partition("#")[0]
    return rattler.RepoDataRecord(record, file_name=name, url=package["url"], channel=package["channel"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
