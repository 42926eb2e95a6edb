"""Projects with a build backend of their own that needs nothing: no index is asked, and its runs are counted."""

from __future__ import annotations

from pathlib import Path

_BACKEND = """\
import base64, hashlib, os, pathlib, time, zipfile

def build_wheel(directory, settings=None, metadata=None):
    with open({log!r}, "a") as log:
        log.write("built\\n")
    if {fails!r}:
        raise SystemExit({fails!r})
    files = {{path.as_posix(): path.read_bytes() for path in sorted(pathlib.Path({name!r}).rglob("*.py"))}}
    info = "{name}-{version}.dist-info"
    files[info + "/METADATA"] = b"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nLicense-Expression: MIT\\n"
    files[info + "/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: %d\\nRoot-Is-Purelib: true\\nTag: {tag}\\n" % time.time_ns()
    files[info + "/entry_points.txt"] = b"[console_scripts]\\n{name} = {name}:main\\n"
    rows = ["%s,sha256=%s,%d" % (name, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("="), len(data))
            for name, data in files.items()]
    files[info + "/RECORD"] = "".join(row + "\\n" for row in [*rows, info + "/RECORD,,"]).encode()
    with zipfile.ZipFile(os.path.join(directory, "{name}-{version}-{tag}.whl"), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return "{name}-{version}-{tag}.whl"
"""


def code_project(
    folder: Path,
    name: str = "mypkg",
    *,
    version: str = "0.1",
    needs: str = "",
    tag: str = "py3-none-any",
    fails: str = "",
    more: str = "",
) -> Path:
    """Write the project `name` to `folder` and return its pyproject.toml; its module says `answer = 1`."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "backend").mkdir(exist_ok=True)
    log = str(folder.parent / f"{folder.name}.builds")
    backend = _BACKEND.format(name=name, version=version, tag=tag, log=log, fails=fails)
    (folder / "backend/own_backend.py").write_text(backend)
    (folder / name / "__init__.py").write_text("answer = 1\n\n\ndef main():\n    print('answer', answer)\n")
    path = folder / "pyproject.toml"
    path.write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own_backend"\nbackend-path = ["backend"]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = [{needs}]\n{more}'
    )
    return path


def builds(folder: Path) -> int:
    """Return how often the backend of the project in `folder` ran."""
    log = folder.parent / f"{folder.name}.builds"
    return len(log.read_text().splitlines()) if log.exists() else 0
