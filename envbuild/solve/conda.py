"""The conda side: one question for each platform, asked of the solver's process (`conda_worker.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from envbuild.core.definition import CondaSpec
from envbuild.core.errors import FileError, NetworkError, SolveError
from envbuild.core.lock import CondaPackage
from envbuild.files import cache_root
from envbuild.solve.channels import expand_channels
from envbuild.solve.conda_process import SolverProcess
from envbuild.solve.conflict import conda_problems, expanded, one_a_channel
from envbuild.solve.options import SolveOptions

SOLVE_SECONDS = 600
REQUEST_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRequest:
    """What the conda side is to answer for one platform.

    `channels` are in order of priority. `virtual_packages` are `name=version=build`. `locked` are packages to keep where they
    still fit. `constraints` are MatchSpecs that hold for a package only if something needs it. `exclude_newer` is RFC 3339.
    """

    platform: str
    specs: tuple[CondaSpec, ...]
    channels: tuple[str, ...]
    virtual_packages: tuple[str, ...] = ()
    locked: tuple[CondaPackage, ...] = ()
    constraints: tuple[str, ...] = ()
    exclude_newer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaAnswer:
    """The packages of one platform, sorted by name; `purls` maps a package's name to its package URLs, where it has any."""

    platform: str
    packages: tuple[CondaPackage, ...]
    purls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class ChannelError(SolveError):
    """A channel cannot be read: nothing was solved."""

    exit_code = NetworkError.exit_code


class CondaSolver:
    """Answers conda's side; what its process has read of a channel serves all questions. A context manager."""

    def __init__(self, process: SolverProcess | None = None) -> None:
        """Take a `process` that was started early, or start one when it is needed; it ends with this solver."""
        self._started = process
        self._open = False
        self._folder = ""

    def __enter__(self) -> CondaSolver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started is not None:
            self._started.close()

    @property
    def _process(self) -> SolverProcess:
        self._started = self._started or SolverProcess()
        return self._started

    @property
    def pid(self) -> int:
        """The id of the solver's process."""
        return self._process.pid

    def open(self, options: SolveOptions, folder: Path) -> None:
        """Say, once, how channels are reached; `folder` is where relative channels start from now on."""
        self._folder = str(folder.resolve())
        if not self._open:
            self._open = True
            self._process.say(_settings(options))

    def solve(
        self, requests: Sequence[CondaRequest], advance: Callable[[str], None] = lambda _platform: None
    ) -> tuple[CondaAnswer, ...]:
        """Answer all `requests` at once, in their order; `advance` hears each platform that is done.

        Raises:
            ChannelError: a channel cannot be read.
            SolveError: a request has no answer; every such platform is named.
        """
        self._process.say([{**_wish(one), "folder": self._folder} for one in requests])
        answers = [self._process.hear() for _ in requests]
        answers.sort(key=lambda answer: answer["number"])
        problems = [
            problem
            for request, answer in zip(requests, answers, strict=True)
            if "error" in answer
            for problem in conda_problems(request.platform, request.specs, answer)
        ]
        if problems:
            if all(answer.get("error") == "channel" for answer in answers if "error" in answer):
                raise ChannelError(one_a_channel(problems))
            raise SolveError(list(dict.fromkeys(problems)))
        for request in requests:
            advance(request.platform)
        return tuple(_answer(request.platform, answer) for request, answer in zip(requests, answers, strict=True))


def _settings(options: SolveOptions) -> dict[str, object]:
    cache = cache_root() / "repodata"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{cache} cannot be written: {error.strerror or error}") from error
    return {
        "cache": str(cache),
        "offline": options.offline,
        "mirrors": {name: list(urls) for name, urls in options.mirrors.items()},
        "timeout": REQUEST_SECONDS,
    }


def _wish(request: CondaRequest) -> dict[str, object]:
    return {
        "platform": request.platform,
        "channels": expand_channels(request.channels, request.platform),
        "specs": [expanded(spec) for spec in request.specs],
        "names": list(dict.fromkeys(spec.name for spec in request.specs)),
        "virtual": request.virtual_packages,
        "locked": [(one.name, one.version, one.build, one.url) for one in request.locked],
        "constraints": request.constraints,
        "exclude_newer": seconds(request.exclude_newer),
        "seconds": SOLVE_SECONDS,
    }


def seconds(moment: str) -> str:
    """Return an RFC 3339 moment, or a date (its end is meant), as seconds since 1970 for the worker; empty stays empty."""
    import datetime as dt

    if not moment:
        return ""
    text = moment.strip().upper().replace("Z", "+00:00")
    try:
        if len(text) == len("2026-11-21"):
            day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone.utc)
            return str((day + dt.timedelta(days=1)).timestamp())
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise SolveError(
            f"moment {moment!r} is not understood", hint="write 2026-11-21 or 2026-11-21T12:00:00Z (RFC 3339)"
        ) from error
    return str((found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)).timestamp())


def _answer(platform: str, answer: Mapping[str, Any]) -> CondaAnswer:
    records = sorted(answer["records"], key=lambda record: record["name"])
    return CondaAnswer(
        platform=platform,
        packages=tuple(_package(record, platform) for record in records),
        purls={one["name"]: tuple(one["purls"]) for one in records if one.get("purls")},
    )


def _package(record: Mapping[str, Any], platform: str) -> CondaPackage:
    return CondaPackage(
        name=record["name"],
        version=record["version"],
        build=record["build"],
        platform=platform,
        subdir=record["subdir"],
        channel=record["url"].rsplit("/", 2)[0],
        url=record["url"],
        md5=record.get("md5") or "",
        sha256=record.get("sha256") or "",
        size=record.get("size"),
        build_number=record["build_number"],
        depends=_sorted(record.get("depends")),
        constrains=_sorted(record.get("constrains")),
        license=record.get("license") or "",
        noarch=record.get("noarch") or "",
    )


def _sorted(texts: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(texts or ()))
