"""Environments as the documents show them, each capability once, with this machine in the place of the cloud."""

import json
import warnings
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.azureml.core import Environment, Workspace
from envbuild.azureml.core.conda_dependencies import CondaDependencies
from envbuild.azureml.core.environment import ContainerRegistry, DockerBuildContext
from envbuild.core.errors import DefinitionError, WorkspaceError
from tests.support.code import code_project
from tests.support.wheel import make_wheel


def of_channel(name, channel, *conda, pip=(), python="3.11"):
    """An environment from a channel on loopback."""
    conda_dep = CondaDependencies.create(python_version=python, conda_packages=conda, pip_packages=pip)
    for one in list(conda_dep.conda_channels):
        conda_dep.remove_channel(one)
    conda_dep.add_channel(channel.url)
    made = Environment(name)
    made.python.conda_dependencies = conda_dep
    made.docker.base_image = "ubuntu:24.04"
    return made


def test_a_workspace_is_found_from_below_and_by_azures_file(ws, project, monkeypatch):
    (project / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/er")
    assert Workspace.from_config().name == "mine"
    (project / "deep/ws_config.json").write_text(
        json.dumps({"subscription_id": "s", "resource_group": "g", "workspace_name": "theirs"})
    )
    other = Workspace.from_config(path="../ws_config.json")
    assert (other.name, other.subscription_id, other.resource_group) == ("theirs", "s", "g")
    assert Workspace.from_config().name == "theirs"
    with pytest.raises(WorkspaceError, match="does not exist"):
        Workspace.from_config(path="absent.json")


def test_a_workspace_is_made_from_azures_configuration_on_first_use(project, monkeypatch):
    (project / ".azureml").mkdir()
    (project / ".azureml/config.json").write_text('{"workspace_name": "cloud"}')
    assert Workspace.from_config().name == "cloud"
    assert (project / ".envbuild/config.json").is_file()
    Workspace.from_config().write_config(project / "copy")
    assert json.loads((project / "copy/.azureml/config.json").read_text())["workspace_name"] == "cloud"


def test_curated_environments_answer_and_are_listed_with_their_packages(ws):
    assert Environment.get(workspace=ws, name="AzureML-Minimal").version == "1"
    envs = Environment.list(workspace=ws)
    curated = [env for env in envs if env.startswith("AzureML")]
    assert {"AzureML-Minimal", "AzureML-Tutorial", "AzureML-Minimal-GPU", "AzureML-Tutorial-GPU"} <= {*curated}
    assert "scikit-learn" in envs["AzureML-Tutorial"].python.conda_dependencies.serialize_to_string()
    assert "cuda" in envs["AzureML-Tutorial-GPU"].docker.base_image


def test_a_curated_environment_is_a_start_for_ones_own(ws):
    curated = Environment.get(ws, "AzureML-Minimal")
    own = curated.clone("own")
    own.python.conda_dependencies.add_pip_package("requests")
    assert own.register(ws).version == "1"
    curated.python.conda_dependencies.add_pip_package("requests")
    with pytest.raises(WorkspaceError, match="reserved"):
        curated.register(ws)
    assert Environment.get(ws, "AzureML-Minimal").register(ws).version == "1"


@pytest.mark.parametrize("name", ["AzureML-x", "Microsoft-x"])
def test_reserved_names_are_refused_where_azures_client_lets_them_pass(ws, name):
    with pytest.raises(WorkspaceError, match="reserved"):
        Environment(name).register(ws)


def test_conda_and_pip_files_make_environments_that_are_registered(ws, project):
    (project / "c.yml").write_text(
        "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.6.2\n- pip:\n  - azureml-defaults\n"
    )
    (project / "r.txt").write_text("# comment\nnumpy\n")
    for made in (
        Environment.from_conda_specification(name="myenv", file_path="c.yml"),
        Environment.from_pip_requirements(name="myenv", file_path="r.txt"),
    ):
        made.register(workspace=ws)
    assert "numpy" in Environment.get(workspace=ws, name="myenv").python.conda_dependencies.pip_packages
    restored = Environment.get(workspace=ws, name="myenv", version="1")
    assert list(restored.python.conda_dependencies.conda_packages) == ["python=3.6.2"]
    assert Environment.get(ws, "myenv", label="latest").version == "2"
    Environment.label(ws, "myenv", "1", ["stable"])
    assert Environment.get(ws, "myenv", label="stable").version == "1"
    with pytest.raises(WorkspaceError):
        Environment.get(ws, "myenv", version="1", label="stable")


def test_packages_variables_and_docker_settings_are_kept(ws):
    myenv = Environment(name="myenv")
    conda_dep = CondaDependencies()
    conda_dep.add_conda_package("numpy==1.17.0")
    conda_dep.add_pip_package("pillow")
    myenv.python.conda_dependencies = conda_dep
    myenv.environment_variables = {"MESSAGE": "Hello from Azure Machine Learning"}
    myenv.docker.enabled = True
    myenv.docker.base_image = "your_base-image"
    myenv.docker.base_image_registry = "your_registry_location"
    myenv.docker.arguments = ["--gpus", "all"]
    found = Environment.get(ws, myenv.register(workspace=ws).name)
    assert "numpy==1.17.0" in found.python.conda_dependencies.conda_packages
    assert found.environment_variables == {"MESSAGE": "Hello from Azure Machine Learning"}
    assert found.docker.base_image_registry == ContainerRegistry("your_registry_location")
    assert (found.docker.enabled, found.docker.arguments) == (True, ["--gpus", "all"])


def test_a_dockerfile_is_the_base_and_manages_its_own_packages(ws):
    dockerfile = "FROM mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04\nRUN conda install numpy\n"
    myenv = Environment("d")
    myenv.docker.base_image = None
    myenv.docker.base_dockerfile = dockerfile
    myenv.python.user_managed_dependencies = True
    myenv.python.interpreter_path = "/opt/miniconda/bin/python"
    myenv.register(ws)
    found = Environment.get(ws, "d")
    assert found.docker.base_dockerfile == dockerfile
    assert found.python.interpreter_path == "/opt/miniconda/bin/python"


def test_an_environment_is_saved_changed_and_loaded(ws, project):
    Environment("myenv").save_to_directory(path="there", overwrite=False)
    path = project / "there/conda_dependencies.yml"
    path.write_text(path.read_text().replace("- azureml-defaults", "- azureml-defaults\n  - requests"))
    newenv = Environment.load_from_directory(path="there")
    assert list(newenv.python.conda_dependencies.pip_packages) == ["azureml-defaults", "requests"]


def test_registering_twice_is_a_no_op_and_a_change_a_version(ws):
    one = Environment("e")
    assert [one.register(ws).version, one.register(ws).version] == ["1", "1"]
    one.python.conda_dependencies.add_conda_package("numpy")
    assert one.register(ws).version == "2"


def test_a_build_context_is_registered_with_its_folders(ws, project):
    for name in ("ctx/Dockerfile", "ctx/a/x.txt", "ctx/b/x.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("FROM ubuntu:22.04\n" if name.endswith("file") else name)
    context = DockerBuildContext.from_local_directory(ws, "ctx")
    Environment.from_docker_build_context("c", context).register(ws)
    found = Environment.get(ws, "c").docker.build_context
    assert Path(found.location, "a/x.txt").read_text() == "ctx/a/x.txt"
    assert Path(found.location, "b/x.txt").read_text() == "ctx/b/x.txt"


def test_a_private_wheel_is_kept_and_installed_from_the_workspace(ws, project, python_channel):
    path = project / "my_custom-1.0-py3-none-any.whl"
    path.write_bytes(make_wheel("my-custom", "1.0", files={"my_custom.py": "answer = 42\n"}))
    whl_url = Environment.add_private_pip_wheel(workspace=ws, file_path=path)
    assert Environment.add_private_pip_wheel(ws, path) == whl_url
    path.write_bytes(make_wheel("my-custom", "1.0", files={"my_custom.py": "answer = 43\n"}))
    with pytest.raises(WorkspaceError, match="other content"):
        Environment.add_private_pip_wheel(ws, path)
    assert Environment.add_private_pip_wheel(ws, path, exist_ok=True) == whl_url
    path.unlink()
    myenv = of_channel("myenv", python_channel, "pip", pip=[whl_url])
    build = myenv.build_local(ws, useDocker=False)
    build.wait_for_completion(show_output=False)
    assert build.status == "Succeeded", build.get_log()
    said = programs.run([f"{build.image}/bin/python", "-c", "import my_custom; print(my_custom.answer)"])
    assert said.stdout == "42\n"


def test_a_build_is_followed_and_looked_at_afterwards(ws, python_channel, capsys):
    from envbuild.azureml.core import Image
    from envbuild.azureml.environments.building import builds_of, get_build

    assert Image is not None
    env = of_channel("e", python_channel, "adder=1.0")
    build = env.build_local(workspace=ws, useDocker=False)
    build.wait_for_completion(show_output=True)
    assert build.status == "Succeeded"
    assert build.get_log() in capsys.readouterr().out
    assert get_build(ws.core, build.id).get_log() == build.get_log()
    assert [one.id for one in builds_of(ws.core, "e:1")] == [build.id]
    said = programs.run([f"{build.image}/bin/python", "-c", "import adder; print(adder.__version__)"])
    assert said.stdout == "1.0\n"


def test_where_nothing_is_said_packages_become_a_prefix_and_a_dockerfile_an_image(ws, python_channel, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "envbuild.azureml.environments.building.build_stored", lambda *_given, **said: asked.append(said["docker"])
    )
    packages, dockerfile = of_channel("e", python_channel), Environment.from_dockerfile("d", "FROM ubuntu:24.04\n")
    packages.build_local(ws)
    dockerfile.build_local(ws)
    packages.docker.enabled = True
    packages.build_local(ws)
    packages.build_local(ws, useDocker=False)
    assert asked == [False, True, True, False]
    with pytest.raises(TypeError, match="useConda"):
        packages.build_local(ws, useConda=True)


def test_own_code_that_an_environment_names_is_installed_with_it(ws, project, python_channel):
    code_project(project / "own")
    (project / "c.yml").write_text(
        f"channels: [{python_channel.url}]\ndependencies:\n- python=3.11\n- pip:\n  - -e {project / 'own'}\n"
    )
    environment = Environment.from_conda_specification(name="own", file_path="c.yml")
    environment.docker.base_image = "ubuntu:24.04"
    build = environment.build_local(ws, useDocker=False).wait_for_completion(False)
    assert build.status == "Succeeded", build.get_log()
    python = f"{build.image}/bin/python"
    assert programs.run([python, "-c", "import mypkg; print(mypkg.answer)"]).stdout == "1\n"


def test_a_failed_build_says_why_and_does_not_raise(ws, python_channel):
    build = of_channel("e", python_channel, "absent").build_local(ws, useDocker=False).wait_for_completion(False)
    assert build.status == "Failed"
    assert "absent" in build.error
    assert "absent" in build.get_log()


def test_update_locks_anew_and_says_what_moved(ws, channel, conda_python):
    from envbuild.azureml.environments.building import start_build
    from tests.support.channel import python_module

    for one in conda_python:
        channel.add(one)
    channel.add(python_module("adder", "1.0"))
    env = of_channel("e", channel, "adder")
    assert env.build_local(ws, useDocker=False).wait_for_completion(False).status == "Succeeded"
    channel.add(python_module("adder", "2.0"))
    again = env.build_local(ws, useDocker=False).wait_for_completion(False)
    assert "moved" not in again.get_log()
    assert "2.0" not in again.get_log()
    moved = start_build(ws, env.register(ws), docker=False, update=True).wait_for_completion(False)
    assert moved.status == "Succeeded", moved.get_log()
    assert "2.0" in moved.get_log()


def test_image_details_come_from_the_lock_without_a_build(ws, python_channel):
    env = of_channel("e", python_channel, "adder=1.0")
    env.register(ws)
    details = env.get_image_details(workspace=ws)
    assert not details.image_exist
    assert details.repository.startswith("envbuild/envbuild_")
    assert details.dockerfile.count("FROM") >= 1
    assert details.interpreter_path == "/opt/env/bin/python"
    assert details["dockerImage"]["registry"]["password"] is None


def test_to_push_a_registry_is_needed(ws):
    with pytest.raises(WorkspaceError, match="no container registry"):
        Environment("e").build_local(workspace=ws, useDocker=True, pushImageToWorkspaceAcr=True)
    ws.container_registry = "127.0.0.1:5000/team"
    assert Workspace.from_config().container_registry == "127.0.0.1:5000/team"


def test_an_existing_conda_environment_by_name_folder_and_kernel(project, monkeypatch, tmp_path):
    prefix = tmp_path / "conda/envs/mycondaenv"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    channel = "https://conda.example/channel"
    for name, version in (("python", "3.11.4"), ("numpy", "1.26.0")):
        record = {"name": name, "version": version, "build": "h1_0", "channel": f"{channel}/linux-64"}
        (prefix / f"conda-meta/{name}-{version}-h1_0.json").write_text(json.dumps(record))
    site = prefix / "lib/python3.11/site-packages"
    for name, version, installer in (("numpy", "1.26.0", "conda"), ("My_Pkg", "2.0", "pip")):
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nbody\n")
        (folder / "INSTALLER").write_text(f"{installer}\n")
    monkeypatch.setenv("CONDA_ENVS_PATH", str(prefix.parent))
    kernel = tmp_path / "jupyter/kernels/my-kernel"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": [str(prefix / "bin/python"), "-m", "ipykernel_launcher"]}))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    for name in ("mycondaenv", str(prefix), "my-kernel"):
        made = Environment.from_existing_conda_environment(name="myenv", conda_environment_name=name)
        assert made.python.conda_dependencies.as_dict() == {
            "name": "mycondaenv",
            "channels": [channel],
            "dependencies": ["numpy=1.26.0", "python=3.11.4", {"pip": ["My_Pkg==2.0"]}],
        }
    with pytest.raises(DefinitionError, match="no conda environment 'absent'"):
        Environment.from_existing_conda_environment("e", "absent")


def test_a_clone_of_a_registered_dockerfile_environment_registers(ws):
    Environment.from_dockerfile("d", "FROM ubuntu:22.04\n").register(ws)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Environment.get(ws, "d").clone("other").register(ws).version == "1"
