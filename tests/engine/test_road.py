"""The whole road on a real engine: definition → lock → image → a service that answers."""

import json
import urllib.request
from pathlib import Path

import pytest

from envbuild import api, programs
from envbuild.app import Scoring
from envbuild.demo import free_port
from envbuild.engines.protocol import BuildOptions
from envbuild.served import serve_container
from envbuild.workspace.models import register_model
from envbuild.workspace.workspace import Workspace

pytestmark = pytest.mark.engine

SCORE = """
import json, os
import adder

def init():
    global offset
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "offset.txt")) as file:
        offset = int(file.read())

def run(data):
    return {"sum": sum(json.loads(data)["data"]) + offset, "version": adder.__version__}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "service").mkdir()
    (tmp_path / "service/score.py").write_text(SCORE)
    (tmp_path / "offset.txt").write_text("100")
    register_model(Workspace.create(tmp_path), "offset", tmp_path / "offset.txt")
    return tmp_path


@pytest.fixture
def pip_definition(project, index, base_image):
    """A pip-only definition: `adder` from our index, the server's own requirements as wheels of ours without granian."""
    index.add("adder", "1.0", files={"adder.py": "__version__ = '1.0'\n"})
    index.add("werkzeug", "3.0", files={"werkzeug/__init__.py": ""})
    index.add("granian", "2.0", files={"granian_is_not_here.py": ""})
    path = project / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nname = "sum"\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\n'
        f'python = "3.11"\npip = ["adder"]\nindex-url = "{index.url}"\n'
    )
    return path


@pytest.fixture
def conda_definition(project, index, python_channel, bare_base_image):
    """A conda definition: python, adder and pip's werkzeug; the base has no Python at all."""
    index.add("werkzeug", "3.0", files={"werkzeug/__init__.py": ""})
    index.add("granian", "2.0", files={"granian_is_not_here.py": ""})
    path = project / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nname = "sum"\nbase = "{bare_base_image.reference}"\nallow-distribution = ["debian"]\n'
        f'channels = ["{python_channel.url}"]\ndependencies = ["python=3.11", "adder=1.1"]\nindex-url = "{index.url}"\n'
    )
    return path


def package(path):
    workspace = Workspace.find(path.parent)
    scoring = Scoring(entry_script=Path("score.py"), source_directory=path.parent / "service")
    return api.package(path, models=[api.served_model("offset:1", workspace)], scoring=scoring)


def build(package, ca_bundle):
    return api.image(package.plan, options=BuildOptions(network="host"), secrets={"ca": ca_bundle}, root=package.root)


def post(url, body):
    request = urllib.request.Request(f"{url}/score", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def answer_of(image, plan):
    with serve_container(image, plan, port=free_port()) as url:
        return post(url, {"data": [1, 2, 3]})


def test_a_pip_only_definition_becomes_an_image_that_answers(pip_definition, on_engine, ca_bundle):
    made = package(pip_definition)
    image = build(made, ca_bundle)
    assert image.built
    assert image.name == f"envbuild/envbuild_{made.plan.image_key[:32]}"
    assert answer_of(image, made.plan) == {"sum": 106, "version": "1.0"}

    again = build(package(pip_definition), ca_bundle)
    assert not again.built
    assert again.id == image.id


@pytest.mark.index  # py-rattler, which installs conda packages, comes from the real one
def test_a_conda_definition_becomes_an_image_that_answers(conda_definition, on_engine, ca_bundle):
    made = package(conda_definition)
    assert made.lock_file.name == "conda-lock.service.yml"
    image = build(made, ca_bundle)
    assert answer_of(image, made.plan) == {"sum": 106, "version": "1.1"}
    which = on_engine.run(image.name, "sh", "-c", "command -v python; command -v conda || echo no conda; id -u")
    assert which.split() == ["/opt/env/bin/python", "no", "conda", "1000"]


def test_the_saved_context_builds_the_same_without_envbuild(pip_definition, on_engine, ca_bundle, tmp_path):
    made = package(pip_definition)
    image = build(made, ca_bundle)
    folder = tmp_path / "context"
    api.write_context(made.plan, folder, root=made.root)
    assert {"Dockerfile", "azureml-app"} <= {one.name for one in folder.iterdir()}
    assert (folder / "azureml-app/azureml-models/offset/1/offset.txt").read_text() == "100"

    # only docker and its usual folders on PATH: envbuild is out of reach
    environment = {
        **on_engine.settings(),
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "DOCKER_BUILDKIT": "1",
        "HOME": str(tmp_path),
    }
    argv = [on_engine.client, "build", "--network=host", f"--secret=id=ca,src={ca_bundle}", "-t", "plain", str(folder)]
    programs.run(argv, env=environment)
    listing = ["sh", "-c", "cd / && find opt/env var/azureml-app -type f | sort | xargs sha256sum | sha256sum"]
    assert on_engine.run("plain", *listing) == on_engine.run(image.name, *listing)


def test_the_command_line_walks_the_same_road(pip_definition, on_engine, ca_bundle, capsys):
    from envbuild.cli.main import run

    options = ["--network", "host", "--secret", f"ca={ca_bundle}", "--json", "-q"]
    assert run(["image", str(pip_definition), *options]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["built"]
    assert run(["image", str(pip_definition), *options]) == 0
    assert not json.loads(capsys.readouterr().out)["built"]
    assert run(["image", str(pip_definition), "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["exists"]
    assert [layer["kind"] for layer in plan["layers"]] == ["base", "checks", "pip", "config"]


@pytest.mark.parametrize("release", [("ubuntu", "14.04"), ("alpine", "3.20")])
def test_an_unsupported_base_is_refused_before_any_build(release, release_image, project, index, on_engine):
    from envbuild.core.errors import PlanError

    index.add("adder", "1.0", files={"adder.py": ""})
    path = project / "pyproject.toml"
    base = release_image(*release)
    path.write_text(
        f'[tool.envbuild]\nbase = "{base.reference}"\npython = "3.11"\npip = ["adder"]\nindex-url = "{index.url}"\n'
    )
    with pytest.raises(PlanError, match=r"Ubuntu 16\.04 or later is needed"):
        api.lock(path)


def test_index_credentials_reach_a_build_and_stay_in_no_layer(project, private_index, base_image, on_engine, tmp_path):
    private_index.add("adder", "1.0", files={"adder.py": "__version__ = '1.0'\n"})
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login reader password s3cret-pass\n")
    path = project / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\n'
        f'python = "3.11"\npip = ["adder"]\nindex-url = "{private_index.url}"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETRC", str(netrc))
        plan = api.plan(path)
    image = api.image(plan, options=BuildOptions(network="host"), secrets={"netrc": netrc}, root=path.parent)
    archive = tmp_path / "image.tar"
    on_engine.docker("save", "-o", str(archive), image.name)
    assert b"s3cret-pass" not in archive.read_bytes()
    history = (
        on_engine.docker("history", "--no-trunc", image.name).stdout + on_engine.docker("inspect", image.name).stdout
    )
    assert "s3cret-pass" not in history
    assert "s3cret-pass" not in (path.parent / "pylock.toml").read_text()
    assert on_engine.run(image.name, "python", "-c", "import adder; print(adder.__version__)").strip() == "1.0"
