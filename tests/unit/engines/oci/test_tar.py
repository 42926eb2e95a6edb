import io
import tarfile

import pytest

from envbuild.context import EPOCH
from envbuild.core.errors import IntegrityError
from envbuild.engines.oci.tar import Places, TarWriter


def written(places=None, **members):
    target = io.BytesIO()
    tar = TarWriter(target.write, places)
    for path, content in members.items():
        tar.content(path, content)
    tar.end()
    return target.getvalue()


def read(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return {one.name: one for one in archive}


def test_a_member_has_nothing_of_this_machine():
    [_, _, one] = read(written(**{"/opt/env/a.py": b"x = 1\n"})).values()
    assert (one.uid, one.gid, one.uname, one.gname, one.mtime, one.mode) == (0, 0, "", "", EPOCH, 0o644)


def test_folders_above_come_once_and_first():
    names = list(read(written(**{"/opt/env/a/b": b"", "/opt/env/a/c": b""})))
    assert names == ["opt", "opt/env", "opt/env/a", "opt/env/a/b", "opt/env/a/c"]


def test_a_folder_that_the_base_has_is_not_written():
    places = Places(frozenset({"opt", "var"}))
    assert list(read(written(places, **{"/opt/env/x": b""}))) == ["opt/env", "opt/env/x"]


def test_a_link_of_the_base_is_followed_and_never_replaced():
    places = Places(frozenset({"usr", "usr/bin"}), {"bin": "usr/bin"})
    assert list(read(written(places, **{"/bin/tool": b""}))) == ["usr/bin/tool"]


@pytest.mark.parametrize(
    ("links", "path", "place"),
    [
        ({"opt": "/var/opt"}, "/opt/env/x", "var/opt/env/x"),
        ({"var/opt": "../srv"}, "/var/opt/env", "srv/env"),
        ({"a": "b", "b": "c"}, "/a/x", "c/x"),
        ({"a": "../../../etc"}, "/a/x", "etc/x"),
    ],
)
def test_links_lead_where_a_container_would_see_them(links, path, place):
    assert Places(frozenset(), links).place(path) == place


def test_a_loop_of_links_ends():
    assert Places(frozenset(), {"a": "b", "b": "a"}).place("/a/x")


@pytest.mark.parametrize("name", ["/" + "n" * 99, "/" + "n" * 100, "/" + "d/" * 80 + "x", "/ä/ö", "/with space"])
def test_names_of_any_length_and_script_are_read_back(name):
    assert name.lstrip("/") in read(written(**{name: b"content"}))


def test_a_long_or_foreign_link_is_read_back():
    target = io.BytesIO()
    tar = TarWriter(target.write)
    tar.link("/long", "x" * 150)
    tar.link("/foreign", "ü")
    tar.end()
    links = {name: one.linkname for name, one in read(target.getvalue()).items()}
    assert links == {"long": "x" * 150, "foreign": "ü"}


def test_a_size_beyond_ustar_is_said_in_a_pax_record():
    from envbuild.engines.oci.tar import header

    block = header("large", b"0", mode=0o644, size=8 << 30)
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024)), mode="r:") as archive:
        assert archive.next().size == 8 << 30


@pytest.mark.parametrize(("size", "data", "said"), [(3, b"ab", "fewer"), (1, b"ab", "more"), (0, b"a", "more")])
def test_content_of_another_size_is_refused(size, data, said):
    tar = TarWriter(io.BytesIO().write)
    with pytest.raises(IntegrityError, match=said):
        tar.file("/x", size, io.BytesIO(data))


def test_an_owner_is_written_for_user_and_group():
    target = io.BytesIO()
    tar = TarWriter(target.write)
    tar.folder("/home/app", owner=1000)
    tar.end()
    home = read(target.getvalue())["home/app"]
    assert (home.uid, home.gid, home.mode) == (1000, 1000, 0o755)
