"""Unpacks and links conda packages, each job into its folder: `conda_link_worker.py TASK RESULT`, both JSON.

In a process of its own, which ends by `os._exit`: the installer's runtime can crash the interpreter while it shuts down.
The result file is what counts. It imports nothing of envbuild. Link scripts are never run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

_AT_ONCE = 4


def main(task: Path, result: Path) -> None:
    """Link what `task` says and write `{"error": ""}` or the reason to `result`."""
    wanted = json.loads(task.read_bytes())
    try:
        asyncio.run(_link_all(wanted))
        error = ""
    except Exception as problem:  # noqa: BLE001 - whatever the installer raises is the answer
        error = str(problem) or type(problem).__name__
    part = result.with_suffix(".part")
    part.write_text(json.dumps({"error": error}))
    part.replace(result)


async def _link_all(wanted: dict[str, Any]) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(job: dict[str, Any]) -> None:
        async with turns:
            await _link(wanted, job)

    await asyncio.gather(*(one(job) for job in wanted["jobs"]))


async def _link(wanted: dict[str, Any], job: dict[str, Any]) -> None:
    import rattler

    # a noarch package of Python must know which Python, which is not linked with it
    names = {one["name"] for one in job["packages"]}
    known = [wanted["python"]] if wanted["python"] and "python" not in names else []
    records = [_record(rattler, one) for one in [*known, *job["packages"]]]
    await rattler.install(
        records,
        job["folder"],
        cache_dir=Path(wanted["cache"]),
        platform=rattler.Platform(wanted["platform"]),
        ignored_packages={"python"} if known else None,
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=wanted["prefix"] or None,
    )


def _record(rattler: Any, package: dict[str, Any]) -> Any:
    # before 0.28 the build string was a text
    build = getattr(rattler, "BuildString", str)
    record = rattler.PackageRecord(
        name=package["name"],
        version=package["version"],
        build=build(package["build"]),
        build_number=package["build_number"],
        subdir=package["subdir"],
        noarch=package["noarch"] or None,
        depends=list(package["depends"]),
        constrains=list(package["constrains"]),
        sha256=bytes.fromhex(package["sha256"]) or None,
        md5=bytes.fromhex(package["md5"]) or None,
        size=package["size"],
    )
    return rattler.RepoDataRecord(
        record, file_name=package["filename"], url=package["location"], channel=package["channel"]
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
