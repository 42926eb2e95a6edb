"""The document on deploying models, read aloud: every block of Python, YAML, JSON and commands runs here, on loopback."""

import json
import re
import tarfile
import textwrap
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild import api
from envbuild.azureml.core import Environment, Experiment, Model, ScriptRunConfig, Webservice
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.packaging import package
from envbuild.azureml.services.deploying import free_port
from envbuild.core.errors import ServiceError
from tests.azureml.documents import CLI, FENCE, FOLDER, Block, Reader

pytestmark = [pytest.mark.shared, pytest.mark.slow]
DOCUMENT = "deploy-models-v1-2020-02.ko.md"
TRAIN = """
import os
import joblib
import numpy as np
from sklearn.linear_model import Ridge

os.makedirs("outputs", exist_ok=True)
joblib.dump(Ridge().fit(np.eye(10), np.arange(10.0)), "outputs/sklearn_mnist_model.pkl")
"""
SCORE = """
import json

def init():
    pass

def run(data):
    return [sum(row) for row in json.loads(data)["data"]]
"""
REASONS = {
    "docker ": "needs a container engine: tests/azureml/test_engine.py builds and runs the saved folder",
    "REPOSITORY": "what docker prints",
    "pip install azureml-contrib-services": "not needed: the server brings these imports",
}
"""What the blocks of a shell hold that are not run here, and why."""


def blocks():
    """Yield the document's blocks; those inside a quotation (`> `) too."""
    text = re.sub(r"^> ?", "", (FOLDER / DOCUMENT).read_text(), flags=re.MULTILINE)
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(document=DOCUMENT, line=line, language=found["language"].lower(), text=found["text"])


@pytest.fixture
def files(project):
    """What the document takes for granted."""
    pytest.importorskip("sklearn")
    for name, text in {
        "config.json": '{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}',
        "train.py": TRAIN,
        "score.py": SCORE,
        "conda.yml": "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.6.2\n",
        "trained/mymodel.txt": "a model",
        "example.jpg": "a picture",
        "mnist-model.onnx": "a graph",
        "flowers_model/saved_model.pb": "a graph",
        "inferenceconfig.json": json.dumps(
            {"entryScript": "score.py", "environment": {"name": "myenv", "version": "1"}}
        ),
        "deploymentconfig.json": json.dumps({"computeType": "local", "port": free_port()}),
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "mnist").mkdir()
    (project / "mnist/model.onnx").write_text("a graph")
    with tarfile.open(project / "offered.tar.gz", "w:gz") as archive:
        archive.add(project / "mnist", "mnist")
    return project


class Deployer:
    """Types the blocks in order; says of each how it ran."""

    def __init__(self, project, monkeypatch):
        self.project = project
        self.port = free_port()
        self.reader = Reader(
            project=project,
            replacements=(
                # elsewhere, the commands below would have to be told where the workspace is
                (".file-path/ws_config.json", "config.json"),
                ("path-to-conda-specification-file'", "conda.yml')"),  # a bracket is missing in the document
                ("path-to-score.py", "score.py"),  # a script is imported, so a hyphen cannot stand in its name
                ("8890", str(self.port)),
                ("http://localhost:6789/score", f"http://127.0.0.1:{self.port}/score"),
                ("<resource-group-name>", "g"),
                ("<workspace-name>", "w"),
                ("<path-to-inf-config.json>", "inferenceconfig.json"),
                ("<model-id>", "mymodel:1"),
                ("<input-dataset-id>", "sample_request_data:1"),
                ("<unique-name>", "another"),
                ("request.post(", "requests.post("),  # a letter is missing in the document
                ("<scoring-uri>", f"http://127.0.0.1:{self.port}/score"),
            ),
            before=(
                ("run.register_model", self.trained),
                ("file_path = 'path-to-conda", self.managed),
                ("model_id)", lambda names: names.update(model_id="mymodel:1", model=Model(names["ws"], "mymodel"))),
                ('Model.deploy(ws, "myservice"', self.instead),
                ("Model.package", lambda names: names.update(model=Model(names["ws"], "mymodel"))),
            ),
        )
        monkeypatch.setattr(urllib.request, "urlretrieve", self.retrieve)
        # as a service has it; those that are started here get their own
        monkeypatch.setenv("AZUREML_MODEL_DIR", str(project))

    @property
    def names(self):
        return self.reader.names

    @property
    def ws(self):
        return self.names["ws"]

    def retrieve(self, url, filename):
        assert url.endswith("mnist.tar.gz")
        (self.project / filename).write_bytes((self.project / "offered.tar.gz").read_bytes())

    def trained(self, names):
        """A run whose outputs hold a model."""
        if "run" not in names:
            config = ScriptRunConfig(script="train.py", environment=self.own("training"))
            names["run"] = Experiment(self.ws, "myexperiment").submit(config)
            assert names["run"].wait_for_completion()["status"] == "Completed"
            Model.register(self.ws, "trained/mymodel.txt", "mymodel")

    def managed(self, _names):
        """The first version of `myenv` is this Python, so that nothing has to be installed."""
        self.own("myenv").register(self.ws)

    def instead(self, _names):
        """What the command deployed goes, for the same by the SDK."""
        Webservice.of(self.ws, "myservice").delete()

    @staticmethod
    def own(name):
        made = Environment(name)
        made.python.user_managed_dependencies = True
        return made

    def type(self, block):
        text = block.text.replace("myrunid", self.names["run"].id if "run" in self.names else "")
        self.reader.type(replace(block, text=text))

    def served(self, script, request, model=None, method="POST"):
        """Serve a script of the document and return the answer to one request, and its headers."""
        (self.project / "served.py").write_text(textwrap.dedent(script))
        service = Model.deploy(
            self.ws, "served", [model] if model else [], InferenceConfig("served.py", environment=self.own("served"))
        )
        try:
            service.wait_for_deployment()
            url = service.scoring_uri + ("" if method == "POST" else "?a=1")
            asked = urllib.request.Request(url, request if method == "POST" else None, method=method)
            asked.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(asked, timeout=30) as answer:
                content, headers = answer.read(), answer.headers
            with urllib.request.urlopen(service.swagger_uri, timeout=30) as answer:
                return content, headers, json.load(answer)
        finally:
            service.delete()


@pytest.fixture
def deployer(files, monkeypatch):
    made = Deployer(files, monkeypatch)
    yield made
    if "ws" in made.names:
        for service in Webservice.list(made.ws):
            service.delete()


def test_every_block_of_the_document_runs(deployer, monkeypatch, capsys):
    left = []
    for block in blocks():
        if block.language == "python" and "def init():" in block.text:
            script(deployer, block)
        elif block.language == "python" and "Model.Framework" in block.text:
            without_code(deployer, block, monkeypatch)
        elif block.language == "python" and "inference_config)\npackage" in block.text:
            left.append(block)
        elif block.language in (*CLI, "python"):
            deployer.type(block)
        elif block.language == "yaml":
            conda(deployer.project, block)
        elif block.language == "json":
            described(deployer, block)
        else:
            assert any(text in block.text for text in REASONS), block
            left.append(block)
    said = capsys.readouterr().out
    assert "sklearn_mnist:1" in said
    assert "[55, 55]" in said
    details = deployer.names["details"]
    assert details["recommendedCpu"] <= details["requestedCpu"]
    assert Model(deployer.ws, "mymodel").tags["requestedCpu"] == "1"
    assert (deployer.project / "model_folder/mymodel.txt").is_file()
    assert (deployer.project / "imagefiles/Dockerfile").is_file()
    assert len(left) == 10


def script(deployer, block):
    """Serve the scripts of the document, and ask each as its text says."""
    text = block.text
    if "AMLResponse" in text:
        content, headers, _ = deployer.served(text, b"the body")
        assert content == b"the body"
        if "Allow-Origin" in text:
            assert headers["Access-Control-Allow-Origin"] == "http://www.example.com"
        else:
            assert deployer.served(text, b"", method="GET")[0] == b"/score?a=1"
        return
    if "PandasParameterType" in text:
        text = text.replace("import json\n", "import json\nimport os\n", 1)  # it is missing in the document
        model = Model.register(deployer.ws, framed(deployer.project), "framed")
        body = json.dumps({"data": [{"input_name_1": 5.5, "input_name_2": "a", "input_name_3": 3}]})
        content, _, _ = deployer.served(text, body.encode(), model)
        assert json.loads(content) == [pytest.approx(8.5)]
        return
    body = json.dumps({"data": [[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}).encode()
    content, _, deployer.names["swagger"] = deployer.served(text, body, Model(deployer.ws, "sklearn_mnist"))
    assert len(json.loads(content)) == 1


def framed(project):
    """A model that adds two columns of a data frame, and leaves the one of texts alone."""
    import joblib
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    rows = pd.DataFrame({"input_name_1": [1.0, 2.0, 3.0], "input_name_2": ["a", "b", "c"], "input_name_3": [1, 3, 2]})
    adding = make_pipeline(
        make_column_transformer(("passthrough", ["input_name_1", "input_name_3"])), LinearRegression()
    )
    adding.fit(rows, rows["input_name_1"] + rows["input_name_3"])
    joblib.dump(adding, project / "model_file.pkl")
    return project / "model_file.pkl"


def without_code(deployer, block, monkeypatch):
    """Models without a script: scikit-learn's is served here; the others' libraries are not installed, which is said."""
    model = deployer.project / "sklearn_regression_model.pkl"
    if not model.exists():
        Path(Model(deployer.ws, "sklearn_mnist").download("downloaded")).rename(model)
    with monkeypatch.context() as patched:
        # this Python serves, so that nothing has to be installed
        patched.setattr(package, "Environment", Deployer.own)
        deployer.reader.type(block)
        service = deployer.names["service"]
        if "SCIKITLEARN" in block.text:
            service.wait_for_deployment()
            return
        with pytest.raises(ServiceError, match=r"onnxruntime|tensorflow"):
            service.wait_for_deployment()


def conda(project, block):
    """The conda files are read; the Python of 2017 in the first is not installed."""
    text = textwrap.dedent(block.text)
    if not text.startswith("name"):
        text = f"name: x\ndependencies:\n- pip:\n{textwrap.indent(text, '  ')}"
    (project / "environment.yml").write_text(text)
    names = {one.name for one in api.read_definition(project / "environment.yml").pip}
    assert {"azureml-defaults", "inference-schema"} <= names


def described(deployer, block):
    """The service's description is the document's, but for its name and what ours says more."""
    wanted, found = json.loads(block.text), deployer.names["swagger"]
    # inference-schema of 2020 did not say it
    assert found["definitions"]["ServiceInput"]["properties"]["data"].pop("format") == "numpy.ndarray"
    assert found["definitions"]["ServiceInput"]["properties"] == wanted["definitions"]["ServiceInput"]["properties"]
    assert found["definitions"]["ServiceInput"]["example"] == wanted["definitions"]["ServiceInput"]["example"]
    assert found["definitions"]["ServiceOutput"]["items"] == wanted["definitions"]["ServiceOutput"]["items"]
    for path, method in (("/", "get"), ("/score", "post")):
        assert found["paths"][path][method]["operationId"] == wanted["paths"][path][method]["operationId"]
        assert set(wanted["paths"][path][method]["responses"]) <= set(found["paths"][path][method]["responses"])
    assert found["securityDefinitions"]["Bearer"]["type"] == wanted["securityDefinitions"]["Bearer"]["type"]
