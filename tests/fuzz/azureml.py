"""What reads the files of Azure's users, as targets of their own, with usual inputs."""

from __future__ import annotations

import atexit
import base64
import functools
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from envbuild.azureml.core.conda_dependencies import CondaDependencies
from envbuild.azureml.core.environment import Environment
from envbuild.azureml.core.runconfig import RunConfiguration
from envbuild.azureml.core.workspace import Workspace
from envbuild.azureml.endpoints.deployment_yaml import read_deployments
from envbuild.azureml.environments.saved import environment_files
from envbuild.azureml.models.model_yaml import read_model
from envbuild.azureml.packaging.inference import InferenceConfig
from envbuild.azureml.runs.inside.sending import MARK
from envbuild.azureml.runs.job import load_job
from envbuild.azureml.runs.ray import packed
from envbuild.azureml.runs.sent import Output


@functools.cache
def _workspace() -> Workspace:
    folder = tempfile.mkdtemp(prefix="envbuild-fuzz-azureml-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (Path(folder) / "score.py").write_text("def init(): ...\ndef run(data): ...\n")
    (Path(folder) / "data.csv").write_text("1\n")
    workspace = Workspace.create("fuzz", path=folder)
    Environment("own").register(workspace)
    return workspace


def _written(data: bytes, name: str) -> Path:
    path = _workspace().core.folder.parent / name
    path.write_bytes(data)
    return path


def _quiet(target: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def quiet(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target(data)

    return quiet


def _saved(data: bytes) -> None:
    folder = _written(data, "azureml_environment.json").parent
    made = Environment.load_from_directory(folder)
    repr(made)
    environment_files(made)


def _conda(data: bytes) -> None:
    made = CondaDependencies.from_text(data.decode("utf-8", "replace"), "c.yml")
    made.add_pip_package("requests")
    made.add_conda_package("numpy=1")
    made.serialize_to_string()


def _sent(data: bytes) -> None:
    output = Output(lambda _line: None)
    output.show(data.decode("utf-8", "replace"), ended=True)
    files = output.files()
    folder = _workspace().core.folder.parent / "sent"
    if files is not None:
        files.take(outputs=folder, control=folder / "control")


def _archive() -> bytes:
    content = packed({"outputs/score.py": _workspace().core.folder.parent / "score.py"})
    return f"said\n{MARK}{hashlib.sha256(content).hexdigest()}\n{MARK}{base64.b64encode(content).decode()}\n".encode()


AZUREML_TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "azureml: saved environment": _quiet(_saved),
    "azureml: conda dependencies": _quiet(_conda),
    "azureml: command job": _quiet(lambda data: load_job(_workspace(), _written(data, "job.yml"))),
    "azureml: run configuration": _quiet(lambda data: RunConfiguration.load(_written(data, "x.runconfig"))),
    "azureml: inference configuration": _quiet(lambda data: InferenceConfig.from_file(_written(data, "ic.json"))),
    "azureml: log of a cluster": _quiet(_sent),
    "azureml: deployment": _quiet(lambda data: read_deployments(_written(data, "deployment.yml"))),
    "azureml: model": _quiet(lambda data: read_model(_written(data, "model.yml"))),
}


def azureml_seeds() -> dict[str, list[bytes]]:
    """Return usual inputs of each target."""
    saved = environment_files(Environment("e"))[0]
    return {
        "azureml: saved environment": [saved["azureml_environment.json"].encode(), b'{"name": "e", "version": "1"}'],
        "azureml: conda dependencies": [
            saved["conda_dependencies.yml"].encode(),
            b"dependencies: [python=3.9, {pip: [a]}]\n",
        ],
        "azureml: command job": [
            b"command: x ${{inputs.a}}\nenvironment: own\ninputs: {a: {type: uri_file, path: data.csv}}\nlimits: {timeout: 3}\n",
            b"command: x\nenvironment: {image: 'u:1', conda_file: {dependencies: [python]}}\noutputs: {m: {}}\ntags: {a: 1}\n",
        ],
        "azureml: run configuration": [
            b"script: t.py\narguments: [a]\nenvironment: {name: e, docker: {enabled: true, arguments: []}}\n",
            b"target: local\nhistory: {snapshotProject: false, directoriesToWatch: [logs]}\nnodeCount: 1\n",
        ],
        "azureml: inference configuration": [
            json.dumps(
                {"entryScript": "score.py", "environment": json.loads(saved["azureml_environment.json"])}
            ).encode(),
            b'{"entryScript": "score.py", "runtime": "python", "enableGpu": false, "baseImageRegistry": {"address": "a"}}',
        ],
        "azureml: log of a cluster": [_archive()],
        "azureml: deployment": [
            (
                b"name: b\nendpoint_name: e\nmodel: {path: m, type: custom_model}\ncode_configuration: {code: c, scoring_script: s.py}\n"
                b"environment: {image: 'u:1'}\nliveness_probe: {period: 1}\nresources: {limits: {cpu: 1, memory: 1Gi}}\n"
            ),
            (
                b"name: b\nsettings: {mini_batch_size: 2, retry_settings: {timeout: 1}}\nmodel: azureml:m@latest\n"
                b"code_configuration: {code: {local_path: c}, scoring_script: s.py}\nenvironment: azureml:e:1\n"
            ),
            b"name: e\nauth_mode: key\ntraffic: {a: 90, b: 10}\ndeployments: [{name: a}, {name: b}]\n",
        ],
        "azureml: model": [b"name: m\nversion: 2\npath: score.py\ntype: custom_model\ntags: {a: b}\nstage: Dev\n"],
    }
