"""The catalogue: one transaction a change, readable by many, whole after anything."""

import sqlite3

import pytest

from envbuild.core.errors import WorkspaceError
from envbuild.workspace.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path):
    return Catalogue(tmp_path / "c.sqlite")


def test_it_is_in_wal_mode(catalogue, tmp_path):
    with sqlite3.connect(tmp_path / "c.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "c.sqlite").write_text("not a database, and long enough to be told so" * 50)
    with pytest.raises(WorkspaceError, match=r"c\.sqlite"):
        Catalogue(tmp_path / "c.sqlite")


def test_versions_are_given_in_order_and_never_again(catalogue):
    first = [catalogue.register("k", "n", {"a": one}).version for one in range(3)]
    catalogue.delete("k", "n", 3)
    assert [*first, catalogue.register("k", "n", {"a": 9}).version] == ["1", "2", "3", "4"]


def test_kinds_and_names_count_apart(catalogue):
    assert {catalogue.register(kind, name, {}).version for kind in "ab" for name in "xy"} == {"1"}


def test_without_reuse_an_identical_one_is_a_version_too(catalogue):
    catalogue.register("k", "n", {"a": 1})
    assert catalogue.register("k", "n", {"a": 1}, reuse=False).version == "2"


def test_the_latest_is_not_the_archived_one_unless_all_are(catalogue):
    one, two = catalogue.register("k", "n", {"a": 1}), catalogue.register("k", "n", {"a": 2})
    catalogue.change(two, archived=True)
    assert catalogue.get("k", "n") == one
    catalogue.archive_all("k", "n", archived=True)
    assert catalogue.get("k", "n").version == "2"
    assert catalogue.is_archived("k", "n")
    assert not catalogue.is_archived("k", "absent")


def test_a_version_is_a_text_as_it_was_given(catalogue):
    catalogue.register("k", "n", {}, version="1.0")
    assert catalogue.get("k", "n", "1.0").version == "1.0"
    with pytest.raises(WorkspaceError):
        catalogue.get("k", "n", "1")


def test_labels_go_with_their_version(catalogue):
    catalogue.register("k", "n", {})
    catalogue.label("k", "n", "1", ["a"])
    assert catalogue.labels("k", "n") == {"a": "1"}
    catalogue.delete("k", "n", "1")
    assert catalogue.labels("k", "n") == {}


def test_a_record_is_replaced_and_forgotten(catalogue):
    catalogue.put_record("run", "r", {"status": "Running"})
    catalogue.put_record("run", "r", {"status": "Completed"})
    assert catalogue.records("run") == {"r": {"status": "Completed"}}
    catalogue.delete_record("run", "r")
    assert catalogue.record("run", "r") is None


def test_what_fails_inside_changes_nothing(catalogue):
    catalogue.register("k", "n", {"a": 1})
    with pytest.raises(TypeError):
        catalogue.register("k", "n", {"a": object()})
    assert [one.version for one in catalogue.assets("k", "n")] == ["1"]


def test_a_record_changes_in_one_step_whoever_changes_it(catalogue):
    from threading import Thread

    def change(number):
        catalogue.change_record("run", "r", {f"key{number}": number})

    threads = [Thread(target=change, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert catalogue.record("run", "r") == {f"key{number}": number for number in range(8)}
