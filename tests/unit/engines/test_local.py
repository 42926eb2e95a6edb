"""Locked environments as prefixes on this machine, from a package index on loopback."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild import api, programs
from envbuild.code.wheel import code_of
from envbuild.core.definition import CodeFolder, Definition, IndexOptions
from envbuild.core.errors import EngineError, IntegrityError, LockError, NetworkError
from envbuild.core.lock import CondaPackage, Lock, LockedPython, PipFile, PipPackage
from envbuild.core.plan import with_code
from envbuild.core.platforms import this_platform
from envbuild.core.selection import select
from envbuild.engines.interpreters import find_interpreter
from envbuild.engines.local import MARKER, UNFINISHED, LocalEnvironment, install, prefix_key
from envbuild.net.url_variables import UrlVariables
from tests.support.code import code_project

HERE = this_platform().subdir
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def locked(index, *releases, python=MINOR, **fields):
    packages = [
        PipPackage(
            name=one.name,
            version=one.version,
            wheels=(PipFile(filename=one.file_name, url=index.file_url(one), hashes=(("sha256", one.sha256),)),),
        )
        for one in releases
    ]
    return Lock(
        definition_hash="0" * 64,
        platforms=(HERE,),
        pip=tuple(packages),
        python=LockedPython(version=python, provider="base"),
        **fields,
    )


def put(lock, folder, prefix=None, **options):
    return install(lock, select(lock, HERE), prefix, folder=folder, **options)


def output(environment, *code):
    argv = [str(environment.python), "-c", "; ".join(code)]
    return programs.run(argv, env=environment.variables()).stdout.strip()


@pytest.fixture
def lib(index):
    return index.add(
        "lib", "1.5", entry_points={"lib-version": "lib:main"}, files={"lib.py": "def main():\n    print('one-five')\n"}
    )


def test_an_environment_is_installed_from_the_lock_alone(index, lib, tmp_path):
    index.add("lib", "9.0")
    environment = put(locked(index, lib), tmp_path, tmp_path / "env")
    assert output(environment, "import lib", "lib.main()") == "one-five"
    assert programs.run(["lib-version"], env=environment.variables()).stdout == "one-five\n"
    assert index.paths() == [f"/files/{lib.file_name}"]


def test_own_code_is_installed_over_the_lock_and_a_change_of_it_is_another_environment(index, lib, tmp_path):
    code_project(tmp_path / "project")
    lock = locked(index, lib)

    def put_code():
        code = (code_of(CodeFolder(path="project"), tmp_path),)
        return install(lock, with_code(select(lock, HERE), lock, code), folder=tmp_path)

    first = put_code()
    assert output(first, "import lib, mypkg", "print(mypkg.answer)") == "1"
    assert put_code() == first
    (tmp_path / "project/mypkg/__init__.py").write_text("answer = 2\n")
    assert output(put_code(), "import mypkg", "print(mypkg.answer)") == "2"


def test_a_complete_environment_is_returned_without_any_work(index, lib, tmp_path):
    lock = locked(index, lib)
    first = put(lock, tmp_path)
    (first.prefix / "mine.txt").write_text("kept")
    assert put(lock, tmp_path) == first
    assert (first.prefix / "mine.txt").read_text() == "kept"
    assert first.prefix.parent.name == "prefixes"


def test_two_at_once_install_it_once(index, lib, tmp_path):
    lock = locked(index, lib)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: put(lock, tmp_path, tmp_path / "env"), range(2))
    assert first == second
    assert index.paths().count(f"/files/{lib.file_name}") == 1


def test_an_interrupted_installation_is_begun_anew(index, lib, tmp_path):
    lock = locked(index, lib)
    first = put(lock, tmp_path, tmp_path / "env")
    (first.prefix / MARKER).unlink()
    (first.prefix / "rest.txt").touch()
    again = put(lock, tmp_path, tmp_path / "env")
    assert not (again.prefix / "rest.txt").exists()
    assert output(again, "import lib", "lib.main()") == "one-five"


@pytest.mark.parametrize("left", ["lib/rest.txt", "bin/python"])
def test_one_that_was_killed_while_it_was_made_or_removed_is_known_as_ours(index, lib, tmp_path, left):
    place = tmp_path / "env"
    (place / left).parent.mkdir(parents=True)
    (place / left).touch()
    (place / UNFINISHED).touch()
    environment = put(locked(index, lib), tmp_path, place)
    assert not (place / "lib/rest.txt").exists()
    assert not (place / UNFINISHED).exists()
    assert output(environment, "import lib", "lib.main()") == "one-five"


def test_where_there_is_no_interpreter_nothing_is_changed(index, lib, tmp_path):
    lock = locked(index, lib)
    with pytest.raises(EngineError, match=r"has no Python 3\.99"):
        put(replace(lock, python=LockedPython(version="3.99", provider="base")), tmp_path, tmp_path / "env")
    assert not (tmp_path / "env").exists()


def test_another_lock_replaces_the_environment_of_a_named_prefix(index, lib, tmp_path):
    put(locked(index, lib), tmp_path, tmp_path / "env")
    other = index.add("other", "1.0")
    environment = put(locked(index, other), tmp_path, tmp_path / "env")
    assert output(environment, "import other, importlib.util", "print(importlib.util.find_spec('lib'))") == "None"


def test_a_folder_that_is_no_environment_is_left_alone(index, lib, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data.csv").write_text("1")
    with pytest.raises(EngineError, match="no environment"):
        put(locked(index, lib), tmp_path, tmp_path / "precious")
    assert (tmp_path / "precious" / "data.csv").read_text() == "1"


def test_a_file_that_is_not_what_the_lock_says_is_refused(index, lib, tmp_path):
    lock = locked(index, lib)
    wheel = replace(lock.pip[0].wheels[0], hashes=(("sha256", "0" * 64),))
    wrong = replace(lock, pip=(replace(lock.pip[0], wheels=(wheel,)),))
    with pytest.raises(IntegrityError, match="lib"):
        put(wrong, tmp_path, tmp_path / "env")
    assert not (tmp_path / "env" / MARKER).exists()


def test_a_file_without_a_hash_is_refused(index, lib, tmp_path):
    lock = locked(index, lib)
    bare = replace(lock, pip=(replace(lock.pip[0], wheels=(replace(lock.pip[0].wheels[0], hashes=()),)),))
    with pytest.raises(EngineError, match="no hash"):
        put(bare, tmp_path, tmp_path / "env")


def test_a_file_that_cannot_be_fetched_is_a_network_error(index, lib, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index.releases.clear()
    with pytest.raises(NetworkError, match="404"):
        put(locked(index, lib), tmp_path, tmp_path / "env")


def test_a_wheel_by_path_starts_at_the_locks_folder(index, lib, tmp_path):
    (tmp_path / "my wheels").mkdir()
    (tmp_path / "my wheels" / lib.file_name).write_bytes(lib.content)
    file = PipFile(filename=lib.file_name, path=f"my wheels/{lib.file_name}", hashes=(("sha256", lib.sha256),))
    lock = replace(locked(index), pip=(PipPackage(name="lib", version="1.5", archive=file),))
    environment = put(lock, tmp_path, tmp_path / "env")
    assert output(environment, "import lib", "lib.main()") == "one-five"
    assert index.requests == []


def test_what_was_fetched_once_is_installed_offline(index, lib, tmp_path):
    put(locked(index, lib), tmp_path, tmp_path / "one")
    asked = len(index.requests)
    environment = put(locked(index, lib), tmp_path, tmp_path / "two", offline=True)
    assert output(environment, "import lib", "lib.main()") == "one-five"
    assert len(index.requests) == asked


def test_a_private_index_gets_its_credentials_and_the_prefix_does_not(private_index, tmp_path, monkeypatch):
    release = private_index.add("lib", "1.0")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password s3cret-pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    environment = put(locked(private_index, release), tmp_path, tmp_path / "env")
    assert output(environment, "import lib", "print(lib.__version__)") == "1.0"
    texts = [path.read_bytes() for path in environment.prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(b"s3cret" in text for text in texts)


def test_a_login_in_the_definitions_index_is_used_for_its_files(private_index, tmp_path, monkeypatch):
    release = private_index.add("lib", "1.0")
    monkeypatch.setenv("READER_PASSWORD", "s3cret-pass")
    url = private_index.url.replace("://", "://reader:${READER_PASSWORD}@")
    urls = UrlVariables.of(Definition(kind="requirements", index=IndexOptions(index_url=url)))
    environment = put(locked(private_index, release), tmp_path, tmp_path / "env", urls=urls)
    assert output(environment, "import lib", "print(lib.__version__)") == "1.0"


def test_a_lock_that_would_send_a_variable_elsewhere_installs_nothing(index, lib, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", "s3cret-pass")
    [package] = locked(index, lib).pip
    stolen = replace(package.wheels[0], url=package.wheels[0].url.replace("/files/", "/${PLANTED}/"))
    lock = replace(locked(index, lib), pip=(replace(package, wheels=(stolen,)),))
    with pytest.raises(LockError, match="PLANTED, which the definition does not send to that host"):
        put(lock, tmp_path, tmp_path / "env")
    assert index.requests == []


def test_the_machines_configuration_does_not_reach_the_installer(index, lib, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_NO_BINARY", "1")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "other"))
    environment = put(locked(index, lib), tmp_path, tmp_path / "env")
    assert output(environment, "import lib", "lib.main()") == "one-five"


def test_a_python_that_is_not_here_is_named_with_those_that_are(index, lib, tmp_path):
    with pytest.raises(EngineError, match=rf"no Python 3\.99.*{MINOR}"):
        put(locked(index, lib, python="3.99"), tmp_path, tmp_path / "env")


def test_an_interpreter_of_another_version_is_refused(index, lib, tmp_path):
    lock = locked(index, lib, python="3.99")
    with pytest.raises(EngineError, match=r"the lock is for 3\.99"):
        put(lock, tmp_path, tmp_path / "env", interpreter=sys.executable)
    assert not (tmp_path / "env").exists()


def test_pyenvs_versions_are_found_though_its_shims_do_not_work(tmp_path):
    python = tmp_path / "versions" / "3.98.10" / "bin" / "python"
    older = tmp_path / "versions" / "3.98.9" / "bin" / "python"
    for one in (python, older):
        one.parent.mkdir(parents=True)
        one.touch()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    assert find_interpreter((3, 98), environ) == python


def test_the_platform_of_another_machine_is_refused(index, tmp_path):
    lock = replace(locked(index), platforms=("win-64",))
    with pytest.raises(EngineError, match="win-64"):
        install(lock, select(lock, "win-64"), tmp_path / "env", folder=tmp_path)


def test_the_key_covers_files_python_and_interpreter(index, lib):
    lock = locked(index, lib)
    other = replace(lock, pip=(replace(lock.pip[0], version="1.6"),))
    keys = {
        prefix_key(lock, select(lock, HERE)),
        prefix_key(other, select(other, HERE)),
        prefix_key(lock, select(lock, HERE), "/usr/bin/python3"),
        prefix_key(replace(lock, python=LockedPython(version="3.9", provider="base")), select(lock, HERE)),
    }
    assert len(keys) == 4


def test_a_program_in_it_sees_its_own_python_only():
    environment = LocalEnvironment(prefix=Path("/opt/e"), python=Path("/opt/e/bin/python"))
    environ = {"PATH": "/bin", "PYTHONPATH": "/x", "PYTHONHOME": "/y", "CONDA_PREFIX": "/c", "LANG": "C"}
    assert environment.variables(environ) == {"PATH": "/opt/e/bin:/bin", "LANG": "C", "VIRTUAL_ENV": "/opt/e"}


def test_conda_packages_and_pips_are_installed_together(python_channel, index, lib, tmp_path):
    conda = tuple(conda_package(python_channel, one) for one in newest(python_channel.packages))
    lock = replace(locked(index, lib, python="3.11"), conda=conda)
    environment = put(lock, tmp_path, tmp_path / "env")
    assert output(environment, "import adder, lib", "print(adder.__version__)", "lib.main()") == "2.0\none-five"
    assert programs.run(["greet"], env=environment.variables()).stdout == "hello, adder 2.0\n"
    assert environment.variables()["CONDA_PREFIX"] == str(environment.prefix)
    assert json.loads((environment.prefix / MARKER).read_text())["key"] == prefix_key(lock, select(lock, HERE))


def test_a_conda_package_that_is_not_what_the_lock_says_is_refused(python_channel, index, tmp_path):
    [wrong] = [
        replace(conda_package(python_channel, one), sha256="0" * 64, md5="")
        for one in newest(python_channel.packages)
        if one.record["name"] == "greeter"
    ]
    lock = replace(locked(index), conda=(wrong,))
    with pytest.raises(IntegrityError):
        put(lock, tmp_path, tmp_path / "env")


def newest(packages):
    return {one.record["name"]: one for one in packages}.values()


def conda_package(channel, package):
    record = package.record
    return CondaPackage(
        name=record["name"],
        version=record["version"],
        build=record["build"],
        build_number=record["build_number"],
        platform=HERE,
        subdir=package.subdir,
        channel=channel.url,
        url=channel.package_url(package),
        md5=record["md5"],
        sha256=record["sha256"],
        size=record["size"],
        depends=tuple(record["depends"]),
    )


def test_nothing_is_fetched_where_the_network_is_off(index, lib, tmp_path, monkeypatch):
    monkeypatch.setenv("ENVBUILD_OFFLINE", "1")
    with pytest.raises(NetworkError):
        api.install(locked(index, lib), root=tmp_path, prefix=tmp_path / "env")
    assert index.paths() == []
