from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from envbuild.programs import ProgramError
from tests.support.channel import python_module
from tests.support.conda_archive import PLACEHOLDER, CondaFile, make_conda
from tests.support.conda_prefix import install


def test_rattler_installs_files_links_and_prefixes(channel, tmp_path):
    files = {
        "bin/tool": CondaFile(content=f"#!{PLACEHOLDER}/bin/sh\n".encode(), executable=True),
        "bin/alias": CondaFile(link="tool"),
        "lib/data.bin": b"\0" + PLACEHOLDER.encode() + b"/share\0tail",
    }
    channel.add(make_conda("tool", "1.0", files=files, depends=["base >=2"]))
    channel.add(make_conda("base", "2.0"))
    install(channel, ["tool"], tmp_path / "env", prefix="/opt/env")
    assert (tmp_path / "env/bin/tool").read_text() == "#!/opt/env/bin/sh\n"
    assert (tmp_path / "env/bin/tool").stat().st_mode & 0o111
    assert (tmp_path / "env/bin/alias").readlink().name == "tool"
    data = (tmp_path / "env/lib/data.bin").read_bytes()
    assert data.startswith(b"\0/opt/env/share\0")
    assert len(data) == len(files["lib/data.bin"])
    assert {path.name for path in (tmp_path / "env/conda-meta").glob("*.json")} == {
        "tool-1.0-0.json",
        "base-2.0-0.json",
    }


def test_a_dependency_that_is_missing_makes_it_unsolvable(channel, tmp_path):
    channel.add(make_conda("tool", "1.0", depends=["base >=2"]))
    channel.add(make_conda("base", "1.0"))
    with pytest.raises(ProgramError, match="base >=2"):
        install(channel, ["tool"], tmp_path / "env")


def test_a_version_that_is_added_while_the_channel_runs_is_found(channel, tmp_path):
    channel.add(make_conda("tool", "1.0"))
    install(channel, ["tool"], tmp_path / "before")
    channel.add(make_conda("tool", "2.0"))
    install(channel, ["tool"], tmp_path / "after")
    assert list((tmp_path / "before/conda-meta").glob("tool-1.0-0.json"))
    assert list((tmp_path / "after/conda-meta").glob("tool-2.0-0.json"))


def test_equal_arguments_give_equal_bytes():
    first, second = (make_conda("tool", "1.0", files={"b": "2", "a": "1"}) for _ in range(2))
    assert first == second


def test_the_record_of_a_noarch_python_package():
    record = python_module("adder", "1.0", depends=["base"]).record
    assert (record["noarch"], record["subdir"], record["depends"]) == ("python", "noarch", ["base", "python"])


def test_every_subdir_has_repodata_even_without_packages(channel):
    with urllib.request.urlopen(f"{channel.url}/linux-64/repodata.json") as answer:
        assert json.loads(answer.read())["packages.conda"] == {}
        assert {"ETag", "Last-Modified"} <= set(answer.headers)


def test_a_private_channel_wants_its_password(private_channel):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{private_channel.url}/noarch/repodata.json")
