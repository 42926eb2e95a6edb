"""An image in a folder has the files that a container would see, and nothing outside of it is touched."""

import io
import tarfile

import pytest

from envbuild.core.errors import IntegrityError
from envbuild.engines.oci.unpacking import unpack


def layer(*members):
    """A layer of (name, content): bytes, None for a folder, `-> x` for a link, `=> x` for a hard link."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                entry.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                entry.linkname = content[3:]
            else:
                entry.size, entry.mode = len(content), 0o4755 if b"run" in content else 0o600
            archive.addfile(entry, io.BytesIO(content if isinstance(content, bytes) else b""))
    return io.BytesIO(target.getvalue())


def tree(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


def test_upper_layers_replace_hide_and_follow_links(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    lower = layer(
        ("usr/bin/", None),
        ("bin", "-> usr/bin"),
        ("usr/bin/tool", b"run"),
        ("usr/bin/same", "=> usr/bin/tool"),
        ("gone/a", b"1"),
        ("old/a", b"1"),
        ("old/link", "-> a"),
        ("turns", b"file"),
        ("folder/x", b"1"),
    )
    upper = layer(
        ("./bin/more", b"2"),
        (".wh.gone", b""),
        ("old/new", b"2"),
        ("old/.wh..wh..opq", b""),
        ("turns/into", b"folder"),
        ("folder", "-> usr"),
    )
    unpack([lower, upper], root, "image")
    assert tree(root) == {
        "bin": "-> usr/bin",
        "usr": None,
        "usr/bin": None,
        "usr/bin/tool": b"run",
        "usr/bin/same": b"run",
        "usr/bin/more": b"2",
        "old": None,
        "old/new": b"2",
        "turns": None,
        "turns/into": b"folder",
        "folder": "-> usr",
    }
    assert (root / "usr/bin/tool").stat().st_mode & 0o7777 == 0o755
    assert (root / "usr/bin/more").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "members",
    [
        [("out", "-> {outside}"), ("out/evil", b"1")],
        [("out", "-> ../.."), ("out/evil", b"1")],
        [("../evil", b"1")],
        [("a/../../evil", b"1")],
        [("/evil", b"1")],
        [("evil", "=> ../../secret")],
        [("out", "-> {outside}"), ("evil", "=> out/secret")],
        [("out", "-> {outside}"), (".wh.out/secret", b"")],
        [("out", "-> {outside}"), ("out/.wh.secret", b"")],
        [("out", "-> {outside}"), ("out/.wh..wh..opq", b"")],
    ],
)
def test_no_layer_leads_out_of_the_folder(tmp_path, members):
    root, outside = tmp_path / "in" / "root", tmp_path / "outside"
    root.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    (tmp_path / "secret").write_bytes(b"s")
    members = [(name, one.format(outside=outside) if isinstance(one, str) else one) for name, one in members]
    unpack([layer(*members), layer(*members)], root, "image")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "outside", "secret"]
    assert tree(outside) == {"secret": b"s"}
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert all(path.read_bytes() != b"s" for path in files)


def test_a_damaged_layer_is_named(tmp_path):
    with pytest.raises(IntegrityError, match="the image: the layer cannot be read"):
        unpack([io.BytesIO(layer(("a", b"1" * 5000)).getvalue()[:-20])], tmp_path, "the image")
