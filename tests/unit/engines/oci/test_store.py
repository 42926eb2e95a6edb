import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile

import pytest

from envbuild.core.errors import IntegrityError
from envbuild.engines.oci.compression import method, plain
from envbuild.engines.oci.member import Member
from envbuild.engines.oci.store import Store
from envbuild.engines.oci.tar import Places

GZIP = method("gzip")


@pytest.fixture
def store(tmp_path):
    return Store(root=tmp_path / "store")


class Writer:
    """Writes one file, and counts how often it was asked to."""

    def __init__(self, content=b"content"):
        self.content, self.count = content, 0

    def __call__(self, tar):
        self.count += 1
        tar.content("/opt/env/file", self.content)
        return ["told", self.count]


def test_a_layer_is_written_once_for_its_key(store):
    writer = Writer()
    first = store.layer("a" * 64, GZIP, Places(), writer)
    second = store.layer("a" * 64, GZIP, Places(), writer)
    assert (writer.count, first) == (1, second)
    assert second.told == ["told", 1]


@pytest.mark.parametrize("kind", ["gzip", "zlib", "zstd", "none"])
def test_the_digest_of_the_tar_does_not_depend_on_the_compression(store, kind):
    made = store.layer("b" * 64, method(kind), Places(), Writer())
    plain = store.layer("c" * 64, method("none"), Places(), Writer())
    assert made.diff_id == plain.diff_id == plain.descriptor.digest
    assert store.blob_path(made.descriptor.digest).stat().st_size == made.descriptor.size


def test_a_gzip_layer_is_a_gzip_file_with_that_tar_in_it(store):
    made = store.layer("d" * 64, GZIP, Places(), Writer(os.urandom(3 << 20)))
    with gzip.open(store.blob_path(made.descriptor.digest)) as file:
        assert f"sha256:{hashlib.sha256(file.read()).hexdigest()}" == made.diff_id
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            assert "opt/env/file" in archive.getnames()


def test_a_damaged_layer_is_found_and_made_again(store):
    made = store.layer("e" * 64, GZIP, Places(), Writer())
    path = store.blob_path(made.descriptor.digest)
    path.write_bytes(b"damaged")
    writer = Writer()
    assert store.layer("e" * 64, GZIP, Places(), writer).descriptor == made.descriptor
    assert writer.count == 1
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_damage_that_left_size_and_time_alone_is_found_when_read(store):
    made = store.layer("f" * 64, GZIP, Places(), Writer())
    path = store.blob_path(made.descriptor.digest)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with store.open(made.descriptor) as blob, pytest.raises(IntegrityError):
        blob.read()
    store.forget([made.descriptor.digest])
    assert store.find_layer("f" * 64) is None


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"descriptor": 1}', "\0"])
def test_a_damaged_record_is_as_good_as_none(store, record):
    store.layer("1" * 64, GZIP, Places(), Writer())
    [path] = store.root.glob("layers/*/*.json")
    path.write_text(record)
    writer = Writer()
    store.layer("1" * 64, GZIP, Places(), writer)
    assert writer.count == 1


def test_a_writer_that_fails_leaves_nothing(store):
    def fail(tar):
        tar.content("/x", b"half")
        raise IntegrityError("no")

    with pytest.raises(IntegrityError):
        store.layer("2" * 64, GZIP, Places(), fail)
    assert not [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_two_at_once_write_one_layer(store):
    writer = Writer()
    threads = [threading.Thread(target=store.layer, args=("3" * 64, GZIP, Places(), writer)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.count == 1


def test_what_a_killed_process_left_is_swept_when_it_is_old(store):
    parts = store.root / "parts"
    parts.mkdir(parents=True)
    old, new = parts / "old", parts / "new"
    old.write_text("")
    new.write_text("")
    os.utime(old, (0, 0))
    store.sweep()
    assert [new] == list(parts.iterdir())


def test_a_name_moves_to_another_image_and_others_stay(store):
    first, second = store.add(b"{}", "application/json"), store.add(b"[]", "application/json")
    store.name(["a:1", "b:1"], first)
    store.name(["b:1"], second)
    assert store.named("a:1").digest == first.digest
    assert store.named("b:1").digest == second.digest
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert store.named("c:1") is None


def test_a_damaged_small_blob_is_as_good_as_none(store):
    added = store.add(b"{}", "application/json")
    store.blob_path(added.digest).write_bytes(b"[]")
    assert store.read(added) is None
    assert store.add(b"{}", "application/json") == added
    assert store.read(added) == b"{}"


def wheel_member(content):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("pkg/data.bin", content)
    with zipfile.ZipFile(target) as archive:
        item = archive.getinfo("pkg/data.bin")
    target.seek(item.header_offset + 30 + len("pkg/data.bin"))
    packed = target.read(item.compress_size)
    return Member(target, item), packed


def writing(member):
    def write(tar):
        tar.content("/opt/env/before", b"before")
        tar.file("/opt/env/data.bin", member.size, member, packed=member)
        tar.content("/opt/env/after", b"after")

    return write


@pytest.mark.parametrize(
    ("kind", "content", "kept"),
    [
        ("gzip", b"some text, " * 90000, True),
        ("gzip", os.urandom(3 << 20), True),
        ("gzip", b"small", False),
        ("zlib", b"some text, " * 90000, False),
        ("none", b"some text, " * 90000, False),
    ],
)
def test_what_a_wheel_has_compressed_stays_as_it_is(store, kind, content, kept):
    member, packed = wheel_member(content)
    made = store.layer("e" * 64, method(kind), Places(), writing(member))
    blob = store.blob_path(made.descriptor.digest).read_bytes()
    assert (packed in blob) == kept
    text = blob if kind == "none" else gzip.decompress(blob)
    assert made.diff_id == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert made.plain_size == len(text)
    with tarfile.open(fileobj=io.BytesIO(text), mode="r:") as archive:
        assert archive.extractfile("opt/env/data.bin").read() == content
        assert archive.extractfile("opt/env/after").read() == b"after"


def test_a_layer_with_what_is_kept_is_inflated_by_what_reads_it(store):
    member, _ = wheel_member(os.urandom(1 << 20))
    made = store.layer("f" * 64, GZIP, Places(), writing(member))
    with store.open(made.descriptor) as blob, plain(blob, made.descriptor.media_type) as text:
        assert f"sha256:{hashlib.sha256(text.read()).hexdigest()}" == made.diff_id
