"""`Model.profile` on services that are processes of this machine."""

import json
import sys

import pytest

from envbuild.azureml.core import Dataset, Environment, Model, Workspace
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.data.dataset_type_definitions import PromoteHeadersBehavior
from envbuild.cli.main import run as envbuild
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of a process need Linux")

BURNS = """
import time

def init():
    pass

def run(data):
    end = time.process_time() + 0.03
    while time.process_time() < end:
        pass
    return data
"""
HOLDS = """
import time

def init():
    global held
    held = bytearray(300 * 1024 * 1024)

def run(data):
    time.sleep(0.2)
    return data
"""


@pytest.fixture
def own(ws):
    found = Environment("own")
    found.python.user_managed_dependencies = True
    return found.register(ws)


@pytest.fixture
def model(ws, project):
    (project / "m.txt").write_text("1")
    return Model.register(ws, "m.txt", "m")


@pytest.fixture
def requests(ws, project):
    (project / "requests.txt").write_text('{"data": [1, 2]}\n{"data": [3, 4]}\n')
    made = Dataset.Tabular.from_delimited_files(
        "requests.txt", separator="\n", header=PromoteHeadersBehavior.NO_HEADERS
    )
    return made.register(ws, "requests")


def profile(ws, config, model, requests):
    made = Model.profile(
        ws,
        config.entry_script.removesuffix(".py"),
        [model],
        config,
        requests,
        cpu=0.25,
        memory_in_gb=0.5,
        engine="local",
        requests=3,
    )
    made.wait_for_completion(show_output=True)
    return made.get_details()


def test_what_burns_cpu_and_what_holds_memory_get_different_advice(ws, project, model, own, requests):
    (project / "burning.py").write_text(BURNS)
    (project / "holding.py").write_text(HOLDS)
    burns = profile(ws, InferenceConfig("burning.py", environment=own), model, requests)
    holds = profile(ws, InferenceConfig("holding.py", environment=own), model, requests)
    assert burns["recommendedCpu"] == 0.25 > holds["recommendedCpu"] == 0.1
    assert burns["recommendedMemoryInGB"] < holds["recommendedMemoryInGB"] == 0.5
    assert burns["maxUtilizedCpu"] > 10 * holds["maxUtilizedCpu"]
    assert 0.3 < holds["maxUtilizedMemoryInGB"] < 0.5
    assert holds["recommendedMemoryInGb"] == 0.5  # as the document writes it
    assert any("MemoryError" in (one["error"] or "") for one in holds["sweep"])
    assert holds["latencyPercentile50InMs"] >= 200
    assert (holds["totalQueries"], holds["successQueries"], holds["successRate"]) == (3, 3, 100.0)
    assert 0 < holds["measuredQueriesPerSecond"] <= 5
    assert (holds["requestedCpu"], holds["requestedMemoryInGB"]) == (0.25, 0.5)


@pytest.mark.usefixtures("requests", "own")
def test_the_command_measures_and_tags(project, model, capsys):
    (project / "score.py").write_text("def init():\n    pass\n\ndef run(data):\n    return data\n")
    inference = {"entryScript": "score.py", "environment": {"name": "own", "version": "1"}}
    (project / "inferenceconfig.json").write_text(json.dumps(inference))
    common = ["model", "profile", "-g", "group", "-w", "mine", "--inference-config-file", "inferenceconfig.json"]
    limits = ["--cpu", "0.1", "--memory-in-gb", "0.1", "--requests", "3", "--json"]
    assert envbuild([*common, "-m", "m:1", "--idi", "requests:1", "-n", "unique", *limits]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["recommendedCpu"], found["totalQueries"]) == ("Succeeded", 0.1, 3)
    assert envbuild([*common, "-m", "m:1", "--idi", "requests:1", "-n", "unique", *limits]) == 10
    (project / "one.json").write_text('{\n  "data": [1]\n}\n')
    again = [*common, "-m", "m:1", "--requests-file", "one.json", "-n", "other", "--add-tag", "seen=yes", *limits[:-1]]
    assert envbuild(again) == 0
    assert "recommended: 0.1 CPUs, 0.1 GB" in capsys.readouterr().out
    documented = "model profile -g group -w mine --i m:1 --add-tag requestedCpu=1 --add-tag requestedMemoryInGb=0.5"
    assert envbuild(documented.split()) == 0
    tags = Model(Workspace.from_config(), "m").tags
    assert tags == {"seen": "yes", "requestedCpu": "1", "requestedMemoryInGb": "0.5"}


def test_what_cannot_be_profiled_is_said(ws, project, model, own, requests):
    (project / "score.py").write_text(
        "def init():\n    raise ValueError('no weights')\n\ndef run(data):\n    return 1\n"
    )
    config = InferenceConfig("score.py", environment=own)
    failed = Model.profile(ws, "failing", [model], config, requests, engine="local", cpu=1, memory_in_gb=1)
    with pytest.raises(ServiceError, match="no weights"):
        failed.wait_for_completion()
    assert failed.get_details()["state"] == "Failed"
    (project / "two.csv").write_text("a,b\n1,2\n")
    two = Dataset.Tabular.from_delimited_files("two.csv")
    for problem, arguments in (
        ("one column", {"input_dataset": two}),
        ("tabular", {"input_dataset": None}),
        ("between 0.1 and 3.5", {"input_dataset": requests, "cpu": 9}),
        ("between 0.1 and 15", {"input_dataset": requests, "memory_in_gb": 0.01}),
    ):
        with pytest.raises(DefinitionError, match=problem):
            Model.profile(ws, "other", [model], config, **arguments)
    with pytest.raises(WorkspaceError, match="already"):
        Model.profile(ws, "failing", [model], config, requests)
