"""Wheels in a tar against the same wheels installed to a disk by `installer` itself."""

import base64
import csv
import hashlib
import io
import tarfile
import zipfile

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from envbuild.core.errors import PlanError
from envbuild.core.lock import PipFile, PipPackage
from envbuild.core.selection import Chosen
from envbuild.engines.oci.tar import TarWriter
from envbuild.engines.oci.units import Surroundings, Told, refuse_clashes
from envbuild.engines.oci.wheels import WheelUnit
from tests.support.wheel import make_wheel

AROUND = Surroundings(prefix="/opt/env", minor=(3, 11))
SITE = "opt/env/lib/python3.11/site-packages"
FULL = {
    "pkg/__init__.py": "x = 1\n",
    "pkg/__pycache__/__init__.cpython-311.pyc": b"somebody else's",
    "pkg/data.bin": b"\0" * 3000,
    "pkg-1.0.data/scripts/tool": "#!python\nprint('tool')\n",
    "pkg-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
    "pkg-1.0.data/data/share/doc.txt": "doc",
    "pkg-1.0.data/headers/pkg.h": "int x;",
    "pkg-1.0.data/purelib/extra.py": "y = 2\n",
}


def unit(tmp_path, content, *, name="pkg", filename="pkg-1.0-py3-none-any.whl", **package):
    path = tmp_path / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    file = PipFile(filename=filename, hashes=(("sha256", path.name),))
    chosen = Chosen(package=PipPackage(name=name, version="1.0", wheels=(file,), **package), file=file)
    return WheelUnit(chosen=chosen, size=len(content), surroundings=AROUND, path=path)


def installed(one):
    target = io.BytesIO()
    tar = TarWriter(target.write)
    told = one.write(tar)
    tar.end()
    target.seek(0)
    with tarfile.open(fileobj=target, mode="r:") as archive:
        found = {m.name: (archive.extractfile(m).read(), m.mode) for m in archive if m.isfile()}
    return found, told


def rezipped(content, change):
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            change(new, item, old.read(item))
    return target.getvalue()


@pytest.mark.filterwarnings("ignore:Skip installing")
def test_files_bytes_and_modes_are_those_of_the_reference(tmp_path):
    content = make_wheel("pkg", "1.0", files=FULL, entry_points={"run": "pkg:main"})
    (tmp_path / "pkg-1.0-py3-none-any.whl").write_bytes(content)
    prefix = tmp_path / "prefix"
    schemes = {
        "purelib": prefix / "lib/python3.11/site-packages",
        "platlib": prefix / "lib/python3.11/site-packages",
        "scripts": prefix / "bin",
        "data": prefix,
        "headers": prefix / "include/site/python3.11/pkg",
    }
    destination = SchemeDictionaryDestination(
        {name: str(path) for name, path in schemes.items()}, "/opt/env/bin/python", "posix"
    )
    with WheelFile.open(tmp_path / "pkg-1.0-py3-none-any.whl") as source:
        install(source, destination, {"INSTALLER": b"envbuild\n"})
    on_disk = {
        f"opt/env/{path.relative_to(prefix)}": (path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
        for path in prefix.rglob("*")
        if path.is_file() and path.name != "RECORD"
    }
    found, _ = installed(unit(tmp_path, content))
    assert {path: one for path, one in found.items() if not path.endswith("RECORD")} == on_disk


def test_every_line_of_record_is_true_and_every_file_has_one(tmp_path):
    found, _ = installed(unit(tmp_path, make_wheel("pkg", "1.0", files=FULL, entry_points={"run": "pkg:main"})))
    rows = list(csv.reader(found[f"{SITE}/pkg-1.0.dist-info/RECORD"][0].decode().splitlines()))
    assert rows == sorted(rows)
    named = {}
    for path, digest, size in rows:
        parts = f"{SITE}/{path}".split("/")
        while ".." in parts:
            at = parts.index("..")
            del parts[at - 1 : at + 1]
        named["/".join(parts)] = (digest, size)
    assert named.keys() == found.keys()
    for path, (digest, size) in named.items():
        data = found[path][0]
        if not path.endswith("RECORD"):
            wanted = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={wanted}", str(len(data)))


def test_the_order_of_the_archive_does_not_matter(tmp_path):
    content = make_wheel("pkg", "1.0", files=FULL)
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        items = [(item, old.read(item)) for item in old.infolist()]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for item, data in reversed(items):
            new.writestr(item, data)
    assert list(installed(unit(tmp_path, content))[0]) == list(installed(unit(tmp_path, target.getvalue()))[0])


def test_an_executable_stays_one(tmp_path):
    def change(new, item, data):
        item.external_attr = (0o100775 if item.filename == "pkg/tool" else 0o100664) << 16
        new.writestr(item, data)

    content = rezipped(make_wheel("pkg", "1.0", files={"pkg/tool": "x", "pkg/file": "y"}), change)
    found, _ = installed(unit(tmp_path, content))
    assert (found[f"{SITE}/pkg/tool"][1], found[f"{SITE}/pkg/file"][1]) == (0o755, 0o644)


@pytest.mark.parametrize(
    "hostile",
    ["../evil.py", "/etc/evil", "pkg/../../evil.py", "pkg-1.0.data/scripts/../../evil", "pkg-1.0.data/data/../../evil"],
)
def test_a_member_that_leads_out_is_refused(tmp_path, hostile):
    def change(new, item, data):
        if item.filename == "pkg/x.py":
            item.filename = hostile
        new.writestr(item, data)

    content = rezipped(make_wheel("pkg", "1.0", files={"pkg/x.py": "x"}), change)
    with pytest.raises(PlanError, match=r"leads out|cannot be installed"):
        installed(unit(tmp_path, content))


def test_an_entry_point_that_leads_out_is_refused(tmp_path):
    content = make_wheel("pkg", "1.0", entry_points={"../../evil": "pkg:main"})
    with pytest.raises(PlanError):
        installed(unit(tmp_path, content))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("envbuild.engines.oci.wheels._ALLOWANCE", 0)
    content = make_wheel("pkg", "1.0", files={"zeros": bytes(5 << 20)})
    with pytest.raises(PlanError, match="MiB"):
        installed(unit(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"PK\3\4 not a zip", make_wheel("other", "1.0")])
def test_what_is_no_such_wheel_is_refused_by_name(tmp_path, content):
    with pytest.raises(PlanError, match=r"pkg-1\.0-py3-none-any\.whl"):
        installed(unit(tmp_path, content))


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    def change(new, item, data):
        new.writestr(item, data)
        if item.filename == "pkg/x.py":
            new.writestr(item, b"another")

    with pytest.warns(UserWarning, match="Duplicate"):
        content = rezipped(make_wheel("pkg", "1.0", files={"pkg/x.py": "x"}), change)
    with pytest.raises(PlanError, match="twice"):
        installed(unit(tmp_path, content))


def test_a_direct_url_is_recorded(tmp_path):
    archive = PipFile(
        filename="pkg-1.0-py3-none-any.whl", url="https://index.example/pkg.whl", hashes=(("sha256", "a" * 64),)
    )
    found, _ = installed(unit(tmp_path, make_wheel("pkg", "1.0"), archive=archive))
    assert b"https://index.example/pkg.whl" in found[f"{SITE}/pkg-1.0.dist-info/direct_url.json"][0]


def test_two_packages_that_write_one_path_are_named(tmp_path):
    one = installed(unit(tmp_path, make_wheel("pkg", "1.0", files={"shared.py": "x = 1\n"})))[1]
    same = Told(files=list(one.files))
    other = Told(files=[(path, "0" * 64, size) for path, _, size in one.files if path.endswith("shared.py")])
    refuse_clashes([("first", one), ("second", same)])
    with pytest.raises(PlanError, match=r"first and second both have .*/shared\.py"):
        refuse_clashes([("first", one), ("second", other)])


def test_what_is_told_survives_json(tmp_path):
    import json

    told = installed(unit(tmp_path, make_wheel("pkg", "1.0")))[1]
    assert Told.from_list(json.loads(json.dumps(told.to_list()))) == told
