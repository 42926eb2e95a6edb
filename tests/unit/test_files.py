import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.core.errors import EnvbuildError, FileError
from envbuild.files import exclusive, new_file, new_folder, write_atomic


def test_the_old_file_stays_when_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    target = tmp_path / "lock"
    target.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvbuildError, match="No space left"):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["lock"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "context"
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "half").write_text("")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with new_folder(target) as folder:
        (folder / "whole").write_text("")
    assert os.listdir(target) == ["whole"]


def test_a_folder_that_has_something_is_not_overwritten_unasked(tmp_path):
    target = tmp_path / "context"
    target.mkdir()
    (target / "mine").write_text("")
    with pytest.raises(EnvbuildError, match="already exists"), new_folder(target):
        pass
    with new_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("")
    assert os.listdir(target) == ["new"]
    assert os.listdir(tmp_path) == ["context"]


def test_two_holders_of_a_lock_take_turns(tmp_path):
    inside, most = [], []

    def hold():
        with exclusive(tmp_path / "lock"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == [1] * 8


def _killed_while(work: str, folder: Path) -> None:
    """Run `work` in a process that kills itself where it says `die()`."""
    code = f"""
import os, signal
from pathlib import Path
from envbuild import files
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
{work}
"""
    done = programs.run([sys.executable, "-c", code], cwd=folder, check=False)
    assert done.code == -signal.SIGKILL, done.stderr


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    target = tmp_path / "lock"
    _killed_while("with files.new_file(Path('lock')) as file:\n    file.write(b'half'); file.flush(); die()", tmp_path)
    _killed_while("with files.new_folder(Path('lock')) as new:\n    (new / 'half').touch(); die()", tmp_path)
    assert len(os.listdir(tmp_path)) == 1  # the second has removed what the first left
    (tmp_path / ".lock.mine").touch()
    (tmp_path / ".lock.12345678.part.mine").touch()
    (tmp_path / ".lock.123456789.part").touch()
    write_atomic(target, "whole")
    assert sorted(os.listdir(tmp_path)) == [".lock.12345678.part.mine", ".lock.123456789.part", ".lock.mine", "lock"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    target = tmp_path / "lock"
    with new_file(target) as file:
        file.write(b"theirs")
        child = "from pathlib import Path; from envbuild.files import write_atomic; write_atomic(Path('lock'), 'ours')"
        programs.run([sys.executable, "-c", child], cwd=tmp_path)
        assert target.read_text() == "ours"
    assert target.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["lock"]


def test_a_folder_that_a_killed_process_had_put_aside_is_back_with_the_next_run(tmp_path):
    target = tmp_path / "context"
    with new_folder(target) as folder:
        (folder / "old").write_text("")
    work = """
rename = Path.rename
Path.rename = lambda one, other: (rename(one, other), die())
with files.new_folder(Path('context'), overwrite=True) as new:
    (new / 'new').touch()
"""
    _killed_while(work, tmp_path)
    assert not target.exists()
    with pytest.raises(FileError, match="already exists"), new_folder(target):
        pass
    assert os.listdir(target) == ["old"]
    assert os.listdir(tmp_path) == ["context"]


def test_many_processes_write_one_file_and_leave_nothing_else(tmp_path):
    code = "import sys; from pathlib import Path; from envbuild.files import write_atomic\n"
    code += "for _ in range(60): write_atomic(Path('lock'), sys.argv[1] * 5000)"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: programs.run([sys.executable, "-c", code, one], cwd=tmp_path), "abcd"))
    assert set((tmp_path / "lock").read_text()) in ({"a"}, {"b"}, {"c"}, {"d"})
    assert os.listdir(tmp_path) == ["lock"]


def test_the_longest_name_that_a_file_system_takes_can_be_written(tmp_path):
    write_atomic(tmp_path / ("x" * 255), "whole")
    assert os.listdir(tmp_path) == ["x" * 255]
