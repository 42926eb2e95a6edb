"""Which modules are imported once an image is built, and what is said of those that cannot be."""

import json
import sys
import venv

import pytest

from envbuild import programs
from envbuild.core.errors import EngineError
from envbuild.core.lock import LockedPython
from envbuild.core.platforms import image_platform
from envbuild.core.progress import Progress
from envbuild.engines import imports
from envbuild.engines.import_check import check_imports, notes_of
from envbuild.engines.imports import top_modules
from tests.oci.making import MERGED_USR, layout, plan


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["six.py", "six-1.0.dist-info/METADATA"], {"six"}),
        (["a/__init__.py", "a/b/__init__.py", "a/c.py"], {"a"}),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/x.py"], {"google.cloud.storage"}),
        ([f"fast{imports.EXTENSION_SUFFIXES[0]}", "slow.so.1"], {"fast"}),
        ([f"b/__init__{imports.EXTENSION_SUFFIXES[0]}", "b/c.py"], {"b"}),
        (["_private.py", "_p/__init__.py", "tests/__init__.py", "test/__init__.py", "conftest.py", "setup.py"], set()),
        (["ns/_impl/__init__.py", "ns/tests/__init__.py", "ns/data.py"], set()),
        (["../../../bin/tool.py", "/etc/a.py", "a-b.py", "a b/__init__.py", "", ".py", "readme.txt"], set()),
    ],
)
def test_modules_are_those_that_a_person_imports_first(files, expected):
    assert top_modules(files) == expected


MODULES = {
    "fine.py": "import sys\nprint('noise')\nsys.stderr.write('noise')",
    "lacking.py": "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')",
    "wrong.py": "import no_such_thing",
    "leaving.py": "raise SystemExit(0)",
    "ending.py": "import os\nos._exit(7)",
    "dying.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "after.py": "import fine",
    "zone/part/__init__.py": "VALUE = 1",
    "_hidden.py": "raise RuntimeError",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with a distribution for each module, one of them without a record."""
    prefix = tmp_path_factory.mktemp("environment")
    venv.create(prefix, with_pip=False, symlinks=True)
    [site] = prefix.glob("lib/python*/site-packages")
    for path, source in MODULES.items():
        name = path.split("/")[0].removesuffix(".py")
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(source)
        (site / f"The_{name}-1.0.dist-info").mkdir()
        (site / f"The_{name}-1.0.dist-info" / "RECORD").write_text(f'"{path}",sha256=x,1\n../../../bin/{name},,\n')
    (site / "old.py").write_text("")
    (site / "old-2.0.egg-info").mkdir()
    (site / "old-2.0.egg-info" / "top_level.txt").write_text("old\n_old\n")
    return prefix


def test_every_module_is_imported_whatever_the_others_do(environment):
    argv = [str(environment / "bin" / "python"), "-I", "-B", "-c", open(imports.__file__).read(), str(environment)]  # noqa: PTH123, SIM115
    printed = programs.run(argv).stdout
    [line] = [one for one in printed.splitlines() if one.startswith(imports.MARK)]
    assert "noise" not in printed
    told = json.loads(line.removeprefix(imports.MARK))
    assert (told["modules"], told["packages"]) == (9, 9)
    failed = {module: (package, error) for package, module, error in told["failed"]}
    assert failed == {
        "lacking": ("the-lacking", f"ImportError: {MODULES['lacking.py'][19:-2]}"),
        "wrong": ("the-wrong", "ModuleNotFoundError: No module named 'no_such_thing'"),
        "leaving": ("the-leaving", "SystemExit: 0"),
        "ending": ("the-ending", "the interpreter ended with code 7"),
        "dying": ("the-dying", "the interpreter ended with signal 9"),
    }


def test_a_missing_library_comes_with_the_packages_that_have_it():
    lost = "cannot open shared object file: No such file or directory"
    failed = [
        ["lightgbm", "lightgbm", f"OSError: libgomp.so.1: {lost}"],
        ["torch", "torch", f"ImportError: libcuda.so.1: {lost}"],
        ["odd", "odd.part", "ValueError: several\n  lines"],
    ]
    assert list(notes_of({"modules": 5, "packages": 4, "failed": failed})) == [
        "2 of 5 modules of 4 packages can be imported",
        "lightgbm: `import lightgbm` needs libgomp.so.1, which nothing has: add the apt package libgomp1 or the conda package libgomp",
        "torch: `import torch` needs libcuda.so.1, which comes with the machine's graphics card",
        "odd: `import odd.part` fails: ValueError: several lines",
    ]


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def planned(folder, platform):
    python = LockedPython(version="3.11.2", provider="base", interpreter="/usr/bin/python3.11")
    base = layout(folder / "base", MERGED_USR, oci=platform.oci)
    return plan(folder, base=base, python=python, platforms=(platform.subdir,))


def test_an_image_that_does_not_answer_is_no_failure_of_the_build(tmp_path):
    notes = Notes()

    def ask(question):
        assert question.command[0] == "/opt/env/bin/python"
        raise EngineError("exec format error")

    check_imports(planned(tmp_path, image_platform()), ask, notes)
    assert notes.said == ["imports are not checked: exec format error"]


def test_an_image_for_another_platform_is_not_asked(tmp_path):
    from envbuild.core.platforms import PLATFORMS

    [other] = {PLATFORMS["linux-64"], PLATFORMS["linux-aarch64"]} - {image_platform()}
    notes = Notes()
    check_imports(planned(tmp_path, other), lambda _: pytest.fail("asked"), notes)
    assert notes.said == [f"imports are not checked: this machine does not run programs for {other.oci}"]


def test_the_program_needs_nothing_that_an_old_python_has_not():
    source = open(imports.__file__).read()  # noqa: PTH123, SIM115
    compile(source, "imports.py", "exec")
    assert sys.version_info >= (3, 10)
    assert not {":=", "removeprefix", "match "} & set(source.split())
