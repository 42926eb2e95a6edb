"""Datastores and datasets as the documents show them, on folders of the workspace."""

import json
from pathlib import Path

import pytest

from envbuild.azureml.core import Dataset, Datastore
from envbuild.azureml.data import dataset_type_definitions
from envbuild.core.errors import DefinitionError, WorkspaceError


def test_request_data_are_uploaded_and_become_a_dataset(ws, project):
    rows = [json.dumps({"data": [[1, 2, 3]], "note": "a, b"})] * 100
    (project / "sample_request_data.txt").write_text("\n".join(rows))
    data_store = Datastore.get_default(ws)
    data_store.upload_files(["./sample_request_data.txt"], target_path="sample_request_data")
    datastore_path = [(data_store, "sample_request_data/sample_request_data.txt")]
    dataset = Dataset.Tabular.from_delimited_files(
        datastore_path,
        separator="\n",
        infer_column_types=True,
        header=dataset_type_definitions.PromoteHeadersBehavior.NO_HEADERS,
    )
    dataset = dataset.register(workspace=ws, name="sample_request_data", create_new_version=True)
    found = Dataset.get_by_name(workspace=ws, name="sample_request_data")
    assert (found.id, dataset.id) == ("sample_request_data:1", "sample_request_data:1")
    assert found.columns == ["Column1"]
    assert found.rows() == [[one] for one in rows]


def test_a_table_has_names_and_types(project):
    (project / "t.csv").write_text("id,ratio,ok,text\n1,0.5,true,a\n2,,false,b\n")
    table = Dataset.Tabular.from_delimited_files("t.csv")
    assert table.columns == ["id", "ratio", "ok", "text"]
    assert table.rows() == [[1, 0.5, True, "a"], [2, None, False, "b"]]
    assert table.to_pandas_dataframe()["id"].sum() == 3
    assert Dataset.Tabular.from_delimited_files("t.csv", infer_column_types=False).take(1) == [
        ["1", "0.5", "true", "a"]
    ]


def test_what_is_no_table_is_refused(project):
    (project / "t.csv").write_text("a,b\n1\n")
    with pytest.raises(DefinitionError, match="row 1 has 1 columns"):
        Dataset.Tabular.from_delimited_files("t.csv")
    with pytest.raises(WorkspaceError, match="names no file"):
        Dataset.Tabular.from_delimited_files("absent.csv")
    with pytest.raises(WorkspaceError, match="partition_format"):
        Dataset.Tabular.from_delimited_files("t.csv", partition_format="x")


def test_a_dataset_keeps_its_content_and_gets_versions(ws, project):
    (project / "in/a").mkdir(parents=True)
    (project / "in/a/x.txt").write_text("one")
    first = Dataset.File.from_files("in").register(ws, "files")
    (project / "in/a/x.txt").write_text("two")
    with pytest.raises(WorkspaceError, match="create_new_version"):
        Dataset.File.from_files("in").register(ws, "files")
    second = Dataset.File.from_files("in").register(ws, "files", create_new_version=True)
    assert (first.version, second.version) == (1, 2)
    old = Dataset.get_by_name(ws, "files", version=1)
    assert Path(old.download("out")[0]).read_text() == "one"
    assert Dataset.get_by_id(ws, "files:2").to_path() == ["/x.txt"]
    assert ws.datasets["files"].version == 2


def test_a_datastore_is_a_folder_and_nothing_leads_out(ws, project):
    (project / "src/deep").mkdir(parents=True)
    (project / "src/deep/f.txt").write_text("1")
    ds = Datastore.get_default(ws)
    ds.upload("src", target_path="t")
    assert (ds.as_mount().path / "t/deep/f.txt").read_text() == "1"
    (project / "src/deep/f.txt").write_text("2")
    with pytest.raises(WorkspaceError, match="other content"):
        ds.upload("src", target_path="t")
    ds.upload("src", target_path="t", overwrite=True)
    assert ds.download("down", prefix="t") == 1
    assert (project / "down/t/deep/f.txt").read_text() == "2"
    with pytest.raises(WorkspaceError, match="leads out"):
        ds.path("../../x")
    with pytest.raises(WorkspaceError):
        Datastore.get(ws, "absent")
    with pytest.raises(WorkspaceError):
        Datastore(ws, "../x")
