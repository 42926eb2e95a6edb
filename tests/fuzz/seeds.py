"""Usual inputs of each target to start from, and pieces that parsers look at."""

from __future__ import annotations

import functools
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import zstandard

from envbuild.net.images import Descriptor, digest_of
from envbuild.net.media_types import OCI_MANIFEST
from tests.fuzz.azureml import azureml_seeds
from tests.security.fields import FIELDS
from tests.support.wheel import make_wheel
from tests.unit.formats import samples


def _tar() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, content in (("etc/os-release", b"ID=debian\n"), ("usr/bin/python3", b"\x7fELF")):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
    return written.getvalue()


def _image_archive() -> bytes:
    """Return an OCI layout as a tar archive, with one image of one layer."""
    layer = _tar()
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [digest_of(layer)]}}).encode()
    manifest = json.dumps(
        {"schemaVersion": 2, "config": _describe(config), "layers": [_describe(layer)], "mediaType": OCI_MANIFEST}
    ).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [_describe(manifest)]}).encode()
    blobs = {f"blobs/sha256/{digest_of(one).partition(':')[2]}": one for one in (layer, config, manifest)}
    return _archive({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs})


def _archive(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _docker_archive() -> bytes:
    """Return an image as `docker save` writes it."""
    layer = _tar()
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [digest_of(layer)]}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l/layer.tar"]}]).encode()
    return _archive({"manifest.json": manifest, "c.json": config, "l/layer.tar": layer})


def _describe(data: bytes) -> dict[str, object]:
    return Descriptor.of(data, OCI_MANIFEST).to_dict()


def _stored_zip(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return written.getvalue()


_PIPFILE = b"""[[source]]
url = "https://index.example/simple"
verify_ssl = true
name = "main"
[packages]
flask = {version = ">=2", extras = ["async"], markers = "os_name == 'posix'"}
thing = {git = "https://git.example/a/thing", ref = "v1"}
six = "*"
[requires]
python_version = "3.11"
"""
_SETUP_CFG = b"""[metadata]
name = p
[options]
python_requires = >=3.10
install_requires =
    six>=1.0; python_version > "3"
    numpy
[options.extras_require]
a = pandas
"""
_MLMODEL = b"""flavors:
  python_function:
    env: {conda: conda.yml, virtualenv: python_env.yaml}
    python_version: 3.11.4
"""
_MLPROJECT = b"""name: p
docker_env:
  image: registry.example/base:1
  volumes: ["/a:/b"]
  environment: [["A", "b"], "C"]
entry_points:
  main: {command: "python x.py"}
"""
_ADVISORY = json.dumps(
    {
        "id": "X-1",
        "aliases": ["CVE-1"],
        "summary": "s",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Flask"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1"}]}],
                "versions": ["1.0", "3.0.0"],
            }
        ],
    }
).encode()
_DESCRIPTOR: dict[str, object] = {
    "mediaType": "a/b",
    "digest": f"sha256:{'0' * 64}",
    "size": 1,
    "annotations": {"a": "b"},
}
_IMAGE_DOCUMENTS: tuple[object, ...] = (
    {"schemaVersion": 2, "manifests": [{**_DESCRIPTOR, "platform": {"os": "linux", "architecture": "amd64"}}]},
    {"schemaVersion": 2, "config": _DESCRIPTOR, "layers": [_DESCRIPTOR, _DESCRIPTOR]},
    {
        "schemaVersion": 2,
        "config": _DESCRIPTOR,
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]},
    },
)
_CASES = Path(__file__).parents[2] / "fixtures"


def _files(*patterns: str) -> list[bytes]:
    found = [path for pattern in patterns for path in sorted(_CASES.rglob(pattern))]
    return [path.read_bytes() for path in found if path.stat().st_size < 20_000][:12]


def _written() -> dict[str, list[bytes]]:
    """Return what people and tools write: definitions and locks."""
    return {
        "lock: conda-lock.yml": _files("conda-lock*.yml"),
        "lock: pylock.toml": _files("pylock*.toml"),
        "lock: uv.lock": [samples.UV.encode()],
        "lock: poetry.lock": [samples.POETRY.encode()],
        "lock: pixi.lock": [samples.PIXI_5.encode(), samples.PIXI_6.encode(), samples.PIXI_7.encode()],
        "lock: Pipfile.lock": [samples.PIPFILE.encode()],
        "lock: mamba.json": [samples.MAMBA.encode()],
        "lock: explicit.txt": [samples.EXPLICIT.encode()],
        "lock header": _files("conda-lock*.yml", "pylock*.toml"),
        **azureml_seeds(),
        "definition: pixi": _files("pixi.toml"),
        "definition: Pipfile": [_PIPFILE],
        "definition: setup.cfg": [_SETUP_CFG],
        "definition: MLmodel": [*_files("MLmodel"), _MLMODEL],
        "definition: MLproject": [_MLPROJECT],
        "definition: python_env": [
            b"python: 3.11.4\nbuild_dependencies:\n- pip==24.0\ndependencies:\n- -r requirements.txt\n"
        ],
        "kind of file": [*_files("*.yml", "*.json"), samples.UV.encode(), _MLPROJECT],
    }


def _archives() -> dict[str, list[bytes]]:
    """Return what images are made of and in."""
    return {
        "own Dockerfile": [
            *_files("*Dockerfile"),
            b'# syntax=a/b\nFROM ubuntu AS x\nRUN <<EOF\na\nEOF\nCOPY --from=x ["a", "b"]\n',
        ],
        "tar layer": [_tar(), gzip.compress(_tar()), zstandard.ZstdCompressor().compress(_tar())],
        "image archive": [_image_archive(), _docker_archive(), _tar()],
        "image documents": [b"\n".join(json.dumps(one).encode() for one in _IMAGE_DOCUMENTS[at:]) for at in (0, 1)]
        + [json.dumps(_IMAGE_DOCUMENTS).encode()],
        "wheel": [
            make_wheel("pkg", "1.0", files={"pkg.py": "x = 1"}, entry_points={"pkg": "pkg:main"}),
            _stored_zip({"a": b"b"}),
        ],
        "ELF": [Path("/bin/true").resolve().read_bytes()[:9000]] if Path("/bin/true").exists() else [b"\x7fELF"],
    }


def _wire() -> dict[str, list[bytes]]:
    """Return what servers and clients send."""
    return {
        "registry challenge": [
            b'Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull"',
            b"Basic realm=x",
        ],
        "advisories": [
            _ADVISORY,
            _ADVISORY + b"\n" + _ADVISORY,
            b"[" + _ADVISORY + b"]",
            _stored_zip({"a.json": _ADVISORY}),
        ],
        "wire request": [
            b'POST /score HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"data": [1]}',
            b"POST /score HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n0\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /swagger.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ],
        "server request": [
            b'POST /score\nContent-Type: application/json\n\n{"data": [[1, 2]]}',
            b"GET /\n\n",
            b"OPTIONS /score\nOrigin: https://a.example\nAccess-Control-Request-Method: POST\n\n",
            b"GET /swagger.json?version=3\n\n",
            b"GET /score?data=1\n\n",
        ],
    }


def _short() -> dict[str, list[bytes]]:
    """Return what stands in one field."""
    return {
        "index page": [
            b'<!DOCTYPE html><html><base href="/x/"><a href="../f/a-1.0-py3-none-any.whl#sha256=ab" data-requires-python="&gt;=3">a</a>',
            b'{"meta": {"api-version": "1.1"}, "files": [{"filename": "a-1.0.tar.gz", "url": "a", "hashes": {"sha256": "ab"}}]}',
        ],
        "image reference": [b"ubuntu:24.04", b"registry.example:5000/a/b@sha256:" + b"a" * 64],
        "MatchSpec": [b"numpy=1.2", b"conda-forge::numpy[version='>=1,<2',build=py_0]", b"a >=1|<2 *_0"],
        "requirement": [
            b"six==1.0; python_version > '3'",
            b"a[b,c] @ https://h.example/a.whl#sha256=ab",
            b"git+https://h.example/a@v1#egg=a",
        ],
        "URL": [b"https://u:secret99@h.example/t/tok/x?y=1#z"],
        ".dockerignore": [b"a/b.c\n*.py\n!a/**/[b-d]?\n# x\n"],
    }


@functools.cache
def seeds(name: str) -> tuple[bytes, ...]:
    """Return usual inputs of a target."""
    kind = name.removeprefix("definition: ")
    own = [
        one.file(one.harmless).encode() for one in FIELDS.values() if name.startswith("definition") and one.kind == kind
    ]
    more = {**_written(), **_archives(), **_wire(), **_short()}
    return (*own, *more.get(name, [])) or (b"x",)


WORDS: tuple[bytes, ...] = tuple(
    word.encode()
    for word in (
        *(
            "\n",
            "\r\n",
            "\0",
            "\\",
            "'",
            '"',
            "`",
            "$",
            "${X}",
            "$(x)",
            "{{",
            "{%",
            "[",
            "]",
            "{",
            "}",
            "(",
            ")",
            "<",
            ">",
        ),
        *(
            ",",
            ";",
            ":",
            "::",
            "@",
            "#",
            "!",
            "!!",
            "&a",
            "*a",
            "|",
            "||",
            "&&",
            "=",
            "==",
            ">=",
            "~=",
            "!=",
            "*",
            "?",
            "%",
        ),
        *(
            "- ",
            "  ",
            "\t",
            "---\n",
            "...\n",
            "<<: ",
            "null",
            "true",
            "1e999",
            "-1",
            "0x",
            "9" * 30,
            ".inf",
            "2024-01-01",
        ),
        *(
            "FROM ",
            "RUN ",
            "COPY ",
            "ENV ",
            "<<EOF\n",
            "EOF\n",
            "--mount=",
            "--from=",
            "# syntax=",
            "AS ",
            "../",
            "/",
            "~",
        ),
        *(
            "git+",
            "https://",
            "file:",
            "-e ",
            "-r ",
            "-c ",
            "--hash=sha256:",
            "--index-url ",
            "; python_version",
            " and ",
            "extra",
        ),
        *(
            "dependencies",
            "channels",
            "pip",
            "name",
            "image",
            "build",
            "conda_file",
            "packages",
            "wheels",
            "url",
            "path",
            "marker",
        ),
        *(
            "[tool.envbuild]\n",
            "[[packages]]\n",
            "[project]\n",
            "é",
            "\u2028",
            "\u00a0",
            "\ufeff",
            "\U0001f4a9",
            "\ud7ff",
        ),
    )
)
