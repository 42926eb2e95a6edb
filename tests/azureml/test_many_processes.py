"""One workspace, many processes at once, and some of them killed at any moment."""

import json
import os
import random
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from envbuild import programs
from envbuild.azureml.core import Environment, Workspace
from envbuild.azureml.environments.building import builds_of
from envbuild.files import sha256_of
from envbuild.lockfile import load_lock
from envbuild.workspace.environments import environment_folder, get_environment, list_environments
from tests.azureml.test_environments import of_channel

PROCESSES = 20
ROOT = Path(__file__).parents[2]

AT_ONCE = """
import sys
from envbuild.azureml.core import Environment, Workspace
ws = Workspace.from_config(sys.argv[1])
mine = Environment("shared")
mine.environment_variables = {"NUMBER": sys.argv[2]}
version = mine.register(ws).version
assert Environment.get(ws, "shared", version=version).environment_variables["NUMBER"] == sys.argv[2]
assert "shared" in Environment.list(ws)
build = Environment.get(ws, "common").build_local(ws, useDocker=False).wait_for_completion(show_output=False)
print(version, build.status, build.image)
"""

FOREVER = """
import sys
from pathlib import Path
from envbuild.workspace.environments import environment_folder, register_environment
from envbuild.workspace.models import register_model
from envbuild.workspace.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
model = Path(sys.argv[1]).parent / f"model-{sys.argv[2]}.bin"
number = 0
while True:
    number += 1
    found = register_environment(workspace, "killed", "environment.yml", {"environment.yml": f"image: i{sys.argv[2]}-{number}\\n"})
    environment_folder(workspace, found)
    model.write_bytes(f"{sys.argv[2]}-{number}".encode() * 50000)
    register_model(workspace, "killed", model)
    print(found.version, flush=True)
"""


BUILDING = """
import sys
from pathlib import Path
from envbuild.azureml.core import Environment, Workspace
workspace = Workspace.from_config(Path(sys.argv[1]).parent)
number = 0
while True:
    number += 1
    env = Environment.get(workspace, "common").clone("built")
    env.environment_variables = {"NUMBER": f"{sys.argv[2]}-{number}"}
    version = env.register(workspace).version
    build = env.build_local(workspace, useDocker=False).wait_for_completion(show_output=False)
    assert build.status == "Succeeded", build.get_log()
    Environment.list(workspace)
    print(version, flush=True)
"""


def start(code, log, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return programs.start([sys.executable, "-c", code, *arguments], log=log, env=environment)


def test_twenty_processes_register_get_list_and_build_at_once(ws, project, python_channel):
    of_channel("common", python_channel, "adder=1.0").register(ws)
    logs = [project / f"{number}.log" for number in range(PROCESSES)]
    running = [start(AT_ONCE, log, str(project), str(number)) for number, log in enumerate(logs)]
    codes = [process.wait(timeout=300) for process in running]
    assert codes == [0] * PROCESSES, [log.read_text() for log, code in zip(logs, codes, strict=True) if code]
    answers = [log.read_text().split() for log in logs]
    assert sorted(int(version) for version, _, _ in answers) == list(range(1, PROCESSES + 1))
    assert {status for _, status, _ in answers} == {"Succeeded"}
    assert len({image for _, _, image in answers}) == 1
    found = {
        one.version: json.loads(one.files["azureml_environment.json"]) for one in list_environments(ws.core, "shared")
    }
    assert {one["environmentVariables"]["NUMBER"] for one in found.values()} == {str(one) for one in range(PROCESSES)}
    assert Environment.get(Workspace.from_config(), "shared").version == str(PROCESSES)


@pytest.mark.parametrize(("kills", "builds"), [(15, False), pytest.param(200, True, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_nothing_and_leave_nothing_half(ws, project, request, kills, builds):
    """With `builds`, every tenth process that is killed was registering, locking and installing."""
    chance = random.Random(20261121)
    promised = {"killed": set(), "built": set()}
    if builds:
        of_channel("common", request.getfixturevalue("python_channel"), "adder=1.0").register(ws)
    for number in range(kills):
        name = "built" if builds and number % 10 == 0 else "killed"
        promised[name] |= killed(
            ws, project / f"{number}.log", number, BUILDING if name == "built" else FOREVER, chance
        )
    check_catalogue(ws, "killed", promised["killed"])
    check_files(ws)
    if builds:
        check_catalogue(ws, "built", promised["built"])
        check_builds(ws, promised["built"])


def killed(ws, log, number, code, chance):
    """Kill a process a moment after its first word, and return the versions that it had said were there."""
    process = start(code, log, str(ws.core.folder), str(number))
    limit = time.monotonic() + 120
    while not log.read_text().strip() and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.1 if code is FOREVER else 1))
    process.kill()
    process.wait()
    lines = log.read_text().splitlines(keepends=True)
    assert lines
    assert all(line.strip().isdecimal() for line in lines), log.read_text()
    return {line.strip() for line in lines if line.endswith("\n")}


def check_builds(ws, promised):
    """A lock that is there is whole, those that were promised are there, and the next build goes well."""
    folder = ws.core.folder / "environments/built"
    locks = {path.parent.name: load_lock(path) for path in folder.glob("*/*lock*") if not path.name.startswith(".")}
    assert promised <= set(locks)
    assert all(one.conda for one in locks.values())
    build = Environment.get(ws, "built").build_local(ws, useDocker=False).wait_for_completion(show_output=False)
    assert build.status == "Succeeded", build.get_log()
    unfinished = [one for one in builds_of(ws.core) if one.status not in ("Succeeded", "Failed")]
    assert not unfinished


def check_catalogue(ws, name, promised):
    with sqlite3.connect(ws.core.folder / "catalogue.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = [one.version for one in list_environments(ws.core, name)]
    assert promised
    assert promised <= set(found)
    assert found == [str(one) for one in range(1, len(found) + 1)]
    texts = [json.dumps(dict(get_environment(ws.core, name, one).files)) for one in found]
    assert len(set(texts)) == len(texts)


def check_files(ws):
    kept = [path for path in (ws.core.folder / "files").glob("??/*") if path.is_file()]
    assert kept
    for path in kept:
        assert sha256_of(path) == path.name
    models = ws.core.catalogue.assets("model", "killed")
    assert models
    for asset in models:
        assert all(ws.core.store.path(digest).is_file() for _, digest, _, _ in asset.document["files"])
    for stored in list_environments(ws.core, "killed")[-5:]:
        folder = environment_folder(ws.core, stored)
        assert stored.files["environment.yml"] in (folder / "environment.yml").read_text()


@pytest.mark.parametrize("text", ["not a database"])
def test_a_catalogue_that_is_none_is_said_to_be(ws, text):
    from envbuild.core.errors import WorkspaceError

    (ws.core.folder / "catalogue.sqlite").write_text(text * 100)
    with pytest.raises(WorkspaceError, match=r"catalogue\.sqlite"):
        Environment.list(ws)
