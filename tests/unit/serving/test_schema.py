"""Scripts decorated with inference_schema: conversion, and the client's mistakes told from the script's."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.failures import StartupError

pytest.importorskip("inference_schema")
pytest.importorskip("pandas")

SCRIPT = """
    import numpy as np
    import pandas as pd
    from inference_schema.schema_decorators import input_schema, output_schema
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

    def init():
        pass

    @input_schema("data", NumpyParameterType(np.array([[1.0, 2.0, 3.0]])))
    @input_schema("df", PandasParameterType(pd.DataFrame({"a": [1], "b": ["x"]})))
    @input_schema("flag", StandardPythonParameterType(True))
    @output_schema(StandardPythonParameterType({"sum": 6.0}))
    def run(data, df=None, flag=True):
        return {"sum": float(data.sum()), "type": str(type(data)), "dftype": type(df).__name__, "flag": flag}
"""
GOOD = {"data": [[1, 2, 3]], "df": [{"a": 1, "b": "x"}], "flag": False}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(serve):
    return serve(SCRIPT)


def test_values_are_converted(client):
    reply = client.post(json.dumps(GOOD), JSON)
    assert reply.status == 200
    expected = {"sum": 6.0, "type": "<class 'numpy.ndarray'>", "dftype": "DataFrame", "flag": False}
    assert reply.json == expected


def test_keys_that_run_does_not_take_are_ignored(client):
    assert client.post(json.dumps({**GOOD, "zzz": 1}), JSON).status == 200


def test_parameter_with_a_default_may_be_left_out(client):
    reply = client.post('{"data": [[1, 2, 3]]}', JSON)
    assert (reply.status, reply.json["dftype"], reply.json["flag"]) == (200, "NoneType", True)


def test_get_takes_the_parameters_from_the_query(client):
    reply = client.get("/score?data=%5B%5B1,2,3%5D%5D&df=%5B%7B%22a%22:1,%22b%22:%22x%22%7D%5D&flag=true")
    assert (reply.status, reply.json["sum"]) == (200, 6.0)


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        ('{"df": []}', "application/json", 400, "A value is not provided for the 'data' parameter."),
        ("[1]", "application/json", 400, "POST body should be a JSON dictionary."),
        ("{bad", "application/json", 400, "POST body could not be decoded as JSON: Expecting property name"),
        (b"\xff\xfe\xff", "application/json", 400, "POST body could not be decoded as JSON: "),
        ("[" * 100_000, "application/json", 400, "POST body could not be decoded as JSON: "),
        ("", "application/json", 400, "POST body is empty. Expecting a JSON dictionary."),
        ("{}", "text/plain", 415, "Expects Content-Type to be application/json"),
    ],
)
def test_bodies_that_are_no_object_are_refused(client, body, kind, status, message):
    reply = client.post(body, {"Content-Type": kind})
    assert reply.status == status
    assert reply.message.startswith(message)
    assert reply.headers["x-ms-run-function-failed"] == "False"


@pytest.mark.parametrize(
    "change",
    [
        {"data": [[1, 2]]},
        {"data": [["a", 2, 3]]},
        {"data": 7},
        {"data": None},
        {"df": [{"a": 1}]},
        {"df": [{"a": "x", "b": "x"}]},
        {"df": 3},
        {"flag": [1]},
    ],
)
def test_wrong_shape_or_type_is_the_clients_mistake(client, change):
    reply = client.post(json.dumps({**GOOD, **change}), JSON)
    assert reply.status == 400, reply.body
    assert next(iter(change)) in reply.message
    assert reply.headers["x-ms-run-function-failed"] == "False"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"])
def test_spellings_of_the_json_content_type(client, kind):
    assert client.post(json.dumps(GOOD), {"Content-Type": kind}).status == 200


def test_error_inside_run_is_still_the_scripts(serve):
    client = serve(SCRIPT.replace("return {", "raise ValueError('mine')\n        return {"))
    reply = client.post(json.dumps(GOOD), JSON)
    assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (500, "True")


def test_nested_types_are_checked(serve):
    client = serve("""
        import numpy as np
        from inference_schema.schema_decorators import input_schema
        from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

        def init(): pass

        @input_schema("payload", StandardPythonParameterType({"rows": NumpyParameterType(np.array([[1, 2]]))}))
        def run(payload, request_headers):
            return [type(payload["rows"]).__name__, request_headers["Content-Type"]]
    """)
    assert client.post('{"payload": {"rows": [[1, 2]]}}', JSON).json == ["ndarray", "application/json"]
    assert client.post('{"payload": {"rows": [[1, 2, 3]]}}', JSON).status == 400
    assert client.post('{"payload": [1]}', JSON).status == 400


def test_output_schema_alone_leaves_the_body_as_text(serve):
    client = serve("""
        from inference_schema.schema_decorators import output_schema
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

        def init(): pass

        @output_schema(StandardPythonParameterType("text"))
        def run(data):
            return type(data).__name__
    """)
    assert client.post("{}").json == "str"


def test_rawhttp_and_schema_exclude_each_other(serve):
    with pytest.raises(StartupError, match="both @rawhttp and @input_schema"):
        serve("""
            from azureml.contrib.services.aml_request import rawhttp
            from inference_schema.schema_decorators import input_schema
            from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

            def init(): pass

            @rawhttp
            @input_schema("data", StandardPythonParameterType(1))
            def run(data): pass
        """)


def test_documented_scikit_learn_script_runs(serve, tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    joblib = pytest.importorskip("joblib")
    rows = [[float(n + m) for m in range(10)] for n in range(4)]
    joblib.dump(linear.Ridge().fit(rows, [1.0, 2.0, 3.0, 4.0]), tmp_path / "sklearn_mnist_model.pkl")
    client = serve(
        """
        #Example: scikit-learn and Swagger
        import json
        import numpy as np
        import os
        from sklearn.externals import joblib
        from sklearn.linear_model import Ridge

        from inference_schema.schema_decorators import input_schema, output_schema
        from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType

        def init():
            global model
            model_path = os.path.join(os.getenv('AZUREML_MODEL_DIR'), 'sklearn_mnist_model.pkl')
            model = joblib.load(model_path)

        input_sample = np.array([[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]])
        output_sample = np.array([3726.995])

        @input_schema('data', NumpyParameterType(input_sample))
        @output_schema(NumpyParameterType(output_sample))
        def run(data):
            try:
                result = model.predict(data)
                return result.tolist()
            except Exception as e:
                error = str(e)
                return error
        """,
        model_dir=str(tmp_path),
    )
    reply = client.post('{"data": [[1,2,3,4,5,6,7,8,9,10], [10,9,8,7,6,5,4,3,2,1]]}', JSON)
    assert reply.status == 200
    assert [type(value) for value in reply.json] == [float, float]
    swagger = client.get("/swagger.json").json["definitions"]
    assert swagger["ServiceInput"]["example"] == {"data": [[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}
    assert swagger["ServiceOutput"]["items"] == {"type": "number", "format": "double"}
