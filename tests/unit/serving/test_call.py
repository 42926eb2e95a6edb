"""Every shape of script: what run() gets for what request."""

from __future__ import annotations

import json

import pytest

from envbuild.serving.failures import StartupError

ECHO = """
    import json

    def init():
        pass

    def run(data):
        return {"type": type(data).__name__, "echo": data}
"""


def test_undecorated_run_gets_the_body_as_text(serve):
    reply = serve(ECHO).post('{"a": [1, 2]}', {"Content-Type": "application/json"})
    assert reply.status == 200
    assert reply.json == {"type": "str", "echo": '{"a": [1, 2]}'}
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""])
def test_the_body_arrives_whatever_its_content_type(serve, kind):
    assert serve(ECHO).post('{"a": 1}', {"Content-Type": kind}).json["echo"] == '{"a": 1}'


def test_body_that_is_not_utf8_is_refused(serve):
    reply = serve(ECHO).post(b"\xff\xfe")
    assert reply.status == 400
    assert reply.message.startswith("Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff")


def test_get_passes_the_query_as_the_text_of_an_object(serve):
    reply = serve(ECHO).get("/score?a=1&b=%5B1,2%5D&c=x&c=y&d=&e=null&f=%7Bbad")
    expected = {"a": 1, "b": [1, 2], "c": ["x", "y"], "d": "", "e": None, "f": "{bad"}
    assert json.loads(reply.json["echo"]) == expected


def test_get_with_a_flood_of_parameters_is_refused(serve):
    assert serve(ECHO).get("/score?" + "&".join(f"a{n}=1" for n in range(2000))).status == 400


def test_deeply_nested_query_value_stays_text(serve):
    reply = serve(ECHO).get("/score?a=" + "%5B" * 100_000)
    assert json.loads(reply.json["echo"]) == {"a": "[" * 100_000}


def test_request_headers_are_passed_where_run_takes_them(serve):
    client = serve("""
        def init(): pass
        def run(data, request_headers):
            return [data, request_headers["X-Colour"], request_headers["Content-Type"], isinstance(request_headers, dict)]
    """)
    reply = client.post("{}", {"X-Colour": "red", "Content-Type": "application/json"})
    assert reply.json == ["{}", "red", "application/json", True]


def test_data_parameter_may_have_any_name_and_others_defaults(serve):
    client = serve("""
        def init(): pass
        def run(mini_batch, scale=3):
            return mini_batch * scale
    """)
    assert client.post("x").json == "xxx"


RAW = """
    from azureml.contrib.services.aml_request import AMLRequest, rawhttp
    from azureml.contrib.services.aml_response import AMLResponse

    def init():
        print("This is init()")

    @rawhttp
    def run(request):
        print("Request: [{0}]".format(request))
        if request.method == 'GET':
            return AMLResponse(str.encode(request.full_path), 200)
        elif request.method == 'POST':
            return AMLResponse(request.get_data(False), 200)
        else:
            return AMLResponse("bad request", 500)
"""


def test_documented_binary_script_echoes_bytes(serve):
    image = bytes(range(256)) * 100
    reply = serve(RAW).post(image, {"Content-Type": "application/octet-stream"})
    assert (reply.status, reply.body) == (200, image)
    assert reply.headers["x-ms-run-function-failed"] == "False"


def test_documented_binary_script_answers_get_with_its_path(serve):
    assert serve(RAW).get("/score?a=1&b=%20c").body in (b"/score?a=1&b=%20c", b"/score?a=1&b=+c")


def test_rawhttp_run_gets_options_too(serve):
    reply = serve(RAW)("OPTIONS", "/score")
    assert (reply.status, reply.body) == (500, b"bad request")
    assert reply.headers["x-ms-run-function-failed"] == "True"


def test_rawhttp_of_the_newer_package_name(serve):
    client = serve("""
        from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init(): pass

        @rawhttp
        def run(req, request_headers):
            assert isinstance(req, AMLRequest)
            answer = {"json": req.get_json(), "arg": req.args.get("q"), "header": req.headers["X-A"], "same": request_headers["X-A"]}
            return AMLResponse(answer, 201, {"X-B": "1, 2"}, json_str=True)
    """)
    reply = client("POST", "/score?q=7", '{"a": 1}', {"X-A": "v", "Content-Type": "application/json"})
    assert reply.status == 201
    assert reply.json == {"json": {"a": 1}, "arg": "7", "header": "v", "same": "v"}
    assert reply.headers["content-type"] == "application/json"


def test_mark_on_another_function_does_not_change_run(serve):
    client = serve("""
        from azureml.contrib.services.aml_request import rawhttp

        def init(): pass

        @rawhttp
        def other(request): pass

        def run(data):
            return type(data).__name__
    """)
    assert client.post("{}").json == "str"


CORS_SCRIPT = """
    from azureml.contrib.services.aml_response import AMLResponse

    def init():
        print("This is init()")

    def run(request):
        print("This is run()")
        print("Request: [{0}]".format(request))
        if request.method == 'GET':
            respBody = str.encode(request.full_path)
            return AMLResponse(respBody, 200)
        elif request.method == 'POST':
            reqBody = request.get_data(False)
            resp = AMLResponse(reqBody, 200)
            resp.headers['Access-Control-Allow-Origin'] = "http://www.example.com"
            return resp
        else:
            return AMLResponse("bad request", 500)
"""


def test_documented_cors_script_works_without_rawhttp(serve):
    client = serve(CORS_SCRIPT)
    reply = client.post('{"a": 1}')
    assert (reply.status, reply.body) == (200, b'{"a": 1}')
    assert reply.headers["access-control-allow-origin"] == "http://www.example.com"
    assert client.get("/score?x=1").body == b"/score?x=1"


def test_parameter_named_request_is_still_the_text_of_the_body(serve):
    client = serve("""
        import json
        def init(): pass
        def run(request):
            return [json.loads(request), request.upper(), isinstance(request, str), hasattr(request, "no_such_thing")]
    """)
    assert client.post('{"a": 1}').json == [{"a": 1}, '{"A": 1}', True, False]


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        ("def run(*data): pass", "cannot be passed by name"),
        ("def run(**data): pass", "cannot be passed by name"),
        ("def run(data, /): pass", "cannot be passed by name"),
        ("def run(): pass", "no parameter for the data"),
        ("def run(request_headers): pass", "no parameter for the data"),
        ("def run(data, other): pass", "nothing can be passed for the parameter other"),
        ("async def run(data): pass", "coroutine"),
        ("run = 3", "has no run()"),
    ],
)
def test_run_that_cannot_be_called_is_refused_at_the_start(serve, run, complaint):
    with pytest.raises(StartupError, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        serve(f"def init(): pass\n{run}\n")
