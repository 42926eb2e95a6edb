"""Conda packages as layers, linked by rattler from a channel on loopback: no interpreter of the base, no engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envbuild.core.errors import IntegrityError, PlanError
from envbuild.core.lock import LockedPython
from envbuild.core.platforms import parse_platform
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.protocol import BuildOptions
from envbuild.net.layers import members
from envbuild.net.oci_layout import image_source
from tests.oci.making import MERGED_USR, conda, layout, on_disk, plan
from tests.support.channel import Channel, python_module
from tests.support.conda_archive import PLACEHOLDER, CondaFile, make_conda

PYTHON = LockedPython(version="3.11.2", provider="conda")
LINUX = parse_platform("linux-64")


@pytest.fixture
def base(tmp_path):
    return layout(tmp_path / "base", MERGED_USR)


def stand_in(version="3.11.2", **files):
    """A package called python that runs nowhere: enough for a linker to know where modules go."""
    return make_conda("python", version, subdir="linux-64", files={"bin/python3.11": b"none", **files})


def assembled(tmp_path, channel, packages, base, *, bytecode=False, **more):
    made = plan(
        tmp_path / "definition",
        conda=conda(channel, [channel.add(one) for one in packages]),
        base=base,
        python=PYTHON,
        more='channels = ["conda-forge"]\npython = "3.11"\ndependencies = ["tool"]',
        **more,
    )
    engine = OciEngine(OciSettings(load=False, bytecode=bytecode))
    image = engine.image(made, name="demo/conda:1", options=BuildOptions(output=f"oci:{tmp_path}/image-{bytecode}"))
    return image, contents(tmp_path / f"image-{bytecode}")


def contents(path: Path) -> dict[str, tuple[bytes, int, str]]:
    source = image_source(path)
    found: dict[str, tuple[bytes, int, str]] = {}
    for layer in source.resolve(LINUX).layers[1:]:
        with source.blob(layer) as blob:
            for member, tar in members(blob, "layer"):
                file = tar.extractfile(member) if member.isfile() else None
                found[member.name] = (file.read() if file else b"", member.mode, member.linkname)
    return found


def test_the_final_prefix_stands_in_every_file(tmp_path, channel, base):
    files = {
        "bin/tool": CondaFile(content=f"#!{PLACEHOLDER}/bin/python\n".encode(), executable=True),
        "lib/libtool.so.1": CondaFile(content=b"\x7fELF\0" + PLACEHOLDER.encode() + b"/lib\0rest"),
        "lib/libtool.so": CondaFile(link="libtool.so.1"),
    }
    _, found = assembled(tmp_path, channel, [make_conda("tool", "1.0", subdir="linux-64", files=files)], base)
    assert found["opt/env/bin/tool"][:2] == (b"#!/opt/env/bin/python\n", 0o755)
    assert b"/opt/env/lib\0" in found["opt/env/lib/libtool.so.1"][0]
    assert found["opt/env/lib/libtool.so"][2] == "libtool.so.1"
    assert "opt/env/conda-meta/history" in found


def test_a_record_says_nothing_of_this_machine(tmp_path, channel, base):
    _, found = assembled(
        tmp_path, channel, [stand_in(), python_module("tool", "1.0", entry_points=["tool = tool:main"])], base
    )
    [record] = [data for name, (data, *_) in found.items() if "conda-meta/tool-1.0" in name]
    assert str(tmp_path).encode() not in record
    told = json.loads(record)
    assert told["url"].startswith(channel.url)
    assert told["extracted_package_dir"] == "/opt/conda/pkgs/tool-1.0-py_0"
    assert sorted(told["files"]) == told["files"]
    assert found["opt/env/bin/tool"][1] == 0o755
    assert "opt/env/lib/python3.11/site-packages/tool.py" in found


def test_another_cache_gives_the_same_image(tmp_path, channel, base, monkeypatch):
    packages = [stand_in(), python_module("tool", "1.0"), python_module("other", "1.0")]
    first, _ = assembled(tmp_path / "one", channel, packages, base)
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "another" / "cache"))
    second, _ = assembled(tmp_path / "two", channel, packages, base)
    assert first.digest == second.digest


def test_a_cached_layer_and_a_new_one_fit_together(tmp_path, channel, base):
    packages = [stand_in(), python_module("tool", "1.0")]
    assembled(tmp_path / "one", channel, packages, base)
    _, found = assembled(tmp_path / "two", channel, [*packages, python_module("other", "1.0")], base)
    assert "opt/env/lib/python3.11/site-packages/other.py" in found


@pytest.mark.parametrize("script", ["bin/.tool-post-link.sh", "bin/.tool-pre-link.sh"])
def test_a_link_script_is_refused_with_the_way_out(tmp_path, channel, base, script):
    package = make_conda("tool", "1.0", subdir="linux-64", files={script: b"touch /evil\n"})
    with pytest.raises(PlanError, match=r"tool 1\.0 has the link script") as caught:
        assembled(tmp_path, channel, [package], base)
    assert "--engine docker" in caught.value.problems[0].hint


def test_a_link_script_that_only_speaks_is_left_out(tmp_path, channel, base):
    script = b"echo 'set TOOL_HOME' >> $PREFIX/.messages.txt\n"
    files = {"bin/.tool-post-link.sh": script, "share/tool.txt": b"tool"}
    _, found = assembled(tmp_path, channel, [make_conda("tool", "1.0", subdir="linux-64", files=files)], base)
    assert found["opt/env/share/tool.txt"][0] == b"tool"
    assert "opt/env/.messages.txt" not in found


def test_two_packages_with_one_path_clash_unless_their_bytes_are_the_same(tmp_path, channel, base):
    def package(name, content):
        return make_conda(name, content.decode(), subdir="linux-64", files={"share/common.txt": content})

    _, found = assembled(tmp_path / "same", channel, [package("tool", b"1"), package("other", b"1")], base)
    assert found["opt/env/share/common.txt"][0] == b"1"
    with pytest.raises(PlanError, match=r"other \(conda\) and tool \(conda\) both have /opt/env/share/common\.txt"):
        assembled(tmp_path / "differ", channel, [package("tool", b"2"), package("other", b"3")], base)


def test_a_wheel_over_a_conda_package_clashes(tmp_path, channel, base):
    wheel = on_disk(tmp_path / "wheels", "tool", "2.0", files={"tool.py": "version = 2\n"})
    with pytest.raises(PlanError, match=r"tool \(conda\) and tool both have .*/site-packages/tool\.py"):
        assembled(tmp_path, channel, [stand_in(), python_module("tool", "1.0")], base, pip=[wheel])


def test_shipped_bytecode_stays_valid_or_is_left_out(tmp_path, channel, base):
    compiled = b"\xa7\r\r\n" + bytes(4) + b"12345678" + b"code"
    path = "lib/python3.11/__pycache__/os.cpython-311.pyc"
    python = stand_in(**{path: compiled})
    _, bare = assembled(tmp_path, channel, [python, make_conda("tool", "1.0", subdir="linux-64")], base)
    assert f"opt/env/{path}" not in bare
    _, found = assembled(tmp_path, channel, [python], base, bytecode=True)
    assert found[f"opt/env/{path}"][0] == compiled[:4] + b"\1\0\0\0" + bytes(8) + b"code"


def test_a_package_that_is_not_the_locks_is_refused(tmp_path, channel: Channel, base):
    from dataclasses import replace

    package = channel.add(make_conda("tool", "1.0", subdir="linux-64", files={"share/x": b"1"}))
    [locked] = conda(channel, [package])
    made = plan(tmp_path, conda=[replace(locked, sha256="0" * 64)], base=base, python=PYTHON)
    with pytest.raises(IntegrityError, match="tool-1"):
        OciEngine(OciSettings(load=False)).image(made, name="demo/conda:1")
