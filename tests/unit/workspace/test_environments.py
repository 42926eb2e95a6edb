"""Environments in a workspace: versions, names, labels, archives, and the folder that a version is laid out in."""

import json

import pytest

from envbuild.core.errors import EnvbuildError, WorkspaceError
from envbuild.workspace.environments import (
    ANONYMOUS,
    archive_environment,
    change_environment,
    delete_environment,
    environment_folder,
    get_environment,
    label_environment,
    list_environments,
    main_file,
    register_environment,
    write_environment,
)
from envbuild.workspace.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path, "w")


def put(workspace, name="e", image="a", **options):
    return register_environment(workspace, name, "environment.yml", {"environment.yml": f"image: {image}\n"}, **options)


def test_versions_count_up_and_an_identical_one_adds_none(workspace):
    assert [put(workspace, image=one).version for one in ("a", "a", "b", "b", "a")] == ["1", "1", "2", "2", "3"]


def test_a_version_of_ones_own_is_kept_and_never_changed(workspace):
    assert put(workspace, version="2021-10.rc").version == "2021-10.rc"
    assert put(workspace, version="2021-10.rc").version == "2021-10.rc"
    with pytest.raises(WorkspaceError, match="exists with another definition"):
        put(workspace, image="b", version="2021-10.rc")


@pytest.mark.parametrize("version", ["latest", "a/b", "..", ""])
def test_what_is_no_version_is_refused(workspace, version):
    with pytest.raises(WorkspaceError, match="cannot be a version"):
        put(workspace, version=version)


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", "-x", ".x", "x" * 256])
def test_what_is_no_name_is_refused(workspace, name):
    with pytest.raises(WorkspaceError, match="cannot name an environment"):
        put(workspace, name)


@pytest.mark.parametrize("name", ["AzureML-mine", "azureml", "Microsoft.x", "MICROSOFT"])
def test_reserved_names_are_for_curated_ones(workspace, name):
    with pytest.raises(WorkspaceError, match="reserved"):
        put(workspace, name)
    assert put(workspace, name, curated=True).name == name


def test_the_latest_is_the_one_registered_last(workspace):
    put(workspace, version="9")
    put(workspace, image="b", version="3")
    assert get_environment(workspace, "e").version == "3"
    assert get_environment(workspace, "e", label="latest").version == "3"
    assert put(workspace, image="c").version == "10"


def test_a_label_moves(workspace):
    put(workspace)
    put(workspace, image="b")
    label_environment(workspace, "e", "1", ["prod", "old"])
    label_environment(workspace, "e", "2", ["prod"])
    assert get_environment(workspace, "e", label="prod").version == "2"
    assert get_environment(workspace, "e", label="old").version == "1"
    with pytest.raises(WorkspaceError):
        label_environment(workspace, "e", "1", ["latest"])
    with pytest.raises(WorkspaceError):
        label_environment(workspace, "e", "7", ["x"])
    with pytest.raises(WorkspaceError, match="both given"):
        get_environment(workspace, "e", "1", "prod")


def test_description_and_tags_change_and_nothing_else(workspace):
    first = put(workspace, description="old", tags={"a": "1"})
    changed = change_environment(workspace, first, description="new", tags={"b": "2"})
    assert (changed.description, dict(changed.tags), changed.digest) == ("new", {"b": "2"}, first.digest)
    assert get_environment(workspace, "e").description == "new"


def test_registering_the_same_again_brings_the_description_up_to_date(workspace):
    put(workspace, description="old", tags={"a": "1"})
    again = put(workspace, description="new")
    assert (again.version, again.description, dict(again.tags)) == ("1", "new", {"a": "1"})


def test_an_archived_version_is_in_no_list_and_still_answers(workspace):
    put(workspace)
    put(workspace, image="b")
    archive_environment(workspace, "e", "2")
    assert [one.version for one in list_environments(workspace, "e")] == ["1"]
    assert [one.version for one in list_environments(workspace, "e", archived=True)] == ["1", "2"]
    assert get_environment(workspace, "e", "2").archived
    assert get_environment(workspace, "e").version == "1"
    archive_environment(workspace, "e", "2", archived=False)
    assert get_environment(workspace, "e").version == "2"


def test_an_archived_name_archives_its_later_versions(workspace):
    put(workspace)
    archive_environment(workspace, "e")
    assert put(workspace, image="b").archived
    assert list_environments(workspace) == []
    with pytest.raises(WorkspaceError, match="archived as a whole"):
        archive_environment(workspace, "e", "1", archived=False)
    archive_environment(workspace, "e", archived=False)
    assert [one.version for one in list_environments(workspace, "e")] == ["1", "2"]


def test_a_deleted_version_is_gone_and_its_number_too(workspace):
    put(workspace)
    put(workspace, image="b")
    delete_environment(workspace, "e", "2")
    with pytest.raises(WorkspaceError, match="there is no environment e:2"):
        get_environment(workspace, "e", "2")
    assert put(workspace, image="c").version == "3"


def test_those_without_a_name_are_in_no_list(workspace):
    put(workspace, ANONYMOUS, version="0" * 64)
    assert list_environments(workspace) == []
    assert get_environment(workspace, ANONYMOUS, "0" * 64).main == "environment.yml"


def test_a_version_is_laid_out_once_with_its_name(workspace):
    found = put(workspace, "e", version="1.0")
    path = main_file(workspace, found)
    assert path.read_text() == 'name: "e"\nversion: "1.0"\nimage: a\n'
    (path.parent / "conda-lock.yml").write_text("kept")
    assert environment_folder(workspace, found) == path.parent
    assert (path.parent / "conda-lock.yml").read_text() == "kept"


def test_a_version_deleted_and_made_anew_is_laid_out_anew(workspace):
    first = put(workspace, version="1")
    main_file(workspace, first)
    delete_environment(workspace, "e", "1")
    second = put(workspace, image="b", version="1")
    assert "image: b" in main_file(workspace, second).read_text()


def test_a_json_gets_its_name_and_version(workspace):
    text = json.dumps({"name": None, "version": None, "docker": {}})
    found = register_environment(workspace, "e", "azureml_environment.json", {"azureml_environment.json": text})
    content = json.loads(main_file(workspace, found).read_text())
    assert content == {"name": "e", "version": "1", "docker": {}}


def test_a_build_context_keeps_its_folders(workspace, tmp_path):
    (tmp_path / "ctx/a").mkdir(parents=True)
    (tmp_path / "ctx/b").mkdir()
    for name in ("Dockerfile", "a/same.txt", "b/same.txt"):
        (tmp_path / "ctx" / name).write_text(name)
    tree = workspace.store.put_tree(tmp_path / "ctx")
    found = register_environment(
        workspace, "e", "environment.yml", {"environment.yml": "build: {path: ctx}\n"}, tree=tree
    )
    write_environment(workspace, found, tmp_path / "out")
    assert (tmp_path / "out/ctx/a/same.txt").read_text() == "a/same.txt"
    assert (tmp_path / "out/ctx/b/same.txt").read_text() == "b/same.txt"
    with pytest.raises(EnvbuildError, match="already exists"):
        write_environment(workspace, found, tmp_path / "out")


@pytest.mark.parametrize("path", ["../x", "/x", "."])
def test_a_path_that_leads_out_is_refused(workspace, path):
    with pytest.raises(WorkspaceError, match="not a path inside"):
        register_environment(workspace, "e", "m", {path: ""})
