import pytest

from envbuild.core.platforms import parse_platform
from envbuild.engines.oci.base import base_facts
from envbuild.net.oci_layout import image_source
from tests.oci.making import MERGED_USR, layout


def facts(tmp_path, *layers):
    base = layout(tmp_path / "base", *layers)
    source = image_source(tmp_path / "base")
    assert base.digest
    return base_facts(source, source.resolve(parse_platform("linux-64")))


def test_links_folders_and_interpreters_are_known(tmp_path):
    found = facts(tmp_path, MERGED_USR)
    assert found.has_python("/usr/bin/python3.11")
    assert found.has_python("/bin/python3.11")
    assert not found.has_python("/usr/bin/python3.12")
    assert "opt" in found.folders
    assert found.links["bin"] == "usr/bin"
    assert not found.prefix_used


def test_an_upper_layer_takes_away_and_replaces(tmp_path):
    upper = {
        "usr/bin/.wh.python3.11": b"",
        "usr/bin/python3.12": b"new",
        "usr/lib/libnew.so.1": b"",
        "srv/.wh..wh..opq": b"",
        "srv/kept": None,
    }
    found = facts(tmp_path, {**MERGED_USR, "srv": None, "srv/gone": None, "usr/lib/libold.so.1": b""}, upper)
    assert found.pythons == ("usr/bin/python3.12",)
    assert {"libold.so.1", "libnew.so.1"} <= found.libraries
    assert "srv/kept" in found.folders
    assert "srv/gone" not in found.folders


def test_a_whiteout_hides_only_what_lies_below_its_layer(tmp_path):
    found = facts(tmp_path, {"usr/lib/liba.so": b"1"}, {"usr/lib/liba.so": b"2", "usr/lib/.wh.liba.so": b""})
    assert "liba.so" in found.libraries


@pytest.mark.parametrize("path", ["opt/env/bin/tool", "opt/env"])
def test_a_used_prefix_is_seen(tmp_path, path):
    assert facts(tmp_path, {**MERGED_USR, path: b"x"}).prefix_used


def test_a_used_prefix_is_seen_through_a_link(tmp_path):
    assert facts(tmp_path, {"opt": "-> var/opt", "var/opt/env/bin/tool": b"x"}).prefix_used


def test_no_layer_writes_outside_of_its_folder(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    found = facts(
        tmp_path,
        {"usr/lib": f"-> {outside}", "usr/lib/python3.11": None},
        {"usr/lib/python3.11/os.py": b"evil", "../../evil": b"evil", f"usr/bin/../../../..{outside}/x": b"evil"},
    )
    assert not list(outside.iterdir())
    assert not list(found.root.rglob("evil"))
    assert not [path for path in found.root.rglob("*") if path.is_symlink()]


def test_a_file_in_place_of_a_folder_takes_its_content_away(tmp_path):
    found = facts(tmp_path, {"usr/lib/a": None, "usr/lib/a/libx.so": b""}, {"usr/lib/a": b"file"})
    assert "libx.so" not in found.libraries


def test_facts_are_read_once(tmp_path, monkeypatch):
    first = facts(tmp_path, MERGED_USR)
    source = image_source(tmp_path / "base")
    image = source.resolve(parse_platform("linux-64"))
    monkeypatch.setattr(source, "blob", None)
    assert base_facts(source, image) == first


def test_damaged_facts_are_read_anew(tmp_path):
    first = facts(tmp_path, MERGED_USR)
    (first.root.parent / "facts.json").write_text("{")
    assert facts(tmp_path, MERGED_USR) == first


def test_a_stray_link_chain_ends(tmp_path):
    found = facts(tmp_path, {"usr/bin/python3": "-> python3.11", "usr/bin/python3.11": "-> python3"})
    assert not found.has_python("/usr/bin/python3")
