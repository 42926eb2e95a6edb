"""The description of the service."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.failures import RequestError
from envbuild.serving.settings import Settings
from envbuild.serving.swagger import SwaggerDocuments

OPERATIONS = {"/": "ServiceHealthCheck", "/score": "RunMLService", "/swagger.json": "GetSwaggerSpec"}


def documents(tmp_path, **settings) -> SwaggerDocuments:
    return SwaggerDocuments(Settings(app_root=tmp_path, entry_script="score.py", **settings), None)


@pytest.mark.parametrize(
    ("version", "key", "text"), [("2", "swagger", "2.0"), ("3", "openapi", "3.0.3"), ("3.1", "openapi", "3.1.0")]
)
def test_documented_operations(tmp_path, version, key, text):
    document = json.loads(documents(tmp_path, service_name="svc", service_version="7").read(version))
    assert document[key] == text
    assert (document["info"]["title"], document["info"]["version"]) == ("svc", "7")
    found = {path: next(iter(methods.values())) for path, methods in document["paths"].items()}
    assert {path: operation["operationId"] for path, operation in found.items()} == OPERATIONS
    assert found["/score"]["security"] == [{"Bearer": []}]
    assert all("200" in operation["responses"] and "default" in operation["responses"] for operation in found.values())


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


@pytest.mark.parametrize("version", ["2", "3", "3.1"])
def test_every_reference_leads_somewhere(tmp_path, version):
    document = json.loads(documents(tmp_path).read(version))
    found = set(references(document))
    assert {one.rsplit("/", 1)[1] for one in found} == {"ServiceInput", "ServiceOutput", "ErrorResponse"}
    for reference in found:
        place = document
        for part in reference[2:].split("/"):
            place = place[part]


def test_version_2_has_the_documented_payload(tmp_path):
    score = json.loads(documents(tmp_path).read("2"))["paths"]["/score"]["post"]
    assert score["parameters"][0]["name"] == "serviceInputPayload"
    assert score["parameters"][0]["in"] == "body"


def test_prefix_is_in_the_paths(tmp_path):
    document = json.loads(documents(tmp_path, path_prefix="/api/v1").read("2"))
    assert list(document["paths"]) == ["/api/v1/", "/api/v1/score", "/api/v1/swagger.json"]


def test_unknown_version_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"Swagger version \[9\] is not valid. Supported versions: \[2, 3, 3.1\]."):
        documents(tmp_path).read("9")


@pytest.mark.parametrize(("name", "version"), [("swagger.json", "2"), ("swagger2.json", "2"), ("swagger3.json", "3")])
def test_file_of_the_user_wins(tmp_path, name, version):
    (tmp_path / name).write_text('{"mine": 1}')
    assert documents(tmp_path).read(version) == b'{"mine": 1}'


def test_schema_of_the_script_is_in_it(serve):
    pytest.importorskip("inference_schema")
    client = serve("""
        from inference_schema.schema_decorators import input_schema, output_schema
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

        def init(): pass

        @input_schema("data", StandardPythonParameterType([[1, 2]]))
        @output_schema(StandardPythonParameterType(1.5))
        def run(data): pass
    """)
    definitions = client.get("/swagger.json").json["definitions"]
    assert definitions["ServiceInput"]["example"] == {"data": [[1, 2]]}
    assert definitions["ServiceOutput"]["type"] == "number"
    assert client.get("/swagger.json?version=3").json["components"]["schemas"]["ServiceInput"]["properties"]["data"]
    assert client.get("/swagger.json?version=3.1").status == 200
