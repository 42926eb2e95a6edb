"""Assembles the wheels of a folder over the base in it, in a process of its own: `python -m tests.oci.build FOLDER OUTPUT`.

Prints the image's digests and the most memory that the process had, in MiB, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from envbuild.core.lock import LockedBase, LockedPython, PipFile, PipPackage
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.protocol import BuildOptions
from tests.oci.making import plan, service


def locked(path: Path) -> PipPackage:
    """Return what a lock says of a wheel."""
    name, version = path.name.split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = PipFile(filename=path.name, path=str(path), size=path.stat().st_size, hashes=(("sha256", digest),))
    return PipPackage(name=name, version=version, wheels=(file,))


def peak_memory() -> int:
    """Return the most memory that this process had, in MiB; what `getrusage` says may be that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM"))


def main(folder: Path, output: str, settings: dict[str, object]) -> None:
    """Assemble and tell."""
    python = json.loads((folder / "python.json").read_text())
    made = plan(
        folder / "definition",
        pip=[locked(path) for path in sorted((folder / "wheels").glob("*.whl"))],
        base=LockedBase(reference=f"oci:{folder}/base"),
        python=LockedPython(version=python["version"], provider="base", interpreter=python["path"]),
        app=service(),
    )
    engine = OciEngine(OciSettings(load=False, **settings))  # type: ignore[arg-type]
    image = engine.image(made, name="demo/image:1", options=BuildOptions(output=output))
    print(json.dumps({"digest": image.digest, "id": image.id, "memory": peak_memory()}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
