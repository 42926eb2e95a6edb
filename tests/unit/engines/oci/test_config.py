import json
import re

import pytest

from envbuild.context import EPOCH
from envbuild.core.lock import LockedBase
from envbuild.engines.oci.config import creation_time, health_command, image_config
from envbuild.render import render
from tests.oci.making import plan, service

BASE = LockedBase(reference="debian:12", digest="sha256:" + "b" * 64)
LAYERS = [("sha256:" + "1" * 64, "numpy 1.0")]


def made(tmp_path, base=None, **wishes):
    below = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["sha256:" + "0" * 64]}, **(base or {})}
    return json.loads(image_config(plan(tmp_path, base=BASE, **wishes), below, LAYERS, EPOCH))


def test_what_the_base_says_stays_and_what_the_plan_says_is_added(tmp_path):
    base = {"config": {"Env": ["A=1", "PATH=/usr/bin"], "Labels": {"x": "y"}, "StopSignal": "SIGINT", "Volumes": None}}
    config = made(tmp_path, base, app=service())["config"]
    assert config["Env"][:2] == ["A=1", "PATH=/opt/env/bin:/usr/bin"]
    assert 'GREETING=a "quoted" $value' in config["Env"]
    assert config["Labels"]["x"] == "y"
    assert config["StopSignal"] == "SIGINT"
    assert "Volumes" not in config
    assert (config["User"], config["WorkingDir"]) == ("1000:1000", "/var/azureml-app")
    assert config["ExposedPorts"] == {"5001/tcp": {}}


def test_a_command_takes_the_place_of_the_bases_entry_point(tmp_path):
    base = {"config": {"Entrypoint": ["/entry"], "Cmd": ["x"]}}
    assert "Entrypoint" not in made(tmp_path, base, app=service())["config"]
    without = made(tmp_path, base)["config"]
    assert (without["Entrypoint"], without["Cmd"]) == (["/entry"], ["x"])


def test_the_health_check_is_the_dockerfiles(tmp_path):
    served = plan(tmp_path, base=BASE, app=service())
    dockerfile = render(served, root=tmp_path).dockerfile
    found = re.search(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])", dockerfile)
    assert json.loads(found[1]) == list(health_command(served))
    test = made(tmp_path, app=service())["config"]["Healthcheck"]
    assert test["Test"] == ["CMD", *health_command(served)]
    assert "--interval=30s --timeout=5s --start-period=60s --retries=3" in dockerfile
    assert [test[name] // 10**9 for name in ("Interval", "Timeout", "StartPeriod")] == [30, 5, 60]


def test_there_is_one_history_entry_for_each_layer(tmp_path):
    for history in ([], [{"created_by": "x"}], [{"created_by": "x"}, {"empty_layer": True}]):
        document = made(tmp_path, {"history": history})
        full = [one for one in document["history"] if not one.get("empty_layer")]
        assert len(full) == len(document["rootfs"]["diff_ids"]) == 2
    assert document["history"][-2]["created_by"] == "envbuild: numpy 1.0"


def test_the_same_plan_gives_the_same_bytes(tmp_path):
    one = image_config(plan(tmp_path / "a", base=BASE, app=service()), {"os": "linux"}, LAYERS, EPOCH)
    assert one == image_config(plan(tmp_path / "b", base=BASE, app=service()), {"os": "linux"}, LAYERS, EPOCH)


@pytest.mark.parametrize(
    ("value", "time"),
    [("", EPOCH), ("0", 0), ("1700000000", 1700000000), ("soon", EPOCH), ("-1", EPOCH), ("9" * 30, EPOCH)],
)
def test_the_time_is_fixed_or_said(value, time):
    assert creation_time({"SOURCE_DATE_EPOCH": value} if value else {}) == time
