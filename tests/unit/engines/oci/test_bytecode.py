import marshal
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from envbuild.core.errors import EngineError
from envbuild.core.platforms import image_platform, parse_platform
from envbuild.engines.oci.bytecode import CannotCompileError, Interpreter, check_machine, compile_modules
from envbuild.programs import ProgramError


def read(path):
    return Path(path).read_bytes()


@pytest.fixture(autouse=True)
def ended():
    yield
    HERE.compilers.close()


HERE = Interpreter(argv=(sys.executable,), identity="this", tag=str(sys.implementation.cache_tag))
SITE = "/opt/env/lib/python3/site-packages"


def test_bytecode_is_unchecked_and_names_its_place_in_the_image(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    return 1\n")
    found = compile_modules(HERE, ["a"], {f"{SITE}/a.py": str(tmp_path / "a.py")}, read)
    [(path, data)] = found.items()
    assert path == f"{SITE}/__pycache__/a.{HERE.tag}.pyc"
    assert data[:4] == MAGIC_NUMBER
    assert data[4:8] == b"\1\0\0\0"
    assert marshal.loads(data[16:]).co_filename == f"{SITE}/a.py"


def test_a_package_has_the_same_bytecode_whatever_was_compiled_before(tmp_path):
    other = "def another_name(argument):\n    another_name.other_name = 'some text', argument\n"
    (tmp_path / "a.py").write_text("import another_name\nother_name = 'some text', another_name.argument\n")
    (tmp_path / "b.py").write_text(other)
    modules = {f"{SITE}/a.py": str(tmp_path / "a.py")}
    alone = dict(compile_modules(HERE, ["alone"], modules, read).items())
    compile_modules(HERE, ["other"], {f"{SITE}/b.py": str(tmp_path / "b.py")}, read)
    after = dict(compile_modules(HERE, ["after"], modules, read).items())
    assert alone == after


def test_what_does_not_compile_has_no_bytecode(tmp_path):
    (tmp_path / "bad.py").write_text("{{ template }} is\n")
    (tmp_path / "null.py").write_bytes(b"x = '\0'\n")
    (tmp_path / "good.py").write_text("x = 1\n")
    found = compile_modules(
        HERE, ["b"], {f"{SITE}/{one}.py": str(tmp_path / f"{one}.py") for one in ("bad", "null", "good")}, read
    )
    assert [path for path, _ in found.items()] == [f"{SITE}/__pycache__/good.{HERE.tag}.pyc"]


def test_it_is_remembered_and_damage_is_noticed(tmp_path, monkeypatch):
    from envbuild.files import cache_root

    (tmp_path / "a.py").write_text("x = 1\n")
    modules = {f"{SITE}/a.py": str(tmp_path / "a.py")}
    first = dict(compile_modules(HERE, ["r"], modules, read).items())
    (tmp_path / "a.py").unlink()
    assert dict(compile_modules(HERE, ["r"], modules, read).items()) == first
    [kept] = (cache_root() / "bytecode").iterdir()
    kept.write_bytes(kept.read_bytes()[:-2] + b"xx")
    with pytest.raises(FileNotFoundError):
        compile_modules(HERE, ["r"], modules, read)
    (tmp_path / "a.py").write_text("x = 1\n")
    assert dict(compile_modules(HERE, ["r"], modules, read).items()) == first


def test_an_interpreter_that_fails_is_named(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    broken = Interpreter(argv=("/bin/false",), identity="broken", tag="cpython-311")
    with pytest.raises(EngineError, match="/bin/false"):
        compile_modules(broken, ["x"], {f"{SITE}/a.py": str(tmp_path / "a.py")}, read)


def test_an_interpreter_that_dies_is_named_and_another_takes_its_place(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    modules = {f"{SITE}/a.py": str(tmp_path / "a.py")}
    with pytest.raises(ProgramError, match="No such file"):
        HERE.compilers.compile(HERE.argv, tmp_path / "absent", tmp_path / "output")
    assert [path for path, _ in compile_modules(HERE, ["d"], modules, read).items()]


def test_another_architecture_and_an_old_python_are_left_out():
    other = parse_platform("linux/arm64" if image_platform().subdir == "linux-64" else "linux/amd64")
    with pytest.raises(CannotCompileError, match="does not run programs"):
        check_machine((3, 11), other)
    with pytest.raises(CannotCompileError, match=r"3\.6"):
        check_machine((3, 6), image_platform())
    check_machine((3, 7), image_platform())
