import gzip
import json

import pytest

from envbuild.core.errors import DefinitionError, IntegrityError
from envbuild.core.platforms import PLATFORMS
from envbuild.net.image_files import read_file
from envbuild.net.images import digest_of
from envbuild.net.oci_layout import image_source

from .samples import docker_files, layout_files, make_image, tar, write_folder, write_tar

AMD = PLATFORMS["linux-64"]
IMAGE = make_image([[("etc/os-release", b"ID=debian\n")], [("b", b"2")]])


def test_a_layout_folder(tmp_path):
    source = image_source(write_folder(tmp_path / "layout", layout_files({"": IMAGE})))
    found = source.resolve(AMD)
    assert found.digest == IMAGE.digest
    assert read_file(source, found, "/etc/os-release") == b"ID=debian\n"


def test_an_oci_archive_is_the_same_image(tmp_path):
    source = image_source(write_tar(tmp_path / "image.tar", layout_files({"1.0": IMAGE})))
    found = source.resolve(AMD)
    assert found.digest == IMAGE.digest
    assert read_file(source, found, "/etc/os-release") == b"ID=debian\n"


def test_of_several_images_one_is_named(tmp_path):
    other = make_image([[("b", b"3")]])
    folder = write_folder(tmp_path, layout_files({"1.0": IMAGE, "2.0": other}))
    assert image_source(folder, "2.0").resolve(AMD).digest == other.digest
    with pytest.raises(DefinitionError, match=r"holds 2 images\n  hint: say which one: 1\.0, 2\.0"):
        image_source(folder).resolve(AMD)
    with pytest.raises(DefinitionError, match=r"no such image; its names are: 1\.0, 2\.0"):
        image_source(folder, "3.0").resolve(AMD)


def test_of_several_platforms_the_right_one_is_taken(tmp_path):
    arm = make_image([], platform="linux/arm64")
    files = layout_files({"a": IMAGE, "b": arm})
    index = json.loads(files["index.json"])
    for entry, architecture in zip(index["manifests"], ("amd64", "arm64"), strict=True):
        entry["platform"] = {"os": "linux", "architecture": architecture}
    files["index.json"] = json.dumps(index).encode()
    assert image_source(write_folder(tmp_path, files)).resolve(PLATFORMS["linux-aarch64"]).digest == arm.digest


@pytest.mark.parametrize("how", ["", "gzip"])
def test_a_docker_archive(tmp_path, how):
    source = image_source(write_tar(tmp_path / "saved.tar", docker_files(IMAGE, how=how)))
    found = source.resolve(AMD)
    assert found.config == IMAGE.config
    assert read_file(source, found, "/etc/os-release") == b"ID=debian\n"
    if not how:
        assert [layer.digest for layer in found.layers] == list(found.diff_ids)
    assert found.digest == source.resolve(AMD).digest == digest_of(found.manifest)


def test_of_several_tags_in_a_docker_archive_one_is_named(tmp_path):
    path = write_tar(tmp_path / "saved.tar", docker_files(IMAGE, ["base:1", "base:2"]))
    assert image_source(path, "base:2").resolve(AMD).config == IMAGE.config
    with pytest.raises(DefinitionError, match="its names are: base:1, base:2"):
        image_source(path, "base:3").resolve(AMD)


def test_a_docker_archive_that_links_equal_layers(tmp_path):
    twice = make_image([[("a", b"1")], [("a", b"1")]])
    files = {**docker_files(twice), "1/layer.tar": "../0/layer.tar"}
    path = tmp_path / "saved.tar"
    path.write_bytes(tar(list(files.items())))
    source = image_source(path)
    assert read_file(source, source.resolve(AMD), "/a") == b"1"


def test_a_damaged_layer_is_an_error(tmp_path):
    files = layout_files({"": IMAGE})
    name = next(name for name in files if name.endswith(json.loads(IMAGE.manifest)["layers"][0]["digest"][7:]))
    files[name] = gzip.compress(b"other")
    source = image_source(write_folder(tmp_path, files))
    found = source.resolve(AMD)
    with pytest.raises(IntegrityError), source.blob(found.layers[0]) as blob:
        blob.read()


def test_a_damaged_manifest_or_config_is_an_error(tmp_path):
    for digest in (IMAGE.digest, json.loads(IMAGE.manifest)["config"]["digest"]):
        files = layout_files({"": IMAGE})
        name = f"blobs/{digest.replace(':', '/')}"
        files[name] = bytes(reversed(files[name]))
        with pytest.raises(IntegrityError):
            image_source(write_folder(tmp_path / digest[7:], files)).resolve(AMD)


def test_a_config_of_a_docker_archive_with_other_bytes_is_an_error(tmp_path):
    files = docker_files(IMAGE)
    name = next(one for one in files if one.endswith(".json") and one != "manifest.json")
    files[name] += b" "
    with pytest.raises(IntegrityError, match="promised"):
        image_source(write_tar(tmp_path / "saved.tar", files)).resolve(AMD)


def test_a_missing_blob_is_named(tmp_path):
    files = layout_files({"": IMAGE})
    del files[f"blobs/{IMAGE.digest.replace(':', '/')}"]
    with pytest.raises(DefinitionError, match="cannot be read"):
        image_source(write_folder(tmp_path / "a", files)).resolve(AMD)
    with pytest.raises(DefinitionError, match="is missing"):
        image_source(write_tar(tmp_path / "b.tar", files)).resolve(AMD)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"junk", "is not a tar archive"),
        (gzip.compress(b"x" * 1024, mtime=0), "is not a tar archive"),
        (tar([("a", b"")]), "is no image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, data, message):
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    with pytest.raises(DefinitionError, match=message):
        image_source(path)
    with pytest.raises(DefinitionError, match="cannot be read"):
        image_source(tmp_path / "missing.tar")
    with pytest.raises(DefinitionError, match=r"index\.json cannot be read"):
        image_source(tmp_path).resolve(AMD)
