"""Models in a workspace: files under a name and a version."""

from dataclasses import replace

import pytest

from envbuild.core.errors import IntegrityError, WorkspaceError
from envbuild.workspace.models import (
    change_model,
    download_model,
    get_model,
    list_models,
    register_model,
    stored_files,
)
from envbuild.workspace.store import Store, Tree
from envbuild.workspace.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path, "w")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m/sub").mkdir(parents=True)
    (tmp_path / "m/a.bin").write_bytes(b"a")
    (tmp_path / "m/sub/b.bin").write_bytes(b"b")
    return tmp_path / "m"


def test_a_folder_keeps_its_name_and_its_folders(workspace, folder, tmp_path):
    model = register_model(workspace, "m", folder)
    top = download_model(workspace, model, tmp_path / "out")
    assert top == tmp_path / "out/m"
    assert (top / "sub/b.bin").read_bytes() == b"b"
    with pytest.raises(WorkspaceError, match="already exists"):
        download_model(workspace, model, tmp_path / "out")


def test_child_paths_choose_files_and_folders(workspace, folder):
    model = register_model(workspace, "m", folder, child_paths=["sub"])
    assert [one.path for one in model.tree.files] == ["m/sub/b.bin"]
    with pytest.raises(WorkspaceError, match="absent"):
        register_model(workspace, "m", folder, child_paths=["absent"])


def test_versions_are_numbers(workspace, folder):
    register_model(workspace, "m", folder)
    (folder / "a.bin").write_bytes(b"other")
    assert register_model(workspace, "m", folder).version == 2
    assert get_model(workspace, "m:1").version == 1
    assert [one.id for one in list_models(workspace, "m")] == ["m:1", "m:2"]
    assert [one.id for one in list_models(workspace, latest=True)] == ["m:2"]


def test_properties_are_only_added(workspace, folder):
    model = register_model(workspace, "m", folder, properties={"a": "1"})
    model = change_model(workspace, model, properties={"b": "2"})
    assert dict(model.properties) == {"a": "1", "b": "2"}
    with pytest.raises(WorkspaceError, match="cannot be changed"):
        change_model(workspace, model, properties={"a": "2"})


def test_what_is_not_accepted_is_said(workspace, folder, tmp_path):
    for name, options in (("-x", {}), ("m", {"framework": "Fortran"}), ("m", {"framework_version": "1"})):
        with pytest.raises(WorkspaceError):
            register_model(workspace, name, folder, **options)
    with pytest.raises(WorkspaceError, match="does not exist"):
        register_model(workspace, "m", tmp_path / "absent")


def test_a_link_that_leads_out_is_refused(workspace, folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(WorkspaceError, match="leads out"):
        register_model(workspace, "m", folder)


def test_a_damaged_file_is_noticed(workspace, folder, tmp_path):
    model = register_model(workspace, "m", folder)
    workspace.store.path(model.tree.files[0].sha256).write_bytes(b"x")
    with pytest.raises(IntegrityError, match="damaged"):
        download_model(workspace, model, tmp_path / "out")


def test_the_same_bytes_are_kept_once(tmp_path):
    store = Store(tmp_path / "s")
    assert store.put_bytes(b"x") == store.put_bytes(b"x")
    assert sum(path.is_file() for path in (tmp_path / "s").rglob("*")) == 1


def test_the_files_of_a_model_are_served_from_the_store(workspace, folder):
    model = register_model(workspace, "m", folder)
    assert [one.path for one in stored_files(workspace, model)] == ["/m/a.bin", "/m/sub/b.bin"]


@pytest.mark.parametrize("path", ["../out.bin", "/etc/out.bin", "m/../../out.bin", ""])
def test_a_catalogue_that_leads_out_of_the_folder_writes_nothing(workspace, folder, tmp_path, path):
    model = register_model(workspace, "m", folder)
    forged = replace(model, tree=Tree(files=tuple(replace(one, path=path) for one in model.tree.files)))
    with pytest.raises(IntegrityError, match="leads out"):
        download_model(workspace, forged, tmp_path / "deep/out", overwrite=True)
    with pytest.raises(IntegrityError, match="leads out"):
        workspace.store.take_tree(forged.tree, tmp_path / "deep/tree")
    assert not list(tmp_path.glob("**/out.bin"))


def test_a_file_is_taken_whole_or_not_at_all(workspace, folder, tmp_path):
    model = register_model(workspace, "m", folder)
    (one, *_) = model.tree.files
    workspace.store.path(one.sha256).write_bytes(b"damaged")
    (tmp_path / "old.bin").write_bytes(b"old")
    with pytest.raises(IntegrityError, match="damaged"):
        workspace.store.take_file(one, tmp_path / "old.bin")
    workspace.store.path(one.sha256).unlink()
    with pytest.raises(IntegrityError, match="cannot be taken"):
        workspace.store.take_file(one, tmp_path / "old.bin")
    assert (tmp_path / "old.bin").read_bytes() == b"old"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".old")]
