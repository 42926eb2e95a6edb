import hashlib
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from envbuild import programs
from envbuild.core.errors import DefinitionError, EnvbuildError, IntegrityError, NetworkError
from envbuild.core.progress import Progress
from envbuild.net.downloads import Download, DownloadCache, download, download_all
from envbuild.net.http import HttpClient
from envbuild.net.integrity import Integrity

from .loopback import Answer, ranged

DATA = bytes(range(256)) * 5000


def sha256(data=DATA):
    return hashlib.sha256(data).hexdigest()


def md5(data=DATA):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def cache(tmp_path):
    return DownloadCache(root=tmp_path / "cache")


def item(server, name="a.whl", **promises):
    return Download(url=f"{server.url}/{name}", **(promises or {"sha256": sha256(), "size": len(DATA)}))


def test_a_file_is_downloaded_verified_and_then_taken_from_the_cache(server, client, cache):
    server.on("/a.whl", ranged(DATA))
    found = cache.fetch(item(server), client)
    assert found.read_bytes() == DATA
    assert cache.fetch(item(server), client) == found
    assert len(server.asked("/a.whl")) == 1


def test_what_is_in_the_cache_needs_no_network(server, client, cache):
    server.on("/a.whl", ranged(DATA))
    cache.fetch(item(server), client)
    assert cache.fetch(item(server), HttpClient(offline=True)).read_bytes() == DATA


def test_a_wrong_cache_entry_is_healed(server, client, cache):
    server.on("/a.whl", ranged(DATA))
    cache.fetch(item(server), client).write_bytes(b"damaged")
    assert cache.fetch(item(server), client).read_bytes() == DATA


def test_an_entry_that_has_only_md5_is_kept_by_it(server, client, cache):
    server.on("/a.conda", ranged(DATA))
    found = cache.fetch(item(server, "a.conda", md5=md5()), client)
    assert found.parent.parent.name == "md5"
    assert cache.find(Integrity(md5=md5())) == found


@pytest.mark.parametrize(
    "promise",
    [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"sha256": sha256(), "size": 3}, {"sha256": sha256(), "md5": "0" * 32}],
)
def test_other_bytes_than_promised_are_an_error_and_nothing_is_kept(server, client, cache, promise, tmp_path):
    server.on("/a.whl", ranged(DATA))
    with pytest.raises(IntegrityError, match=r"a\.whl: .*promised"):
        cache.fetch(item(server, **promise), client)
    assert [one for one in (tmp_path / "cache").rglob("*") if one.is_file() and one.suffix != ".lock"] == []


def test_a_truncated_download_goes_on_where_it_broke(server, client, cache):
    server.on("/a.whl", Answer(body=DATA, cut=400_000), ranged(DATA))
    assert cache.fetch(item(server), client).read_bytes() == DATA
    first, second = server.asked("/a.whl")
    assert "range" not in first.headers
    start = int(second.headers["range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 400_000


def test_the_next_run_goes_on_where_the_last_one_ended(server, client, cache):
    server.on("/a.whl", Answer(body=DATA, cut=300_000))
    with pytest.raises(NetworkError, match=r"the connection broke.*3 attempts"):
        cache.fetch(item(server), client)
    server.on("/a.whl", ranged(DATA))
    assert cache.fetch(item(server), client).read_bytes() == DATA
    assert "range" in server.requests[-1].headers


def test_a_beginning_of_another_file_is_thrown_away(server, client, cache):
    promised = item(server)
    part = cache.root / f"{promised.integrity.key}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"other bytes")
    server.on("/a.whl", ranged(DATA))
    assert cache.fetch(promised, client).read_bytes() == DATA


def test_a_beginning_that_is_longer_than_the_file_is_thrown_away(server, client, cache):
    promised = item(server, sha256=sha256())
    part = cache.root / f"{promised.integrity.key}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA + b"more")
    server.on("/a.whl", ranged(DATA))
    assert cache.fetch(promised, client).read_bytes() == DATA


def test_a_download_that_comes_short_without_a_word_goes_on(server, client, cache):
    server.on("/a.whl", Answer(body=DATA[:1000], headers={"Connection": "close"}), ranged(DATA))
    assert cache.fetch(item(server), client).read_bytes() == DATA
    assert server.requests[1].headers["range"] == "bytes=1000-"


def test_a_damaged_download_is_tried_once_more(server, client, cache):
    server.on("/a.whl", Answer(body=bytes(reversed(DATA))), ranged(DATA))
    assert cache.fetch(item(server), client).read_bytes() == DATA
    assert "range" not in server.requests[1].headers


def test_breaks_with_headway_between_them_are_forgiven(server, client, cache):
    data = bytes(12 << 20)

    def halting(request):
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        cut = 2 << 20 if len(data) - start > 2 << 20 else None
        return Answer(status=206 if start else 200, body=data[start:], headers=headers, cut=cut)

    server.on("/a.whl", halting)
    assert cache.fetch(item(server, sha256=sha256(data), size=len(data)), client).stat().st_size == len(data)
    assert len(server.requests) > client.patience.attempts


def test_without_a_hash_a_broken_download_starts_over(server, client, tmp_path):
    server.on("/a.txt", Answer(body=b"version 1 " * 5000, cut=20_000), ranged(b"version 2 " * 5000))
    assert download(Download(url=f"{server.url}/a.txt"), tmp_path / "a", client).read_bytes() == b"version 2 " * 5000


def test_a_url_with_a_password_is_not_shown():
    assert "s3cret" not in repr(Download(url="https://me:s3cret@index.example/a.whl"))


def test_a_server_without_ranges_starts_over(server, client, cache):
    server.on("/a.whl", Answer(body=DATA, cut=300_000), Answer(body=DATA))
    assert cache.fetch(item(server), client).read_bytes() == DATA


def test_a_content_encoding_is_not_undone(server, client, cache):
    import gzip

    packed = gzip.compress(DATA)
    server.on("/a.tar.gz", Answer(body=packed, headers={"Content-Encoding": "gzip"}))
    found = cache.fetch(item(server, "a.tar.gz", sha256=sha256(packed)), client)
    assert found.read_bytes() == packed


def test_a_download_past_the_cache_is_whole_or_absent(server, client, tmp_path):
    server.on("/a.whl", Answer(body=DATA))
    target = tmp_path / "out" / "a.whl"
    assert download(item(server), target, client).read_bytes() == DATA
    server.on("/a.whl", Answer(body=b"changed"))
    with pytest.raises(IntegrityError):
        download(item(server), target, client)
    assert target.read_bytes() == DATA
    assert [one.name for one in target.parent.iterdir()] == ["a.whl"]


class Recorder(Progress):
    def __init__(self):
        self.amount = 0
        self.steps = []

    def started(self, step):
        self.steps.append((step.title, step.total))

    def advanced(self, step, amount, detail):
        self.amount += amount


def test_many_files_arrive_in_order_with_progress(server, client, cache, tmp_path):
    contents = {f"p{number}-1.0.whl": bytes([number]) * 10_000 for number in range(20)}
    for name, data in contents.items():
        server.on(f"/{name}", ranged(data))
    items = [
        Download(url=f"{server.url}/{name}", sha256=sha256(data), size=len(data)) for name, data in contents.items()
    ]
    recorder = Recorder()
    found = download_all(items, tmp_path / "out", client, cache=cache, progress=recorder)
    assert [path.name for path in found] == list(contents)
    assert [path.read_bytes() for path in found] == list(contents.values())
    assert recorder.steps == [("download 20 files", 200_000)]
    assert recorder.amount == 200_000
    again = Recorder()
    download_all(items, tmp_path / "out2", client, cache=cache, progress=again)
    assert again.amount == 200_000
    assert len(server.requests) == 20


def test_a_file_without_a_hash_is_downloaded_each_time(server, client, cache, tmp_path):
    server.on("/a.txt", Answer(body=b"1"), Answer(body=b"2"))
    plain = Download(url=f"{server.url}/a.txt")
    download_all([plain], tmp_path, client, cache=cache)
    assert download_all([plain], tmp_path, client, cache=cache)[0].read_bytes() == b"2"
    assert not cache.root.exists()


def test_the_first_failure_ends_the_others(server, client, cache, tmp_path):
    server.on("*", Answer(body=DATA))
    server.on("/bad.whl", Answer(status=404))
    items = [Download(url=f"{server.url}/{name}") for name in ("bad.whl", *(f"p{number}.whl" for number in range(50)))]
    with pytest.raises(NetworkError, match=r"bad\.whl: 404"):
        download_all(items, tmp_path / "out", client, cache=cache, workers=1)
    assert len(server.requests) < 50


def test_two_different_files_of_one_name_are_refused(server, client, tmp_path):
    items = [Download(url=f"{server.url}/x/a.whl", md5="0" * 32), Download(url=f"{server.url}/y/a.whl", md5="1" * 32)]
    with pytest.raises(DefinitionError, match=r"a\.whl"):
        download_all(items, tmp_path, client)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a%0Ab", "-rf", "a b"])
def test_a_name_that_would_leave_the_folder_is_refused(name):
    with pytest.raises(DefinitionError, match="cannot be the name"):
        Download(url=f"https://index.example/{name.replace('/', '%2F')}")


def test_a_folder_that_cannot_be_written_is_named(server, client, cache, tmp_path):
    (tmp_path / "file").write_text("")
    server.on("/a.whl", ranged(DATA))
    with pytest.raises(EnvbuildError, match=r"file/out cannot be written"):
        download_all([item(server)], tmp_path / "file" / "out", client, cache=cache)


def test_a_hash_in_another_form_is_refused():
    with pytest.raises(DefinitionError, match="is not a sha256"):
        Integrity(sha256="../../etc/passwd")


FETCH = """
import sys
from pathlib import Path
from envbuild.net.downloads import Download, DownloadCache
from envbuild.net.http import HttpClient
url, sha256, root = sys.argv[1:]
found = DownloadCache(root=Path(root)).fetch(Download(url=url, sha256=sha256), HttpClient(offline=False, finder=None))
print(found.stat().st_size)
"""


def test_two_processes_download_one_file_once(server, tmp_path):
    server.on("/a.whl", ranged(DATA))
    argv = [sys.executable, "-c", FETCH, f"{server.url}/a.whl", sha256(), str(tmp_path / "cache")]
    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(programs.run, argv) for _ in range(2)]]
    assert [one.stdout.strip() for one in done] == [str(len(DATA))] * 2
    assert len(server.asked("/a.whl")) == 1


def test_a_download_whose_process_is_killed_is_gone_on_with(server, client, tmp_path):
    cache = DownloadCache(root=tmp_path / "cache")
    promised = Download(url=f"{server.url}/a.whl", sha256=sha256())
    part = cache.root / f"{promised.integrity.key}.part"

    def hang(request):
        return Answer(body=DATA[:600_000], headers={"Content-Length": str(len(DATA))})  # and never the rest

    server.on("/a.whl", hang, ranged(DATA))
    argv = [sys.executable, "-c", FETCH, promised.url, promised.sha256, str(cache.root)]
    process = programs.start(argv, log=tmp_path / "log")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size):
        time.sleep(0.01)
    process.kill()
    process.wait(20)
    assert 0 < part.stat().st_size < len(DATA)
    assert cache.fetch(promised, client).read_bytes() == DATA
    assert server.requests[-1].headers["range"].startswith("bytes=")


FULL = """
import resource, sys
from envbuild.core.errors import EnvbuildError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    exec(sys.argv.pop(1))
except EnvbuildError as error:
    print(type(error).__name__, error)
"""


def test_a_disk_that_is_full_is_said_and_the_next_run_goes_on(server, client, tmp_path):
    server.on("/a.whl", ranged(DATA))
    cache = DownloadCache(root=tmp_path / "cache")
    argv = [sys.executable, "-c", FULL, FETCH, f"{server.url}/a.whl", sha256(), str(cache.root)]
    assert re.match(r"FileError .*cannot be written: File too large", programs.run(argv).stdout)
    assert cache.fetch(item(server), client).read_bytes() == DATA
