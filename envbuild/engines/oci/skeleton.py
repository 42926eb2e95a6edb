"""What lies below the packages: the virtual environment without any, and the home of who runs in the image. Pure."""

from __future__ import annotations

import posixpath

from envbuild.core.plan import HOME, PREFIX, Plan
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Recorder, Told

_ACTIVATE = f"""# for a POSIX shell: . {PREFIX}/bin/activate
VIRTUAL_ENV={PREFIX}
PATH="$VIRTUAL_ENV/bin:$PATH"
export VIRTUAL_ENV PATH
unset PYTHONHOME
hash -r 2>/dev/null || true
"""


def skeleton_identity(plan: Plan) -> list[object]:
    """Return what the bytes of this layer depend on."""
    python = plan.lock.python
    venv = [python.version, python.interpreter] if python is not None and has_venv(plan) else []
    return [
        "skeleton",
        1,
        PREFIX,
        venv,
        plan.config.user,
        dict(plan.config.variables).get("HOME", ""),
        plan.config.workdir,
    ]


def has_venv(plan: Plan) -> bool:
    """Tell whether the environment is a virtual one over an interpreter of the base."""
    python = plan.lock.python
    return python is not None and python.provider == "base" and not plan.definition.user_managed


def write_skeleton(tar: TarWriter, plan: Plan, interpreter: str) -> Told:
    """Write the environment's skeleton over `interpreter` (a path in the base) and the user's home."""
    recorder = Recorder(tar)
    if plan.selection.conda:
        recorder.content(f"{PREFIX}/conda-meta/history", b"")
    if has_venv(plan):
        _venv(tar, recorder, plan, interpreter)
    if plan.config.user:
        owner = int(plan.config.user.partition(":")[0])
        home = dict(plan.config.variables).get("HOME", HOME)
        tar.folder(home, owner=owner)
    if plan.config.workdir and plan.config.workdir != "/":
        tar.folder(plan.config.workdir)
    return recorder.told


def _venv(tar: TarWriter, recorder: Recorder, plan: Plan, interpreter: str) -> None:
    python = plan.lock.python
    assert python is not None  # noqa: S101 - has_venv
    minor = f"{python.minor[0]}.{python.minor[1]}"
    told = {
        "home": posixpath.dirname(interpreter),
        "include-system-site-packages": "false",
        "version": python.version,
        "executable": interpreter,
    }
    for folder in ("bin", f"include/python{minor}", f"lib/python{minor}/site-packages"):
        tar.folder(f"{PREFIX}/{folder}")
    recorder.link(f"{PREFIX}/bin/python", interpreter)
    recorder.link(f"{PREFIX}/bin/python3", "python")
    recorder.link(f"{PREFIX}/bin/python{minor}", "python")
    recorder.link(f"{PREFIX}/lib64", "lib")
    recorder.content(f"{PREFIX}/bin/activate", _ACTIVATE.encode())
    recorder.content(f"{PREFIX}/pyvenv.cfg", "".join(f"{key} = {value}\n" for key, value in told.items()).encode())
