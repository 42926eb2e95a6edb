"""The modules of an assembled image are imported by its own interpreter, here, without a container engine."""

import json
from pathlib import Path

import pytest

from envbuild.core.lock import LockedBase, LockedPython
from envbuild.core.progress import Progress
from envbuild.engines.oci import running
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from tests.oci.making import on_disk, plan

ABOUT = "import os, socket, sys\n"
SOURCES = {
    "apart": f"assert os.path.exists('/opt/env/pyvenv.cfg') and not os.path.exists({str(Path(__file__).parent)!r})",
    "offline": "assert [name for _, name in socket.if_nameindex()] in ([], ['lo'])",
    "lacking": "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')",
    "writing": "open(os.path.expanduser('~/file'), 'w').write('1')",
}


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def assembled(folder, notes):
    told = json.loads((folder / "python.json").read_text())
    files = {name: {f"{name}.py": (ABOUT + source).encode()} for name, source in SOURCES.items()}
    made = plan(
        folder / "definition",
        pip=[on_disk(folder / "wheels", name, "1.0", files=one) for name, one in files.items()],
        base=LockedBase(reference=f"oci:{folder}/base"),
        python=LockedPython(version=told["version"], provider="base", interpreter=told["path"]),
    )
    return OciEngine(OciSettings(load=False, check_imports=True)).image(made, name="demo/image:1", progress=notes)


def test_what_cannot_be_imported_is_said_and_the_image_is_made(folder):
    notes = Notes()
    assert assembled(folder, notes).built
    if any("runs" in one or "lets nobody run" in one for one in notes.said):
        pytest.skip("no namespaces, and not root")
    ready, *failed = [one for one in notes.said if "import" in one]
    assert ready == "3 of 4 modules of 4 packages can be imported"
    [note] = failed
    assert note.startswith(
        "lacking: `import lacking` needs libgomp.so.1, which nothing has: add the apt package libgomp1"
    )


def test_a_machine_that_runs_nothing_under_another_root_says_so(folder, monkeypatch):
    monkeypatch.setattr(running.programs, "find", lambda _: None)
    notes = Notes()
    assert assembled(folder, notes).built
    assert notes.said[-1] == (
        "imports are not checked: this machine lets nobody run a program under another root (user namespaces are off)"
    )
