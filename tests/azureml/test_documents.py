"""The documents of environments, read aloud: every block runs here, and what needs a container engine runs where there is one."""

import json
import re
from importlib import import_module
from types import SimpleNamespace

import pytest

from envbuild.azureml.core import Datastore, Environment, Experiment, ScriptRunConfig, Webservice
from envbuild.azureml.environments.sections import DockerSection
from envbuild.cli.main import parser
from tests.azureml.documents import CLI, FOLDER, Reader, blocks, conda_environment
from tests.support.channel import Channel, python_module
from tests.support.wheel import make_wheel

pytestmark = pytest.mark.shared
V1 = ("environments-v1-2020-02.zh-tw.md", "environments-v1-2020-08.nl.md", "environments-v1-2020-11.ko.md")
V2 = "environments-cli-v2-2021-10.ko.md"
ENGINE = ("env.build", "AciWebservice")
"""What a block holds that needs a container engine."""

TRAIN = (
    "import os\nos.makedirs('outputs', exist_ok=True)\nopen('outputs/model.pkl', 'w').write('100')\nprint('trained')\n"
)
SCORE = """
import json, os

def init():
    global offset
    offset = int(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl")).read())

def run(data):
    return sum(json.loads(data)["data"]) + offset
"""
REPLACEMENTS = (
    ("path-to-conda-specification-file", "conda.yml"),
    ("path-to-pip-requirements-file", "requirements.txt"),
    ('name = "myenv"\n    ', 'name = "myenv",\n    '),  # a comma is missing in the documents
    ("path-to-source-directory", "path-to-destination-directory"),
    ("my-custom.whl", "my_custom-1.0-py3-none-any.whl"),  # the name of no wheel
)


@pytest.fixture(scope="module")
def packages(conda_python):
    """What the documents install, as far as it is installed: Python, and scikit-learn by name."""
    with Channel([*conda_python, python_module("scikit-learn", "1.0")]) as server:
        yield server


@pytest.fixture
def defaults(monkeypatch, packages):
    """The default environment's packages come from the channel on loopback, whose Python needs a newer base."""
    from envbuild.azureml.environments import conda_dependencies, conda_yaml

    text = conda_yaml.DEFAULT_TEXT.replace("conda-forge", packages.url)
    assert text != conda_yaml.DEFAULT_TEXT
    monkeypatch.setattr(conda_dependencies, "DEFAULT_TEXT", text)
    monkeypatch.setattr(conda_dependencies, "DEFAULT_PYTHON", "3.11")
    chosen, made = SimpleNamespace(image="ubuntu:24.04"), DockerSection.__init__

    def on_chosen(section, **given):
        made(section, **{"base_image": chosen.image, **given})

    monkeypatch.setattr(DockerSection, "__init__", on_chosen)
    return chosen


@pytest.fixture
def files(ws, project, tmp_path, monkeypatch):
    """The files that the documents name."""
    for name, text in {
        "conda.yml": "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.6.2\n",
        "requirements.txt": "numpy\n",
        "Dockerfile": "FROM ubuntu:22.04\n",
        "example.py": "print('an example')\n",
        "train.py": TRAIN,
        "my-sklearn-proj/train.py": f"{TRAIN}import sys\nprint(sys.argv)\n",
        "score.py": SCORE,
    }.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    wheel = make_wheel("my-custom", "1.0", files={"my_custom.py": ""})
    (project / "my_custom-1.0-py3-none-any.whl").write_bytes(wheel)
    conda_environment(tmp_path / "envs/mycondaenv", "https://conda.example/channel")
    monkeypatch.setenv("CONDA_ENVS_PATH", str(tmp_path / "envs"))


@pytest.fixture
def reader(ws, project, files, defaults):
    """Somebody who has what the documents take for granted: a workspace, a run that has ended, data."""

    def some_run(names):
        made = Experiment(ws, "earlier").submit(ScriptRunConfig(script="train.py", environment=Environment("earlier")))
        made.wait_for_completion()
        names["run"] = made

    def ended(names):
        names["run"].wait_for_completion()

    def registered(names):
        names["environment"] = Environment("earlier").register(ws)

    def estimated(names):
        names |= {"ds": Datastore.get_default(ws), "compute_target": "local", "experiment": Experiment(ws, "estimated")}

    def chosen(names):
        names["env"] = Environment("earlier")

    before = (
        ("environment.get_image_details", registered),
        ("run.get_environment()", some_run),
        ("Estimator", estimated),
        ("env.build", chosen),
        ("run.register_model", ended),
    )
    return Reader(project=project, replacements=REPLACEMENTS, before=before, skipped=ENGINE, names={"ws": ws})


@pytest.mark.parametrize("document", V1)
def test_every_block_of_a_document_runs(ws, reader, document, capsys):
    reader.read(document)
    said = capsys.readouterr().out
    assert "an example" in said
    assert "packages" in said
    assert "scikit-learn" in said
    assert reader.names["restored_environment"].version == "1"
    if "details" in reader.names:
        assert reader.names["details"].dockerfile
    details = reader.names["run"].wait_for_completion()
    assert details["status"] == "Completed"
    assert json.loads((reader.project / "downloaddir/azureml_environment.json").read_text())["name"] == "myenv"
    assert {one for one in Environment.list(ws) if not one.startswith("AzureML")} >= {"myenv", "default-environment"}
    left = [one for one in blocks(document) if one not in reader.seen]
    assert all(any(text in one.text for text in ENGINE) for one in left)
    assert len(left) <= 3


def test_every_command_of_the_document_of_v2_runs(ws, project, assets, capsys):
    """A context would be built at once, which needs an engine."""
    replacements = (("docker-context.yml", "docker-context.yml --no-build"),)
    reader = Reader(project=project, replacements=replacements)
    reader.read(V2)
    assert len(reader.seen) >= 9
    said = capsys.readouterr().out
    assert "This is an updated description." in said
    assert "docker-image-example:1: deleted" in said
    assert {"docker-context-example", "docker-image-plus-conda-example"} <= {*Environment.list(ws)}
    assert "docker-image-example" not in Environment.list(ws)


@pytest.fixture
def assets(project):
    """The files that the document names: an image, a build context, an image with a conda file."""
    for name, text in {
        "my_environment.yml": "name: mine\nimage: ubuntu:22.04\n",
        "assets/environment/docker-image.yml": "name: docker-image-example\nversion: 1\nimage: ubuntu:22.04\n",
        "assets/environment/docker-context.yml": "name: docker-context-example\nbuild: {local_path: context}\n",
        "assets/environment/context/Dockerfile": "FROM ubuntu:22.04\nCOPY requirements.txt /\n",
        "assets/environment/context/requirements.txt": "numpy\n",
        "assets/environment/docker-image-plus-conda.yml": (
            "name: docker-image-plus-conda-example\nimage: ubuntu:22.04\nconda_file: conda/pydata.yml\n"
        ),
        "assets/environment/conda/pydata.yml": "channels: [conda-forge]\ndependencies: [python=3.11, pandas]\n",
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)


@pytest.fixture
def trusting(on_engine, ca_bundle, monkeypatch):
    """What installs in the image, and the server, are from the package index."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_bundle))


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.usefixtures("trusting")
def test_blocks_that_need_an_engine_run_too(ws, reader, defaults, registry, release_image):
    ws.core.change_settings(build_network="host", registry=f"{registry}/documents")
    defaults.image, reader.skipped = release_image("ubuntu", "24.04").reference, ()
    reader.names["myenv"] = Environment("myenv")
    wanted = [one for one in blocks(V1[-1]) if any(text in one.text for text in (*ENGINE, 'script="train.py"'))]
    try:
        for block in wanted:
            reader.type(block)
            if "env.build" in block.text:
                done = reader.names["build"].wait_for_completion(show_output=False)
                assert done.status == "Succeeded", done.get_log()
                assert done.image.startswith(f"{registry}/documents/")
        service = reader.names["service"]
        service.wait_for_deployment()
        assert service.run(json.dumps({"data": [1, 2]})) == 103
    finally:
        for service in Webservice.list(ws):
            service.delete()


def every_block():
    return [block for path in sorted(FOLDER.glob("*.md")) for block in blocks(path.name)]


def imports():
    for block in every_block():
        for line in block.text.splitlines() if block.language == "python" else ():
            if found := re.match(r"\s*from (azureml\S*) import ([^#]+)", line):
                yield from ((found[1], name.strip()) for name in found[2].split(","))
            elif found := re.match(r"\s*import (azureml\S*)", line):
                yield found[1], ""


def commands():
    for block in every_block():
        for line in block.text.splitlines() if block.language in CLI else ():
            if line.strip().startswith(("az ml environment", "az ml model")) and "<" not in line:
                yield line.strip()


@pytest.mark.parametrize(("module", "name"), sorted({*imports()}))
def test_an_import_of_the_documents_is_answered(module, name):
    found = import_module(f"envbuild.{module}")
    assert not name or hasattr(found, name) or import_module(f"envbuild.{module}.{name}")


@pytest.mark.parametrize("line", sorted({*commands()}))
def test_a_command_of_the_documents_is_understood(line):
    import shlex

    arguments = parser().parse_args(shlex.split(line.replace("az ml ", "")))
    assert callable(arguments.run)


def test_there_is_something_to_check():
    assert len(every_block()) > 85
    assert len({*imports()}) > 15
    assert len({*commands()}) > 8
