"""The conda-forge snapshot over loopback HTTP, as it is and amplified to the size of the whole channel."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envbuild.files import cache_root, new_folder

SNAPSHOT = Path(__file__).parents[2] / "shared" / "channels" / "conda-forge"
TIMES = 17
"""Each record once and 16 times as a clone: 12,555 of linux-64 and 6,498 of noarch become 323,901."""

BUILDS = 4
"""So many of the clones are other builds of the same name; the rest have names of their own."""

SUBDIRS = ("linux-64", "osx-arm64", "noarch")
_CHANGED = "Mon, 01 Jan 2024 00:00:00 GMT"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve `folder` with validators; yield its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path) -> type[http.server.BaseHTTPRequestHandler]:
    kept: dict[str, tuple[bytes, str]] = {}

    def find(path: str) -> tuple[bytes, str] | None:
        if path not in kept and ".." not in path and (folder / path).is_file():
            content = (folder / path).read_bytes()
            kept[path] = content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return kept.get(path)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = find(self.path.lstrip("/"))
            content, etag = found or (b"", "")
            status = 404 if found is None else 304 if self.headers.get("If-None-Match") == etag else 200
            self.send_response(status)
            for name, value in (("ETag", etag), ("Last-Modified", _CHANGED), ("Cache-Control", "no-cache")):
                if found is not None:
                    self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET" and status == 200:
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    return Handler


def amplified(*, sharded: bool) -> Path:
    """Return the folder of the snapshot with every record `TIMES` times over, made once and kept in the cache."""
    folder = cache_root() / "benchmarks" / f"conda-forge-{TIMES}-{'sharded' if sharded else 'plain'}"
    if not folder.is_dir():
        with new_folder(folder) as new:
            for subdir in SUBDIRS:
                (new / subdir).mkdir()
                (_write_shards if sharded else _write_plain)(new / subdir, repodata(subdir))
    return folder


def repodata(subdir: str) -> dict[str, Any]:
    """Return the snapshot's listing of `subdir`."""
    import zstandard

    with (SNAPSHOT / subdir / "repodata.json.zst").open("rb") as file:
        found: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().stream_reader(file).read())
    return found


def _clones(record: Mapping[str, Any], suffix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield file name and record of `record` and its clones; dependencies stay, so that every clone can be installed."""
    for number in range(TIMES):
        name, build = record["name"], record["build"]
        if 0 < number <= BUILDS:
            build = f"{build}_{number}"
        elif number:
            name = f"{name}-clone{number}"
        yield f"{name}-{record['version']}-{build}{suffix}", {**record, "name": name, "build": build}


def _all_clones(repodata: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    suffix = ".conda" if key == "packages.conda" else ".tar.bz2"
    for record in repodata[key].values():
        yield from _clones(record, suffix)


def _write_plain(folder: Path, repodata: Mapping[str, Any]) -> None:
    import zstandard

    with (folder / "repodata.json.zst").open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as out:
        out.write(f'{{"info": {json.dumps(repodata["info"])}, "removed": [], "repodata_version": 2'.encode())
        for key in ("packages", "packages.conda"):
            out.write(f', "{key}": {{'.encode())
            for number, (name, record) in enumerate(_all_clones(repodata, key)):
                out.write(f"{',' if number else ''}{json.dumps(name)}:{json.dumps(record)}".encode())
            out.write(b"}")
        out.write(b"}")


def _write_shards(folder: Path, repodata: Mapping[str, Any]) -> None:
    """Write the index of shards and the shards (CEP 16): one for each name, called by its hash."""
    import msgpack
    import zstandard

    shards: dict[str, dict[str, Any]] = {}
    for key in ("packages", "packages.conda"):
        for name, record in _all_clones(repodata, key):
            hashes = {one: bytes.fromhex(record[one]) for one in ("md5", "sha256") if record.get(one)}
            shard = shards.setdefault(record["name"], {"packages": {}, "packages.conda": {}, "removed": []})
            shard[key][name] = {**record, **hashes}
    (folder / "shards").mkdir()
    compressor = zstandard.ZstdCompressor()
    index: dict[str, bytes] = {}
    for name, shard in shards.items():
        content = compressor.compress(msgpack.packb(shard))
        digest = hashlib.sha256(content)
        index[name] = digest.digest()
        (folder / "shards" / f"{digest.hexdigest()}.msgpack.zst").write_bytes(content)
    info = {**repodata["info"], "shards_base_url": "./shards/", "created_at": "2026-11-21T00:00:00Z"}
    listing = msgpack.packb({"version": 1, "info": info, "shards": index})
    (folder / "repodata_shards.msgpack.zst").write_bytes(compressor.compress(listing))


def own_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with `variables`, and the checkout where Python looks for it."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
