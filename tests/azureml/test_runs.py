"""Runs as the documents show them: a folder, a script, an environment, and what comes out."""

import io
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from envbuild import programs
from envbuild.azureml.core import Dataset, Datastore, Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from envbuild.azureml.core.authentication import ServicePrincipalAuthentication
from envbuild.azureml.core.compute import AmlCompute, ComputeTarget
from envbuild.azureml.core.compute_target import ComputeTargetException
from envbuild.azureml.core.conda_dependencies import CondaDependencies
from envbuild.azureml.core.run import _OfflineRun
from envbuild.azureml.core.runconfig import RunConfiguration
from envbuild.azureml.core.workspace import WorkspaceException
from envbuild.azureml.records import Record
from envbuild.azureml.runs.job import load_job
from envbuild.azureml.runs.running import snapshot, target_of
from envbuild.azureml.train.estimator import Estimator
from envbuild.azureml.widgets import RunDetails
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError
from tests.azureml.test_environments import of_channel

TRAIN = """
import os, sys
from azureml.core import Run
from envbuild.azureml.core.run import Run as Same
import adder

run = Run.get_context(allow_offline=False)
assert Same.get_context().id == run.id
print("training with adder", adder.__version__, sys.argv[1:])
run.log("accuracy", 0.5)
run.log("accuracy", 0.75)
run.log("loss", 1)
run.log_row("rows", x=1, y=2)
run.tag("kind", "test")
os.makedirs("outputs/deep", exist_ok=True)
os.makedirs("logs", exist_ok=True)
open("outputs/model.pkl", "w").write("model")
open("outputs/deep/more.txt", "w").write("more")
open("logs/train.log", "w").write("log")
run.upload_file("extra/file.txt", "outputs/model.pkl")
print(os.environ["MESSAGE"])
inner = run.register_model("inside", "outputs/deep", tags={"from": "script"}, properties={"p": "1"}, description="d")
print(inner.name, inner.id, inner.version, run.model_id, sep="|")
print(run.register_model(model_name="uploaded", model_path="extra/file.txt").id)
for wrong in ("outputs/absent", "../control/metrics.jsonl", None):
    try:
        run.register_model("wrong", wrong)
    except RuntimeError as error:
        print("refused:", str(error).splitlines()[0])
try:
    from azureml.core import Dataset
except ImportError as error:
    print(error)
"""


@pytest.fixture
def myenv(python_channel):
    made = of_channel("myenv", python_channel, "adder=1.0")
    made.environment_variables = {"MESSAGE": "Hello"}
    return made


@pytest.fixture
def own():
    """An environment that this machine manages: nothing is installed."""
    made = Environment("own")
    made.python.user_managed_dependencies = True
    made.environment_variables = {}
    return made


@pytest.fixture
def run(ws, project, myenv):
    (project / "src").mkdir()
    (project / "src/train.py").write_text(TRAIN)
    (project / "src/.amlignore").write_text("big.bin\n")
    (project / "src/big.bin").write_bytes(b"0")
    exp = Experiment(name="myexp", workspace=ws)
    src = ScriptRunConfig(
        source_directory="src", script="train.py", arguments=["--rate", 0.1], target="local", environment=myenv
    )
    return exp.submit(src)


def test_a_script_runs_in_its_environment_and_what_it_makes_is_kept(ws, project, run, capsys):
    details = run.wait_for_completion(show_output=True)
    shown = capsys.readouterr().out
    assert "training with adder 1.0 ['--rate', '0.1']" in shown
    assert "Hello" in shown
    assert (details["status"], details["exit_code"], details["environment"]) == ("Completed", 0, "myenv:1")
    assert "inside|inside:1|1|inside:1" in shown
    assert "uploaded:1" in shown
    assert "refused: the run has no file outputs/absent" in shown
    assert "refused: the run has no file ../control/metrics.jsonl" in shown
    assert "refused: the run has 2 outputs" in shown
    assert "for Dataset, add envbuild to the packages of the environment" in shown
    inside = Model(ws, "inside")
    assert (inside.run_id, inside.tags, inside.properties) == (run.id, {"from": "script"}, {"p": "1"})
    assert (project / inside.download("inner") / "more.txt").read_text() == "more"
    assert len(details["image_key"]) == 64
    assert details["startTimeUtc"] < details["endTimeUtc"]
    assert run.get_metrics() == {"accuracy": [0.5, 0.75], "loss": 1, "rows": {"x": [1], "y": [2]}}
    assert run.get_tags() == {"kind": "test"}
    names = run.get_file_names()
    assert {"outputs/model.pkl", "outputs/deep/more.txt", "logs/train.log", "extra/file.txt"} <= {*names}
    assert not (run.record.folder / "snapshot/big.bin").exists()
    assert not (project / "src/outputs").exists()
    assert run.get_environment().version == Run.get_environment().version == "1"
    run.download_file("outputs/model.pkl", "there/")
    run.download_files("outputs/deep")
    assert (project / "outputs/deep/more.txt").read_text() == "more"
    model = run.register_model(model_name="mymodel", model_path="outputs/model.pkl", tags={"area": "mnist"})
    assert (model.id, run.model_id, model.run_id) == ("mymodel:1", "mymodel:1", run.id)
    folder = run.register_model(model_name="folder", model_path="outputs/")
    assert (project / folder.download("f") / "deep/more.txt").read_text() == "more"
    with pytest.raises(WorkspaceError, match="has no file"):
        run.register_model(model_name="x", model_path="outputs/absent")
    with pytest.raises(WorkspaceError, match="2 outputs"):
        run.register_model()
    assert [one.id for one in Model.list(ws, run_id=run.id, name="mymodel")] == ["mymodel:1"]


def test_where_the_environment_has_envbuild_a_script_has_all_of_it(ws, project, own):
    own.environment_variables = {"PYTHONPATH": "lib"}
    (project / "lib").mkdir()
    (project / "lib/mine.py").write_text("here = 1\n")
    (project / "t.py").write_text(
        "import azureml.core, mine\nfrom azureml.core import Dataset, Run, Workspace\nfrom envbuild.azureml.core import Dataset as Same\n"
        "from azureml.core.model import Model\nassert Dataset is Same and azureml.core.Workspace is Workspace\n"
        "run = Run.get_context(allow_offline=False)\nws = run.experiment.workspace\nopen('m.txt', 'w').write('m')\n"
        "print(ws.name, Workspace.from_config().name, Model.register(ws, 'm.txt', 'm').id, run.register_model('n', 'm.txt').id)\n"
    )
    run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", environment=own))
    run.wait_for_completion()
    assert "mine mine m:1 n:1" in run.get_all_logs()


def test_a_script_asks_for_its_data_by_name(ws, project, own):
    (project / "d").mkdir()
    (project / "d/t.csv").write_text("a,b\n1,2\n")
    table = Dataset.Tabular.from_delimited_files("d/t.csv").register(ws, "table")
    files = Dataset.File.from_files("d")
    (project / "t.py").write_text(
        "import sys\nfrom azureml.core import Run\nrun = Run.get_context()\nfound = run.input_datasets['table']\n"
        "print(found.name, found.to_dict_list() if hasattr(found, 'to_dict_list') else found.paths[0].read_text().split())\n"
        "print(open(run.input_datasets['files'] + '/t.csv').read().split(), sys.argv[2] == run.input_datasets['files'])\n"
        "try:\n    run.input_datasets['absent']\nexcept KeyError as error:\n    print(error)\n"
    )
    given = [table.as_named_input("table"), files.as_named_input("files").as_mount()]
    run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", arguments=given, environment=own))
    run.wait_for_completion()
    said = run.get_all_logs()
    assert "table ['a,b', '1,2']" in said
    assert "['a,b', '1,2'] True" in said
    assert "no data called 'absent'" in said


def test_a_clusters_name_is_what_stands_for_it_here(ws, project, own, capsys):
    (project / "t.py").write_text(
        "import azureml.core\nfrom azureml.core import Run\nRun.get_context().log('a', 1)\nprint('ran', azureml.core.VERSION)"
    )
    with pytest.raises(ComputeTargetException, match="no compute target 'cpu-cluster'"):
        ComputeTarget(workspace=ws, name="cpu-cluster")
    wish = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    target = ComputeTarget.create(ws, "cpu-cluster", wish)
    target.wait_for_completion(show_output=True)
    assert target.get_status().serialize() == {
        "name": "cpu-cluster",
        "computeType": "AmlCompute",
        "target": "local",
        "state": "Succeeded",
    }
    assert ws.compute_targets["cpu-cluster"].type == "AmlCompute"
    for named in (target, "cpu-cluster"):
        run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", environment=own, compute_target=named))
        RunDetails(run).show()
        assert run.get_details()["target"] == "local"
    assert capsys.readouterr().out.count("ran ") == 2
    (project / "job.yml").write_text("command: x\nenvironment: {image: 'ubuntu:24.04'}\ncompute: azureml:cpu-cluster\n")
    assert load_job(ws, project / "job.yml").config.run_config.target == "local"
    ComputeTarget.create(ws, "ray", AmlCompute.provisioning_configuration(target="ray://head"))
    assert target_of(ws, RunConfiguration(target="ray")) == "ray://head"
    target.delete()
    assert [*ws.compute_targets] == ["ray"]


def test_a_workspace_is_asked_for_as_azures_scripts_do(ws):
    login = ServicePrincipalAuthentication("tenant", "id", service_principal_password="secret")
    assert Workspace("sub", "group", "mine", auth=login).core.folder == ws.core.folder
    assert Workspace(subscription_id="s", resource_group="g", workspace_name="mine").name == "mine"
    with pytest.raises(WorkspaceException, match="not 'other'"):
        Workspace(subscription_id="s", resource_group="g", workspace_name="other")


def test_a_script_that_nobody_attends_to_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("AZUREML_RUN_CONTROL", str(tmp_path))
    with pytest.raises(RuntimeError, match="nobody answers inside a run on a cluster"):
        Run.get_context().register_model("m", "x")
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests/attended").touch()
    with pytest.raises(RuntimeError, match="the process that submitted the run is gone"):
        Run.get_context().register_model("m", "x")
    monkeypatch.delenv("AZUREML_RUN_CONTROL")
    with pytest.raises(RuntimeError, match="is no run"):
        Run.get_context().register_model("m", "x")
    with pytest.raises(RuntimeError, match="workspace is not there"):
        Run.get_context().experiment.workspace  # noqa: B018


def test_a_changed_environment_gets_a_new_version(ws, project, own):
    (project / "t.py").write_text("")
    exp = Experiment(ws, "e")
    first = exp.submit(ScriptRunConfig(script="t.py", environment=own))
    own.environment_variables = {"A": "1"}
    second = exp.submit(ScriptRunConfig(script="t.py", environment=own))
    third = exp.submit(ScriptRunConfig(script="t.py", environment=own))
    found = [one.wait_for_completion()["environment"] for one in (first, second, third)]
    assert found == ["own:1", "own:2", "own:2"]
    assert [one.id for one in exp.get_runs()] == [third.id, second.id, first.id]
    assert [one.name for one in Experiment.list(ws)] == ["e"]


def test_both_styles_of_configuration(ws, project, own):
    (project / "train.py").write_text("print('ran')")
    runconfig = ScriptRunConfig(source_directory=".", script="train.py")
    runconfig.run_config.target = "local"
    runconfig.run_config.environment = own
    run = Experiment(workspace=ws, name="environment-example").submit(config=runconfig)
    run.wait_for_completion(show_output=True)
    assert "ran" in run.get_all_logs()
    src = ScriptRunConfig(source_directory=".", script="train.py", compute_target="local", environment=own)
    assert Experiment(ws, "e").submit(src).wait_for_completion()["status"] == "Completed"


def test_a_run_configuration_has_an_environment_to_change(ws, project):
    (project / "t.py").write_text("print('ran')")
    settings = RunConfiguration()
    settings.environment.docker.base_image = "ubuntu:24.04"
    settings.environment.python.user_managed_dependencies = True
    settings.environment.python.conda_dependencies = CondaDependencies.create(conda_packages=["scikit-learn"])
    run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", run_config=settings))
    assert run.wait_for_completion()["environment"] == "default-environment:1"
    assert "scikit-learn" in run.get_environment().python.conda_dependencies.conda_packages
    given = RunConfiguration(conda_dependencies=CondaDependencies.create(pip_packages=["requests"]))
    assert "requests" in given.environment.python.conda_dependencies.pip_packages
    assert RunConfiguration().environment.python.conda_dependencies != given.environment.python.conda_dependencies


def test_a_run_of_ones_own_process_is_logged_to_and_ended(ws, project):
    exp = Experiment(ws, "notebook")
    run = exp.start_logging(snapshot_directory=None)
    assert run.status == run.wait_for_completion()["status"] == "Running"
    for value in (0.5, 0.25):
        run.log("loss", value)
    run.log_row("rows", x=1)
    run.tag("kind", "notebook")
    (project / "model.pkl").write_text("model")
    run.upload_file(name="outputs/model.pkl", path_or_stream="model.pkl")
    model = run.register_model(model_name="m", model_path="outputs/model.pkl")
    assert (model.id, model.run_id) == ("m:1", run.id)
    run.complete()
    run.fail("too late")
    again = Run.get(ws, run.id)
    assert (again.status, again.get_metrics("loss"), again.get_tags()) == (
        "Completed",
        {"loss": [0.5, 0.25]},
        {"kind": "notebook"},
    )
    assert "outputs/model.pkl" in again.get_file_names()
    with pytest.raises(WorkspaceError, match="no environment of its own"):
        again.get_environment()
    with pytest.raises(ZeroDivisionError), exp.start_logging() as failing:
        1 / 0  # noqa: B018
    assert (failing.status, failing.get_details()["error"]) == ("Failed", "division by zero")
    with exp.start_logging() as fine:
        fine.log("a", 1)
    assert fine.status == "Completed"


def test_a_failing_script_fails_the_run_with_its_words(ws, project, own):
    (project / "t.py").write_text(
        "import os\nos.makedirs('outputs')\nopen('outputs/part', 'w').close()\nraise SystemExit('broken data')"
    )
    run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", environment=own))
    with pytest.raises(ServiceError, match="broken data"):
        run.wait_for_completion()
    assert run.status == "Failed"
    assert run.get_details()["exit_code"] == 1
    assert "outputs/part" in run.get_file_names()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


def test_a_run_is_canceled(ws, project, own):
    (project / "t.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(60)")
    run = Experiment(ws, "e").submit(ScriptRunConfig(script="t.py", environment=own))
    while "up" not in run.get_all_logs():
        time.sleep(0.02)
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    deadline = time.monotonic() + 10
    while "exit_code" not in run.record.values and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.status == "Canceled"


def test_a_run_that_takes_too_long_is_ended(ws, project, own):
    (project / "t.py").write_text("import time\ntime.sleep(60)")
    config = ScriptRunConfig(script="t.py", environment=own, max_run_duration_seconds=1)
    with pytest.raises(ServiceError, match="ended after 1 s"):
        Experiment(ws, "e").submit(config).wait_for_completion()


def test_an_ignore_file_is_read_as_git_reads_it(project):
    for name in (
        "a.pyc",
        "deep/b.pyc",
        "data/x.csv",
        "deep/data/y.csv",
        "docs/a.txt",
        "docs/deep/b.txt",
        "keep.csv",
        "z.csv",
    ):
        (project / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "src" / name).write_text(name)
    (project / "src/.gitignore").write_text("# a comment\n*.pyc\n/data/\ndocs/*.txt\n*.csv\n!keep.csv\n")
    snapshot(project / "src", project / "copy")
    found = {path.relative_to(project / "copy").as_posix() for path in (project / "copy").rglob("*") if path.is_file()}
    assert found == {".gitignore", "docs/deep/b.txt", "keep.csv"}
    (project / "src/.amlignore").write_text("*\n!keep.csv\n")
    snapshot(project / "src", project / "other")
    assert [path.name for path in (project / "other").rglob("*") if path.is_file()] == ["keep.csv"]


def test_without_a_snapshot_the_folder_itself_is_used(ws, project, own):
    (project / "t.py").write_text("open('made-here', 'w').close()")
    config = ScriptRunConfig(script="t.py", environment=own)
    config.run_config.history.snapshot_project = False
    Experiment(ws, "e").submit(config).wait_for_completion()
    assert (project / "made-here").is_file()


def test_a_command_runs_too(ws, project, own):
    config = ScriptRunConfig(command="echo 'two words'", environment=own)
    run = Experiment(ws, "e").submit(config)
    run.wait_for_completion()
    assert "two words" in run.get_all_logs()


def test_an_estimator_brings_packages_parameters_and_data(ws, project):
    (project / "proj").mkdir()
    (project / "proj/train.py").write_text("import sys\nprint(sys.argv[1:])")
    ds = Datastore.get_default(ws)
    params = {"--data-folder": ds.as_mount(), "--regularization": 0.8, "--flag": ""}
    sk_est = Estimator(source_directory="./proj", script_params=params, compute_target="local",
        entry_script="train.py", conda_packages=["scikit-learn"], pip_packages=["joblib"])  # fmt: skip
    assert "scikit-learn" in sk_est.conda_dependencies.conda_packages
    assert "joblib" in sk_est.conda_dependencies.pip_packages
    sk_est.run_config.environment.python.user_managed_dependencies = True
    run = Experiment(ws, "e").submit(sk_est)
    run.wait_for_completion()
    assert repr(["--data-folder", str(ds.folder), "--regularization", "0.8", "--flag"]) in run.get_all_logs()
    with pytest.raises(DefinitionError):
        Estimator("proj", entry_script="train.py", node_count=2)
    with pytest.raises(DefinitionError):
        Estimator("proj", entry_script="t.py", environment_definition=Environment("e"), pip_packages=["x"])


def test_what_cannot_run_is_said_before_anything_starts(ws, project, own):
    (project / "t.py").write_text("")
    exp = Experiment(ws, "e")
    with pytest.raises(DefinitionError, match=r"has no absent\.py"):
        exp.submit(ScriptRunConfig(script="absent.py", environment=own))
    with pytest.raises(DefinitionError, match="absent is no folder"):
        exp.submit(ScriptRunConfig("absent", "t.py", environment=own))
    with pytest.raises(DefinitionError, match="cpu-cluster"):
        exp.submit(ScriptRunConfig(script="t.py", environment=own, compute_target="cpu-cluster"))
    with pytest.raises(DefinitionError):
        ScriptRunConfig(script="t.py", command="echo")
    with pytest.raises(WorkspaceError):
        Experiment(ws, "../x")
    assert Run.list(exp) == []


def test_a_run_without_an_environment_gets_the_default_one(ws, project):
    from envbuild.azureml.runs.running import _registered

    stored = _registered(ws, None)
    assert stored.id == "default-environment:1"
    assert list(Environment.get(ws, "default-environment").python.conda_dependencies.pip_packages) == [
        "azureml-defaults"
    ]


def test_outside_of_a_run_the_context_prints(capsys):
    run = Run.get_context()
    run.log("accuracy", 0.5)
    assert run.id.startswith("OfflineRun_")
    assert type(run) is _OfflineRun
    assert "accuracy" in capsys.readouterr().out
    with pytest.raises(RuntimeError):
        Run.get_context(allow_offline=False)


def test_a_run_whose_process_is_gone_has_failed(ws, project):
    ended = programs.start([sys.executable, "-c", ""], log=project / "log")
    ended.wait()
    ws.core.catalogue.put_record("run", "r", {"experiment": "e", "status": "Running", "pid": ended.pid})
    run = Run(Experiment(ws, "e"), "r")
    assert run.status == "Failed"
    assert "ended" in run.get_details()["error"]


def test_another_process_of_the_same_number_is_not_the_one_that_ran(ws):
    record = Record(ws.core, "run", "r")
    record.change(experiment="e", status="Running", pid=os.getpid())
    run = Run(Experiment(ws, "e"), "r")
    assert run.status == "Running"
    ws.core.catalogue.change_record("run", "r", {"pid_begun": "an earlier start 1"})
    assert run.status == "Failed"
    record.change(pid=None)
    assert run.status == "Running"


def test_a_run_configuration_is_loaded_from_its_file(project):
    (project / ".azureml").mkdir()
    (project / ".azureml/c.yml").write_text("dependencies:\n- python=3.6.2\n")
    (project / ".azureml/docker.runconfig").write_text(
        "script: train.py\narguments: [a]\ntarget: local\nhistory: {snapshotProject: false}\nenvironment:\n  name: e\n"
        "  environmentVariables: {A: '1'}\n  python: {condaDependenciesFile: .azureml/c.yml, userManagedDependencies: false}\n"
        "  docker: {enabled: true, baseImage: 'ubuntu:22.04', arguments: []}\n"
    )
    found = RunConfiguration.load(project, "docker")
    assert (found.script, found.arguments, found.history.snapshot_project) == ("train.py", ["a"], False)
    assert found.environment.docker.enabled
    assert list(found.environment.python.conda_dependencies.conda_packages) == ["python=3.6.2"]
    with pytest.raises(DefinitionError):
        RunConfiguration.load(project, "absent")
    (project / ".azureml/odd.runconfig").write_text("script: t.py\nhistory: 3\n")
    with pytest.raises(DefinitionError, match="history: is no map"):
        RunConfiguration.load(project, "odd")
    (project / ".azureml/odd.runconfig").write_text(
        "arguments: 3\nnodeCount: [1]\nhistory: {directoriesToWatch: logs}\n"
    )
    with pytest.raises(DefinitionError) as odd:
        RunConfiguration.load(project, "odd")
    assert {one.key for one in odd.value.problems} == {"arguments", "nodeCount", "history.directoriesToWatch"}
    (project / ".azureml/odd.runconfig").write_bytes(b"script: \xff")
    with pytest.raises(DefinitionError, match="odd"):
        RunConfiguration.load(project, "odd")


def test_what_a_run_logs_is_json(tmp_path, monkeypatch):
    monkeypatch.setenv("AZUREML_RUN_CONTROL", str(tmp_path))
    run = Run.get_context()
    run.log_list("l", [1, 2])
    run.log_table("t", {"a": [1, 2]})
    run.upload_file("x/y.txt", io.BytesIO(b"content"))
    with pytest.raises(ValueError, match="leads out"):
        run.upload_file("../../y", __file__)
    (tmp_path / "f/deep").mkdir(parents=True)
    (tmp_path / "f/deep/a.png").write_bytes(b"png")
    run.upload_folder("folder", tmp_path / "f")
    run.log_image("picture", path=tmp_path / "f/deep/a.png")
    run.log_image("plot", plot=SimpleNamespace(savefig=lambda path: Path(path).write_bytes(b"drawn")))
    run.set_tags({"a": 1})
    with pytest.raises(ValueError, match="a path or a plot"):
        run.log_image("none")
    uploads = {path.relative_to(tmp_path / "uploads").as_posix() for path in (tmp_path / "uploads").rglob("*.*")}
    assert uploads == {"x/y.txt", "folder/deep/a.png", "picture.png", "plot.png"}
    assert run.get_metrics() == {"l": [1, 2], "t": {"a": [1, 2]}}
    assert (tmp_path / "uploads/x/y.txt").is_file()
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0]) == {"name": "l", "value": 1}
    assert os.environ["AZUREML_RUN_CONTROL"] == str(tmp_path)
