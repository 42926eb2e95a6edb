"""Downloading files: streamed, resumed, verified, kept by their hash, many at a time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from envbuild.core.errors import DefinitionError, EnvbuildError, FileError, IntegrityError
from envbuild.core.progress import SILENT, Progress
from envbuild.files import beside, cache_root, exclusive
from envbuild.net.credentials import mask_url
from envbuild.net.http import HttpClient, PassingError
from envbuild.net.integrity import Integrity

if TYPE_CHECKING:
    import requests

Advance = Callable[[int], None]

_CHUNK = 1 << 18
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+~%@=,-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file to get: its URL, its name (the URL's last part when empty), and what is promised about it."""

    url: str = field(repr=False)
    filename: str = ""
    sha256: str = ""
    md5: str = ""
    size: int | None = None

    def __post_init__(self) -> None:
        if not _FILENAME.fullmatch(self.name):
            raise DefinitionError(f"{mask_url(self.url)}: {self.name!r} cannot be the name of a downloaded file")

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.filename or unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def integrity(self) -> Integrity:
        """What is promised about the bytes."""
        return Integrity(sha256=self.sha256, md5=self.md5, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadCache:
    """Files by their hash under `root`; verified on every read, fetched anew when wrong, safe for several processes."""

    root: Path = field(default_factory=lambda: cache_root() / "downloads")

    def find(self, integrity: Integrity, name: str = "") -> Path | None:
        """Return the file that `integrity` promises where it is here and right; a wrong one is removed."""
        path = self.root / integrity.key
        if not integrity.key or not path.is_file():
            return None
        try:
            integrity.check(path, name or str(path))
        except IntegrityError:
            path.unlink(missing_ok=True)
            return None
        return path

    def get(self, integrity: Integrity, name: str, fill: Callable[[Path], None]) -> Path:
        """Return the promised file; where it is missing, `fill` writes it to the path that it is given.

        That path may hold the beginning of an earlier attempt, which `fill` may go on from.

        Raises:
            IntegrityError: `fill` wrote other bytes than promised; nothing is kept then.
            EnvbuildError: no hash is promised, or the cache cannot be written.
        """
        if not integrity.key:
            raise EnvbuildError(f"{name}: without a hash it cannot be kept in the cache")
        path = self.root / integrity.key
        with _writing(path), exclusive(path.with_name(f"{path.name}.lock")):
            if found := self.find(integrity, name):
                return found
            part = path.with_name(f"{path.name}.part")
            _fill_verified(part, integrity, name, fill)
            part.replace(path)
        return path

    def fetch(self, item: Download, client: HttpClient, *, advance: Advance = lambda _: None) -> Path:
        """Return the file of `item`, from here or from its URL.

        Raises:
            NetworkError, IntegrityError, EnvbuildError: as `get` and `HttpClient.request`.
        """
        return self.get(item.integrity, item.name, lambda part: stream_to(part, item, client, advance=advance))


def download(item: Download, target: Path, client: HttpClient, *, advance: Advance = lambda _: None) -> Path:
    """Write the file of `item` to `target` in one step, past the cache: it is there whole and verified, or not at all.

    Raises:
        NetworkError, IntegrityError, EnvbuildError: nothing was changed.
    """
    with _writing(target), beside(target) as folder:
        part = folder / "file"
        part.touch(mode=0o644)
        _fill_verified(part, item.integrity, item.name, lambda path: stream_to(path, item, client, advance=advance))
        with part.open("ab") as file:
            os.fsync(file.fileno())
        part.replace(target)
    return target


def download_all(
    items: Sequence[Download],
    folder: Path,
    client: HttpClient,
    *,
    cache: DownloadCache | None = None,
    workers: int = 8,
    progress: Progress = SILENT,
) -> list[Path]:
    """Put all of `items` into `folder`, `workers` at a time, and return their paths in the same order.

    What promises a hash goes through the cache (the folder gets a hard link where it can). The first failure stops
    the others and is raised; what was finished stays in the cache, so that the next run goes on from there.

    Raises:
        DefinitionError: two items have one name and differ.
        NetworkError, IntegrityError, EnvbuildError: a file cannot be had or written.
    """
    _refuse_clashes(items)
    cache, stop, counting = cache or DownloadCache(), threading.Event(), threading.Lock()
    patient = replace(client, sleep=stop.wait)
    total = sum(item.size for item in items if item.size) or None
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with progress.step(f"download {len(items)} files", total) as step:

        def one(item: Download) -> Path:
            came = 0

            def advance(amount: int) -> None:
                nonlocal came
                if stop.is_set():
                    raise EnvbuildError(f"{item.name}: stopped")
                came += amount
                with counting:
                    step.advance(amount, item.name)

            path = _place(item, folder / item.name, patient, cache, advance)
            if item.size and came < item.size:
                advance(item.size - came)
            return path

        return _together(one, items, workers, stop)


def stream_to(part: Path, item: Download, client: HttpClient, *, advance: Advance = lambda _: None) -> None:
    """Write the bytes at the URL of `item` to `part`, going on where it ends; nothing is verified here.

    Raises:
        NetworkError: they cannot be had; what came stays in `part`.
    """
    client.retry(lambda: _stream_once(part, item, client, advance), position=lambda: _size(part))


def _stream_once(part: Path, item: Download, client: HttpClient, advance: Advance) -> None:
    # without a hash nobody would see that two versions of a file were put together
    have = _size(part) if item.integrity.key else 0
    if have and item.size is not None and have >= item.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    response = client.attempt("GET", item.url, headers=headers, accept=(200, 206, 416), stream=True)
    with response:
        if response.status_code == 416 or (response.status_code == 206 and not _continues(response, have)):
            part.unlink(missing_ok=True)
            raise PassingError(f"GET {mask_url(item.url)}: it cannot be resumed", wait=0)
        with part.open("ab" if response.status_code == 206 else "wb") as file:
            for chunk in _chunks(response, item.url):
                file.write(chunk)
                advance(len(chunk))
    # where the server said how much there is, it came whole: then the file is another one
    if item.size is not None and _size(part) < item.size and "Content-Length" not in response.headers:
        raise PassingError(f"GET {mask_url(item.url)}: {_size(part)} of {item.size} bytes came")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _continues(response: requests.Response, have: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _chunks(response: requests.Response, url: str) -> Iterator[bytes]:
    from envbuild.net import session

    try:
        # undecoded: the hash is of the file as it lies on the server, whatever Content-Encoding says
        yield from response.raw.stream(_CHUNK, decode_content=False)
    except session.BROKEN as error:
        raise PassingError(session.explain(f"GET {mask_url(url)}", error).problems[0]) from error


def _fill_verified(part: Path, integrity: Integrity, name: str, fill: Callable[[Path], None]) -> None:
    for last in (False, True):
        fill(part)
        try:
            # not forced to the disk: what a crash leaves half written in the cache is found out when it is read next
            integrity.check(part, name)
        except IntegrityError:
            part.unlink()
            # the beginning may have been another file's, or the way here may have damaged it: once more from nothing
            if last:
                raise
        else:
            return


def _place(item: Download, target: Path, client: HttpClient, cache: DownloadCache, advance: Advance) -> Path:
    if not item.integrity.key:
        return download(item, target, client, advance=advance)
    found = cache.fetch(item, client, advance=advance)
    with _writing(target), beside(target, sweep=False) as folder:
        part = folder / "file"
        try:
            part.hardlink_to(found)
        except OSError:
            shutil.copyfile(found, part)
        part.replace(target)
    return target


def _together(
    one: Callable[[Download], Path], items: Sequence[Download], workers: int, stop: threading.Event
) -> list[Path]:
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="download") as pool:
        futures = [pool.submit(one, item) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            _raise_first(futures, done)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _raise_first(futures: Sequence[Future[Path]], done: set[Future[Path]]) -> None:
    for future in futures:
        if future in done and (error := future.exception()):
            raise error


def _refuse_clashes(items: Sequence[Download]) -> None:
    seen: dict[str, Integrity] = {}
    for item in items:
        if seen.setdefault(item.name, item.integrity) != item.integrity:
            raise DefinitionError(f"two different files to download are both called {item.name}")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
