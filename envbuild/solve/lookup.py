"""From pins to packages: for each version the files that the indexes have, with their hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from envbuild.core.errors import SolveError
from envbuild.core.lock import PipFile, PipPackage
from envbuild.core.progress import Progress
from envbuild.net.credentials import strip_credentials
from envbuild.net.http import HttpClient
from envbuild.solve.distributions import for_interpreter, only_hashes, python_minor, relative, within
from envbuild.solve.indexes import IndexAccess, is_local
from envbuild.solve.options import PipRequest
from envbuild.solve.requirements import Asked, is_wheel
from envbuild.solve.simple_index import IndexFile, file_version, folder_files, hashed, is_of, page_files, project_files
from envbuild.solve.uv_output import Annotations

_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """By name the version that was chosen (`versions`) or the URL that a requirement gave (`urls`), and who needs what."""

    versions: Mapping[str, str]
    urls: Mapping[str, str]
    annotations: Annotations


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Finds files. `here` is the platform that the pins were chosen on."""

    request: PipRequest
    asked: Asked
    access: IndexAccess
    here: str
    client: HttpClient = field(default_factory=HttpClient)

    def packages(self, pins: Pins, progress: Progress) -> tuple[PipPackage, ...]:
        """Return a package for each of `pins`, sorted by name.

        Raises:
            SolveError: the first index that knows a name has not the version that was chosen.
            NetworkError: an index cannot be reached.
            IntegrityError: no file has a hash that the definition accepts.
        """
        from concurrent.futures import ThreadPoolExecutor

        names = sorted({*pins.versions, *pins.urls})
        links = self._linked()

        def one(name: str) -> PipPackage:
            found = (
                self._direct(name, pins.urls[name])
                if name in pins.urls
                else self._indexed(name, pins.versions[name], links)
            )
            found = replace(found, dependencies=pins.annotations.dependencies.get(name, ()), platforms=(self.here,))
            return only_hashes(found, self.asked.hashes.get(name, frozenset()))

        with progress.step("looking up files", total=len(names)) as step, ThreadPoolExecutor(_AT_ONCE) as pool:
            packages: list[PipPackage] = []
            for package in pool.map(one, names):
                packages.append(package)
                step.advance(detail=package.name)
        return within(packages)

    def _direct(self, name: str, url: str) -> PipPackage:
        filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        path = unquote(urlsplit(url).path) if url.startswith("file:") else ""
        archive = self._public(PipFile(filename=filename, url="" if path else url, path=path))
        version = file_version(filename)
        return PipPackage(name=name, version=str(version) if version else "", archive=archive)

    def _indexed(self, name: str, version: str, links: Sequence[IndexFile]) -> PipPackage:
        index, found = self._files(name, Version(version), links)
        wheels = [one.file for one in found if is_wheel(one.file.filename)]
        sources = [one.file for one in found if not is_wheel(one.file.filename)]
        kept = for_interpreter(wheels, python_minor(self.request.python))
        return PipPackage(
            name=name,
            version=version,
            requires_python=next((one.requires_python for one in found if one.requires_python), ""),
            index=self.access.public(index),
            wheels=tuple(map(self._public, kept)),
            sdist=self._public(sources[0]) if sources else None,
        )

    def _files(self, name: str, version: Version, links: Sequence[IndexFile]) -> tuple[str, list[IndexFile]]:
        """Return the files of `version`, and the index: the first that knows the name, so that none can slip in a twin."""
        wanted = is_of(name, version)
        here = [one for one in links if wanted(one)]
        for index in self.access.indexes:
            every = project_files(index, name, self.client)
            if every is None:
                continue
            found = [one for one in every if wanted(one)]
            if not found and not here:
                raise SolveError(
                    f"{name} {version} comes from another index than {strip_credentials(index)[0]}, which is asked first and knows {name} too",
                    hint="pip takes a name from any index; the uv resolver from the first that has it: --pip-resolver uv",
                )
            return (index, [*here, *found]) if found else ("", here)
        if not here:
            raise SolveError(f"no index has a file of {name} {version}")
        return "", here

    def _linked(self) -> list[IndexFile]:
        pages = [
            folder_files(Path(link)) if is_local(link) else page_files(link, self.client)
            for link in self.access.find_links
        ]
        return [one for page in pages for one in page]

    def _public(self, file: PipFile) -> PipFile:
        full = hashed(file, self.client)
        path = relative(full.path, Path(self.request.folder)) if full.path else ""
        return replace(full, url=self.access.public(full.url), path=path)
