import io
import json
import posixpath
import random
import tarfile

import pytest

from envbuild.core.errors import EnvbuildError, IntegrityError
from envbuild.core.platforms import PLATFORMS
from envbuild.net.image_files import find_files, list_files, read_file, read_files
from envbuild.net.images import Descriptor
from envbuild.net.layers import verified

from .samples import FOLDER, HardLink, make_image
from .test_images import resolved


class Recorder:
    """An image in memory that records which layers are opened."""

    def __init__(self, image):
        self.image = image
        self.opened = []
        self.position = {}

    def resolve(self, platform):
        return resolved(self.image)

    def blob(self, descriptor):
        self.opened.append(descriptor.digest)
        return verified(io.BytesIO(self.image.blobs[descriptor.digest]), descriptor, "sample")


def source_of(*layers, how="gzip"):
    source = Recorder(make_image(layers, how=how))
    return source, source.resolve(PLATFORMS["linux-64"])


DEBIAN = [
    ("bin", "usr/bin"),
    ("etc/", FOLDER),
    ("etc/os-release", "../usr/lib/os-release"),
    ("opt/", FOLDER),
    ("usr/", FOLDER),
    ("usr/bin/", FOLDER),
    ("usr/bin/python3", "python3.11"),
    ("usr/bin/python3.11", b"\x7fELF"),
    ("usr/lib/", FOLDER),
    ("usr/lib/os-release", b"ID=debian\n"),
]
CONDA = [
    ("opt/conda/", FOLDER),
    ("opt/conda/conda-meta/", FOLDER),
    ("opt/conda/conda-meta/conda-4.4.0-0.json", b"{}"),
    ("opt/conda/conda-meta/python-3.9-0.json", b"{}"),
]


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_a_file_behind_a_link_is_read_whatever_the_compression(how):
    source, image = source_of(DEBIAN, CONDA, how=how)
    assert read_file(source, image, "/etc/os-release") == b"ID=debian\n"


def test_one_walk_answers_all_that_a_base_check_asks():
    source, image = source_of(DEBIAN, CONDA)
    found = find_files(
        source,
        image,
        contents=["/etc/os-release"],
        names=["/usr/bin/python3*", "/opt/*/conda-meta/conda-*.json", "/opt/missing"],
    )
    assert found.contents == {"/etc/os-release": b"ID=debian\n"}
    assert found.names == ("/opt/conda/conda-meta/conda-4.4.0-0.json", "/usr/bin/python3", "/usr/bin/python3.11")
    assert len(source.opened) == 2


def test_patterns_give_content_by_the_path_that_matched():
    source, image = source_of(CONDA)
    assert read_files(source, image, ["/opt/*/conda-meta/p*.json"]) == {
        "/opt/conda/conda-meta/python-3.9-0.json": b"{}"
    }


def test_lower_layers_are_not_read_once_all_is_known():
    source, image = source_of(DEBIAN, [("etc/os-release", b"ID=ubuntu\n")])
    assert read_file(source, image, "/etc/os-release") == b"ID=ubuntu\n"
    assert source.opened == [image.layers[1].digest]


def test_a_layer_is_not_read_further_than_the_last_file_that_is_asked():
    source, image = source_of([("etc/os-release", b"ID=ubuntu\n"), ("big", bytes(1 << 20))], how="")
    broken = dict(source.image.blobs)
    digest = image.layers[0].digest
    broken[digest] = broken[digest][:-4000]  # reading to the end would fail
    source.image.blobs = broken
    assert read_file(source, image, "/etc/os-release") == b"ID=ubuntu\n"


def test_a_whiteout_hides_the_file_of_lower_layers():
    source, image = source_of(CONDA, [("opt/conda/conda-meta/.wh.conda-4.4.0-0.json", b"")])
    assert list_files(source, image, ["/opt/conda/conda-meta/*"]) == ("/opt/conda/conda-meta/python-3.9-0.json",)


def test_a_whiteout_of_a_folder_hides_what_is_in_it():
    source, image = source_of(CONDA, [("opt/.wh.conda", b"")])
    assert list_files(source, image, ["/opt/*", "/opt/conda/conda-meta/*"]) == ()
    assert source.opened == [image.layers[1].digest, image.layers[0].digest]


def test_a_whiteout_settles_a_plain_path_without_the_lower_layers():
    source, image = source_of(DEBIAN, [("etc/.wh.os-release", b"")])
    assert read_file(source, image, "/etc/os-release") is None
    assert len(source.opened) == 1


def test_a_whiteout_leaves_what_its_own_layer_adds():
    source, image = source_of(CONDA, [("opt/conda/", FOLDER), ("opt/conda/new", b"1"), ("opt/.wh.conda", b"")])
    assert list_files(source, image, ["/opt/conda/*"]) == ("/opt/conda/new",)


def test_an_opaque_folder_hides_what_lower_layers_have_in_it():
    upper = [("opt/conda/", FOLDER), ("opt/conda/.wh..wh..opq", b""), ("opt/conda/new", b"1")]
    source, image = source_of(CONDA, upper)
    assert list_files(source, image, ["/opt/conda", "/opt/conda/*"]) == ("/opt/conda", "/opt/conda/new")


def test_a_file_that_replaces_a_folder_hides_its_content():
    source, image = source_of(CONDA, [("opt/conda", b"now a file")])
    assert list_files(source, image, ["/opt/conda/conda-meta/*"]) == ()
    assert read_file(source, image, "/opt/conda/conda-meta/conda-4.4.0-0.json") is None


def test_a_folder_that_replaces_a_file_hides_what_was_below_that():
    source, image = source_of([("a/", FOLDER), ("a/old", b"1")], [("a", b"file")], [("a/", FOLDER), ("a/new", b"2")])
    assert list_files(source, image, ["/a/*"]) == ("/a/new",)


def test_links_of_folders_are_followed_in_patterns_too():
    source, image = source_of(DEBIAN)
    assert list_files(source, image, ["/bin/python3*"]) == ("/bin/python3", "/bin/python3.11")


def test_a_link_to_somewhere_unexpected_is_followed_in_another_pass():
    layers = [("etc/os-release", "/data/first"), ("data/second", b"ID=x\n"), ("data/first", "second")]
    source, image = source_of(layers)
    assert read_file(source, image, "/etc/os-release") == b"ID=x\n"
    assert len(source.opened) > 1


def test_a_hard_link_leads_to_the_content():
    source, image = source_of([("data/real", b"ID=x\n"), ("etc/os-release", HardLink("data/real"))])
    assert read_file(source, image, "/etc/os-release") == b"ID=x\n"


def test_links_in_a_circle_lead_nowhere():
    source, image = source_of([("etc/os-release", "other"), ("etc/other", "os-release")])
    assert read_file(source, image, "/etc/os-release") is None
    assert list_files(source, image, ["/etc/os-release"]) == ("/etc/os-release",)


def test_links_cannot_leave_the_image():
    source, image = source_of([("etc/os-release", "../../../../../../data"), ("data", b"inside")])
    assert read_file(source, image, "/etc/os-release") == b"inside"


def test_a_dangling_link_has_a_name_and_no_content():
    source, image = source_of([("usr/bin/python3", "gone")])
    assert list_files(source, image, ["/usr/bin/python*"]) == ("/usr/bin/python3",)
    assert read_file(source, image, "/usr/bin/python3") is None


def test_folders_without_entries_of_their_own_exist():
    source, image = source_of([("opt/conda/conda-meta/conda-23.json", b"{}")])
    assert list_files(source, image, ["/opt/*/conda-meta/conda-*.json", "/opt/conda"]) == (
        "/opt/conda",
        "/opt/conda/conda-meta/conda-23.json",
    )


def test_names_with_dots_and_slashes_in_front_are_the_same():
    source, image = source_of([("./etc/a", b"1"), ("/etc/b", b"2"), ("../etc/c", b"3")])
    assert read_files(source, image, ["etc/a", "/etc//b", "/etc/c"]) == {"/etc/a": b"1", "/etc/b": b"2"}


def test_of_two_entries_in_one_layer_the_last_counts():
    source, image = source_of([("x/a", b"1"), ("x/a", b"2")])
    assert read_files(source, image, ["/x/*"]) == {"/x/a": b"2"}


def test_a_file_that_is_too_large_is_refused():
    source, image = source_of([("etc/os-release", b"x" * 1000)])
    with pytest.raises(EnvbuildError, match="/etc/os-release has 1000 bytes"):
        find_files(source, image, contents=["/etc/os-release"], largest=100)


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_a_layer_with_other_bytes_is_an_error(how):
    source, image = source_of(DEBIAN, how=how)
    digest = image.layers[0].digest
    data = bytearray(source.image.blobs[digest])
    data[len(data) // 2] ^= 0xFF
    source.image.blobs[digest] = bytes(data)
    with pytest.raises(IntegrityError):
        list_files(source, image, ["/usr/bin/*"])


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_a_truncated_layer_is_an_error(how):
    source, image = source_of([*DEBIAN, ("big", bytes(random.Random(1).randbytes(50_000)))], how=how)
    digest = image.layers[0].digest
    source.image.blobs[digest] = source.image.blobs[digest][:-2000]
    with pytest.raises(IntegrityError):
        list_files(source, image, ["/usr/bin/*"])


@pytest.mark.parametrize("junk", [b"not a tar" * 100, b"", b"\x1f\x8b not gzip", b"\x28\xb5\x2f\xfd not zstd"])
def test_a_layer_that_is_no_tar_is_an_error(junk):
    image = make_image([DEBIAN])
    layer = Descriptor.of(junk, "application/x")
    document = {**json.loads(image.manifest), "layers": [layer.to_dict()]}
    image.manifest, image.blobs[layer.digest] = json.dumps(document).encode(), junk
    source = Recorder(image)
    with pytest.raises(IntegrityError, match="the layer cannot be read"):
        list_files(source, source.resolve(PLATFORMS["linux-64"]), ["/usr/bin/*"])


def test_a_tar_header_that_wants_much_memory_is_refused():
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 40
    bomb = member.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16)
    image = make_image([[]])
    layer = Descriptor.of(bomb, "application/x")
    image.manifest = json.dumps({**json.loads(image.manifest), "layers": [layer.to_dict()]}).encode()
    image.blobs[layer.digest] = bomb
    source = Recorder(image)
    with pytest.raises(IntegrityError, match="a tar header of"):
        list_files(source, source.resolve(PLATFORMS["linux-64"]), ["/usr/bin/*"])


def test_an_image_without_layers_has_no_files():
    source, image = source_of()
    assert find_files(source, image, contents=["/a"], names=["/*"]).names == ()


# The oracle: the layers applied one after the other, from the bottom, to a table of paths.


def applied(layers):
    files = {}
    for entries in layers:
        names = [posixpath.split(name.rstrip("/")) for name, _ in entries]
        for parent, name in names:
            if name == ".wh..wh..opq":
                _remove_below(files, parent)
            elif name.startswith(".wh."):
                path = posixpath.join(parent, name[4:])
                files.pop(path, None)
                _remove_below(files, path)
        for name, value in entries:
            path = name.rstrip("/")
            if posixpath.basename(path).startswith(".wh."):
                continue
            if value is not None:
                _remove_below(files, path)
            files[path] = value
    return files


def _remove_below(files, folder):
    for path in [one for one in files if one.startswith(f"{folder}/")]:
        del files[path]


def _random_layers(chance):
    names = ["a", "b", "c"]
    layers = []
    for number in range(chance.randint(1, 4)):
        entries, folders, taken = [], [""], set()
        for _ in range(chance.randint(0, 8)):
            path = posixpath.join(chance.choice(folders), chance.choice(names))
            if path in taken:
                continue
            taken.add(path)
            kind = chance.random()
            if kind < 0.4:
                entries.append((f"{path}/", None))
                folders.append(path)
                if number and chance.random() < 0.2:
                    entries.append((f"{path}/.wh..wh..opq", b""))
            elif kind < 0.8 or not number:
                entries.append((path, f"{number}{path}".encode()))
            else:
                parent, name = posixpath.split(path)
                entries.append((posixpath.join(parent, f".wh.{name}"), b""))
        layers.append(entries)
    return layers


@pytest.mark.parametrize("seed", range(60))
def test_any_layers_give_what_applying_them_gives(seed):
    layers = _random_layers(random.Random(seed))
    source, image = source_of(*layers, how="")
    expected = applied(layers)
    found = find_files(source, image, contents=["/*", "/*/*", "/*/*/*"], names=["/*", "/*/*", "/*/*/*"])
    assert {path: data for path, data in expected.items() if data is not None and path.count("/") < 3} == {
        path.lstrip("/"): data for path, data in found.contents.items()
    }
    assert {one.lstrip("/") for one in found.names} == {path for path in expected if path.count("/") < 3}
    for path in [*expected, "a/b", "c", "b/a/c"]:
        content = expected.get(path)
        assert read_file(source, image, path) == content, path
