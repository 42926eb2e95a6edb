"""The commands: v1's and v2's verbs under one roof, runs, jobs, and scripts that say azureml."""

import json
from pathlib import Path

import pytest

from envbuild.azureml.core import Dataset, Environment, Run
from envbuild.azureml.environments.environment_yaml import load_environment
from envbuild.azureml.runs.job import load_job
from envbuild.cli.main import run as envbuild
from tests.azureml.test_environments import of_channel

V2 = "name: {name}\n{version}image: python:3.11\ndescription: old\ntags: {{a: b}}\n"


def create(project, name="docker-image-example", version="", file="env.yml"):
    (project / file).write_text(V2.format(name=name, version=f"version: {version}\n" if version else ""))
    return envbuild(["environment", "create", "--file", file])


def rows(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_verbs_of_v1(project, capsys):
    assert envbuild(["environment", "scaffold", "-n", "myenv", "-d", "myenvdir"]) == 0
    assert envbuild(["environment", "register", "-d", "myenvdir"]) == 0
    capsys.readouterr()
    assert envbuild(["environment", "list", "--json"]) == 0
    found = {one["id"] for one in rows(capsys)}
    assert {"myenv:1", "AzureML-Minimal:1"} <= found
    assert envbuild(["environment", "download", "-n", "myenv", "-d", "downloaddir"]) == 0
    assert Environment.load_from_directory("downloaddir").version == "1"
    assert envbuild(["environment", "download", "-n", "myenv", "-d", "downloaddir"]) == 12
    assert envbuild(["environment", "download", "-n", "myenv", "-d", "downloaddir", "--overwrite"]) == 0
    assert envbuild(["environment", "scaffold", "-n", "myenv", "-d", "myenvdir"]) == 10
    assert envbuild(["environment", "scaffold", "-n", "AzureML-x", "-d", "x"]) == 10
    assert envbuild(["environment", "register", "-d", "absent"]) == 10


def test_the_verbs_of_v2(project, capsys):
    assert create(project) == 0
    assert create(project) == 0
    assert create(project, version=7) == 0
    capsys.readouterr()
    assert envbuild(["environment", "list", "--name", "docker-image-example", "--json"]) == 0
    assert [one["version"] for one in rows(capsys)] == ["1", "7"]
    assert envbuild(["environment", "list", "--name", "docker-image-example", "--version", "1"]) == 0
    update = ["environment", "update", "--name", "docker-image-example", "--version", "1", "--set"]
    assert envbuild([*update, "description=This is an updated description.", "--set", "tags.stage=prod"]) == 0
    assert envbuild([*update, "image=other"]) == 10
    capsys.readouterr()
    assert envbuild(["environment", "show", "-n", "docker-image-example:1", "--json"]) == 0
    shown = rows(capsys)[0]
    assert shown["description"] == "This is an updated description."
    assert shown["tags"] == {"a": "b", "stage": "prod"}
    assert envbuild(["environment", "archive", "-n", "docker-image-example", "-v", "1"]) == 0
    capsys.readouterr()
    assert envbuild(["environment", "list", "--name", "docker-image-example", "--json"]) == 0
    assert [one["version"] for one in rows(capsys)] == ["7"]
    assert envbuild(["environment", "restore", "-n", "docker-image-example", "-v", "1"]) == 0
    assert envbuild(["environment", "label", "-n", "docker-image-example:1", "prod"]) == 0
    assert envbuild(["environment", "show", "-n", "azureml:docker-image-example@prod"]) == 0
    assert envbuild(["environment", "list", "--name", "absent"]) == 10
    assert envbuild(["environment", "download", "-n", "docker-image-example:1", "-d", "there"]) == 0
    downloaded = load_environment(project / "there/environment.yml")
    assert (downloaded.version, downloaded.description) == ("1", "This is an updated description.")
    assert downloaded.tags == {"a": "b", "stage": "prod"}
    assert envbuild(["environment", "delete", "--name", "docker-image-example"]) == 10
    assert envbuild(["environment", "delete", "--name", "docker-image-example", "--version", "1"]) == 0
    assert envbuild(["environment", "show", "-n", "docker-image-example:1"]) == 10
    assert envbuild(["environment", "show", "-n", "not a reference"]) == 10


def test_a_v2_file_that_is_wrong_is_refused_at_its_line(project, capsys):
    (project / "env.yml").write_text("name: x\nimage: a\nbuild: {path: .}\ndocker: {}\n")
    assert envbuild(["environment", "create", "-f", "env.yml"]) == 3
    said = capsys.readouterr().err
    assert "env.yml:3" in said
    assert "docker" in said
    assert not (project / ".envbuild/catalogue.sqlite").exists()


def test_a_build_is_shown_and_looked_at_afterwards(ws, python_channel, capsys):
    of_channel("e", python_channel, "adder=1.0").register(ws)
    assert envbuild(["environment", "build", "-n", "e", "--no-docker"]) == 0
    shown = capsys.readouterr().out
    assert "installed" in shown
    assert envbuild(["environment", "builds", "--json"]) == 0
    build = rows(capsys)[0]
    assert (build["status"], build["environment"]) == ("Succeeded", "e:1")
    assert envbuild(["environment", "log", build["id"]]) == 0
    assert "installed" in capsys.readouterr().out
    assert envbuild(["environment", "details", "-n", "e", "--json"]) == 0
    assert rows(capsys)[0]["imageExistsInRegistry"] is False
    of_channel("broken", python_channel, "absent").register(ws)
    assert envbuild(["environment", "build", "-n", "broken", "--no-docker"]) == 7
    assert "absent" in capsys.readouterr().out


def test_a_context_is_built_as_soon_as_it_is_created(project, capsys):
    (project / "ctx").mkdir()
    (project / "ctx/Dockerfile").write_text("FROM ubuntu:24.04\n")
    (project / "env.yml").write_text("name: c\nbuild: {path: ctx}\n")
    assert envbuild(["environment", "create", "-f", "env.yml", "--no-build"]) == 0
    assert envbuild(["environment", "builds", "--json"]) == 0
    capsys.readouterr()
    envbuild(["environment", "create", "-f", "env.yml"])
    assert "c:1" in capsys.readouterr().out
    assert envbuild(["environment", "builds", "--json"]) == 0
    assert [one["environment"] for one in rows(capsys)] == ["c:1"]
    (project / "env.yml").write_text("name: c\nbuild: {path: absent}\n")
    assert envbuild(["environment", "create", "-f", "env.yml"]) == 3


@pytest.fixture
def own(ws):
    made = Environment("own")
    made.python.user_managed_dependencies = True
    made.environment_variables = {"FROM_ENVIRONMENT": "yes"}
    return made.register(ws)


def test_a_script_is_run_with_a_registered_environment(own, project, capsys):
    (project / "train.py").write_text(
        "import os, sys\nprint(os.environ['FROM_ENVIRONMENT'], sys.argv[1:])\nsys.exit(int(sys.argv[1]))"
    )
    assert envbuild(["run", "-e", "own", "train.py", "0", "--rate"]) == 0
    assert "yes ['0', '--rate']" in capsys.readouterr().out
    assert envbuild(["run", "-e", "own:1", "--json", "train.py", "3"]) == 11
    assert rows(capsys)[0]["exit_code"] == 3
    assert envbuild(["run", "-e", "own", "absent.py"]) == 3
    assert envbuild(["run", "-e", "absent", "train.py"]) == 10


@pytest.mark.parametrize("reference", ["azureml:own:1", "azureml:own@latest", "own:1"])
def test_a_command_job_is_run(own, project, capsys, reference):
    (project / "src").mkdir()
    (project / "src/main.py").write_text(
        "import os, sys\nprint(sys.argv[1:], os.environ['EXTRA'], open(sys.argv[2]).read())\nos.makedirs('outputs')\nopen('outputs/model', 'w').close()"
    )
    (project / "data.csv").write_text("1,2")
    (project / "job.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ntype: command\ncode: src\n"
        "command: python main.py --data ${{inputs.data}} --rate ${{inputs.rate}} && echo done\n"
        f"environment: {reference}\nenvironment_variables: {{EXTRA: more}}\ncompute: azureml:cpu-cluster\n"
        "inputs:\n  data: {type: uri_file, path: data.csv}\n  rate: 0.1\nexperiment_name: jobs\n"
    )
    assert envbuild(["run", "job.yml"]) == 0
    said = capsys.readouterr().out
    assert f"'{project / 'data.csv'}'" in said
    assert "'0.1'" in said
    assert "more 1,2" in said
    assert "done" in said


def test_all_that_is_wrong_with_a_job_is_said_at_once(own, project, capsys):
    (project / "job.yml").write_text(
        "command: x ${{inputs.a}} ${{inputs.b}}\nenvironment: own\ninputs: {a: {path: absent.csv}}\ndistribution: {type: mpi}\nodd: 1\n"
    )
    assert envbuild(["run", "job.yml"]) == 3
    said = capsys.readouterr().err
    places = (
        "job.yml:5: odd:",
        "job.yml:4: distribution:",
        "job.yml:3: inputs.a:",
        "job.yml:1: command: names inputs.b",
    )
    assert all(one in said for one in places), said
    assert "names inputs.a" not in said


def test_a_job_reads_registered_data_and_finds_its_output_folders(own, ws, project, capsys):
    for name in ("data/a.csv", "data/b.csv", "one/c.csv"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(f"{name}\n")
    Dataset.File.from_files("data").register(ws, "many")
    Dataset.File.from_files("one/c.csv").register(ws, "single")
    (project / "job.yml").write_text(
        "command: >-\n  cat ${{inputs.many}}/a.csv ${{inputs.single}} ${{inputs.folder}}/c.csv && echo ${{inputs.flag}} > ${{outputs.model}}/m.txt"
        "\nenvironment: azureml:own@latest\ndistribution: {type: pytorch, process_count_per_instance: 1}\ntags: {a: 1}\ninputs:\n"
        "  many: {type: uri_folder, path: 'azureml:many:1'}\n  single: {type: uri_file, path: 'azureml:single@latest'}\n"
        "  folder: {type: uri_folder, path: 'azureml:single:1'}\n  flag: {type: boolean, default: true}\noutputs: {model: {type: uri_folder}}\n"
    )
    assert envbuild(["run", "--json", "job.yml"]) == 0
    run = Run.get(ws, rows(capsys)[-1]["id"])
    assert run.get_all_logs().count("csv\n") == 3
    assert run.get_tags() == {"a": "1"}
    run.download_file("outputs/model/m.txt", project / "m.txt")
    assert (project / "m.txt").read_text() == "true\n"


def test_a_job_of_the_first_previews_is_read(own, ws, project, capsys):
    (project / "src").mkdir()
    (project / "src/t.txt").write_text("in the folder\n")
    (project / "job.yml").write_text(
        "command: cat t.txt\ncode: {local_path: src}\nenvironment: own\ncompute: {target: azureml:cpu}\n"
    )
    assert envbuild(["run", "job.yml"]) == 0
    assert "in the folder" in capsys.readouterr().out


def test_an_environment_that_is_an_image_takes_its_job_to_a_container(ws, project):
    (project / "job.yml").write_text(
        "command: x\nenvironment: {image: 'ubuntu:24.04'}\nresources: {shm_size: 1g, docker_args: '--cpus 1'}\n"
    )
    settings = load_job(ws, project / "job.yml").config.run_config
    assert (settings.target, settings.docker.shm_size, settings.docker.arguments) == ("docker", "1g", ["--cpus", "1"])


def test_an_environment_inside_a_job_is_anonymous(ws, project, python_channel, capsys):
    (project / "job.yml").write_text(
        "command: python -c 'import adder; print(adder.__version__)'\nenvironment:\n  image: ubuntu:24.04\n  conda_file:\n"
        f"    channels: ['{python_channel.url}']\n    dependencies: [python=3.11, adder=1.0]\n"
    )
    assert envbuild(["run", "job.yml"]) == 0
    assert "1.0" in capsys.readouterr().out
    assert envbuild(["environment", "list", "--json"]) == 0
    assert not [one for one in rows(capsys) if "Anonymous" in one["name"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type: pipeline\njobs: {}\n", "a command job is run"),
        ("type: sweep\ncommand: x\ntrial: {}\n", "a command job is run"),
        ("command: x\n", "environment: is missing"),
        ("command: x\nenvironment: own\nnonsense: 1\n", "nonsense"),
        ("command: x ${{inputs.absent}}\nenvironment: own\n", "inputs.absent"),
        ("command: x\nenvironment: own\ndistribution: {type: mpi}\n", "several processes"),
        ("command: x\nenvironment: own\nresources: {instance_count: 4}\n", "4 machines"),
        ("command: x\nenvironment: own\ninputs: {d: {path: 'azureml:data:1'}}\n", "there is no dataset data"),
        ("command: x\nenvironment: own\ninputs: {d: {path: 'azureml://datastores/x'}}\n", "not on this machine"),
        ("command: x\nenvironment: own\ninputs: {d: {path: absent.csv}}\n", "does not exist"),
        ("command: x\nenvironment: own\ninputs: {d: {type: uri_file}}\n", "has no path"),
        ("command: x\nenvironment: own\nversion: 1\n", "is a command component"),
        ("command: x\nenvironment: {build: {path: absent}}\n", "has no Dockerfile"),
        ("command: x\nenvironment: own\ncode: absent\n", "job.yml:3: code: 'absent' is not a folder"),
        ("command: x\nenvironment: own\ninputs: {d: {path: " + "x" * 300 + "}}\n", "does not exist"),
        ("command: [x]\nenvironment: own\n", "job.yml:1: command: is a list; a text is needed"),
        ("command: x\nenvironment: [own]\n", "a text or a map is needed"),
        ("command: x\nenvironment: own\ninputs: [a]\n", "job.yml:3: inputs: is a list; a map is needed"),
        ("command: x\nenvironment: own\nresources: 3\n", "resources: is a number; a map is needed"),
        (
            "command: x\nenvironment: own\nlimits: {timeout: soon}\n",
            "job.yml:3: limits.timeout: is 'soon'; seconds are needed",
        ),
        ("command: x\nenvironment: own\ncommand: y\n", "command"),
        ("- command: x\n", "a map is needed"),
        ("command: 'x\n", "is not YAML"),
    ],
)
def test_a_job_that_cannot_be_run_is_refused(own, project, capsys, text, reason):
    (project / "job.yml").write_text(text)
    assert envbuild(["run", "job.yml"]) == 3
    assert reason in capsys.readouterr().err


def test_a_script_that_says_azureml_runs_unchanged(project):
    import sys

    from envbuild import programs

    (project / "old.py").write_text(
        "import sys\nimport helper\nimport azureml.core\nfrom azureml.core import Workspace, Environment\n"
        "from azureml.core.conda_dependencies import CondaDependencies\nimport envbuild.azureml.core.environment as same\n"
        "assert Environment is same.Environment\nassert azureml.core.__name__ == 'envbuild.azureml.core'\n"
        "ws = Workspace.create('w')\nprint(Environment('e').register(workspace=ws).version, sys.argv[1:], __name__)\n"
        "try:\n    import azureml.nothing\nexcept ModuleNotFoundError as error:\n    print(error)\nsys.exit(4)\n"
    )
    (project / "helper.py").touch()
    argv = [sys.executable, "-m", "envbuild", "azureml-run", "old.py", "--x", "1"]
    root = str(Path(__file__).parents[2])
    done = programs.run(argv, check=False, env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin"})
    assert done.stdout.splitlines() == ["1 ['--x', '1'] __main__", "envbuild has no azureml.nothing"]
    assert done.code == 4
    (project / "bad.py").write_text("1 / 0\n")
    done = programs.run([*argv[:4], "bad.py"], check=False, env={"PYTHONPATH": root})
    assert (done.code, "ZeroDivisionError" in done.stderr, "defect" in done.stderr) == (1, True, False)
    assert envbuild(["azureml-run", "absent.py"]) == 3


def test_a_model_is_registered_from_the_outputs_of_a_run(own, project, capsys):
    (project / "train.py").write_text("import os\nos.makedirs('outputs')\nopen('outputs/m.pkl', 'w').write('m')")
    assert envbuild(["run", "-e", "own", "--experiment-name", "myexperiment", "--json", "train.py"]) == 0
    run = rows(capsys)[0]["id"]
    register = [
        "model",
        "register",
        "-n",
        "sklearn_mnist",
        "--asset-path",
        "outputs/m.pkl",
        "--tag",
        "area=mnist",
        "--json",
    ]
    assert envbuild([*register, "--experiment-name", "myexperiment", "--run-id", run]) == 0
    assert rows(capsys)[0]["id"] == "sklearn_mnist:1"
    assert envbuild([*register, "--experiment-name", "myexperiment"]) == 0
    assert envbuild([*register, "--experiment-name", "absent"]) == 10
    assert envbuild(["model", "download", "--model-id", "sklearn_mnist:1", "--target-dir", "model_folder"]) == 0
    assert (project / "model_folder/m.pkl").read_text() == "m"
