import os
import threading

import pytest

from envbuild.core.errors import EnvbuildError
from envbuild.files import exclusive, new_folder, write_atomic


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
