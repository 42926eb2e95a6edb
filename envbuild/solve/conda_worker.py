"""The conda solve itself, in a process of its own: requests are JSON lines on stdin, answers are JSON lines on stdout.

The engine's runtime can crash the interpreter while it shuts down (a race with its threads), so this process ends by `os._exit`
and nobody trusts its exit code. It is started with `-I -S` and imports nothing of envbuild: start-up is half of a small solve.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import re
import sys
import time
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

EXPLAIN_SECONDS = 10
"""How long a failed solve may be looked into for the few specs that contradict each other."""

_CREDENTIALS = re.compile(r"^([a-z0-9+.-]+://)[^/@]*@")
_TOKEN = re.compile(r"^([a-z0-9+.-]+://[^/]+)/t/[^/]+/")


def without_secrets(url: str) -> str:
    """Return `url` without user, password and conda's `/t/<token>/`."""
    return _TOKEN.sub(r"\1/", _CREDENTIALS.sub(r"\1", url))


def _import_engine(folder: str) -> Any:
    """Return the engine's names, without the half of its package that a solve does not need."""
    package = types.ModuleType("rattler")
    package.__path__ = [os.path.join(folder, "rattler")]  # noqa: PTH118  (pathlib costs start-up time)
    sys.modules["rattler"] = package
    try:
        return _engine_names()
    except ImportError:
        # another version of the engine may be laid out differently: import all of it
        for name in [name for name in sys.modules if name.partition(".")[0] == "rattler"]:
            del sys.modules[name]
        return _engine_names()


def _engine_names() -> Any:
    # the engine's modules import one another in a circle, which has to be entered here
    gateway = importlib.import_module("rattler.repo_data.gateway")
    from rattler.channel import channel, channel_config, channel_priority
    from rattler.match_spec import match_spec
    from rattler.networking import client, middleware
    from rattler.package import BuildString, PackageName
    from rattler.rattler import GatewayError, SolverError
    from rattler.solver.solver import solve
    from rattler.version import Version
    from rattler.virtual_package import generic

    return types.SimpleNamespace(
        BuildString=BuildString,
        Channel=channel.Channel,
        ChannelConfig=channel_config.ChannelConfig,
        Client=client.Client,
        Gateway=gateway.Gateway,
        GatewayError=GatewayError,
        MatchSpec=match_spec.MatchSpec,
        PackageName=PackageName,
        SolverError=SolverError,
        SourceConfig=gateway.SourceConfig,
        Strict=channel_priority.ChannelPriority.Strict,
        Version=Version,
        VirtualPackage=generic.GenericVirtualPackage,
        middleware=middleware,
        solve=solve,
    )


class Worker:
    """One gateway, and with it one copy of each channel's index, for all solves of a conversation."""

    def __init__(self, engine: Any, settings: Json) -> None:
        """Take the names of the engine and the first line of the conversation."""
        self.engine = engine
        self.settings = settings
        action = "force-cache-only" if settings["offline"] else "cache-or-fetch"
        self.gateway = engine.Gateway(
            cache_dir=settings["cache"],
            default_config=engine.SourceConfig(cache_action=action),
            client=self._client(),
        )

    def _client(self) -> Any:
        parts = self.engine.middleware
        # the mirror comes before the credentials, so that it is the mirror's host that gets them
        places = {self._address(name): urls for name, urls in self.settings["mirrors"].items()}
        mirrors = [parts.MirrorMiddleware(places)] if places else []
        stack = [
            parts.RetryMiddleware(0 if self.settings["offline"] else 3),
            *mirrors,
            parts.AuthenticationMiddleware(),
            parts.OciMiddleware(),
            parts.GCSMiddleware(),
            parts.S3Middleware(),
        ]
        return self.engine.Client(stack, user_agent="envbuild", timeout=self.settings["timeout"])

    def _address(self, channel: str) -> str:
        """Return the URL that stands for `channel`, which may be a name."""
        if "://" in channel:
            return channel
        return str(self.engine.Channel(channel, self.engine.ChannelConfig()).base_url).rstrip("/")

    async def answer(self, number: int, wish: Json) -> Json:
        """Solve one `wish` and return `{"number", "records"}` or `{"number", "error", …}`."""
        try:
            return {"number": number, "records": await self._solve(wish)}
        except (self.engine.SolverError, self.engine.GatewayError) as error:
            return {"number": number, **await self._explain(wish, error)}
        except Exception as error:  # noqa: BLE001  (the engine has forty error classes; each is worded by the caller)
            return {"number": number, "error": "engine", "text": f"{type(error).__name__}: {error}"}

    async def _solve(self, wish: Json) -> list[Json]:
        engine = self.engine
        channels = self._channels(wish)
        found = await engine.solve(
            channels,
            self._specs(wish, bare=len(channels) > 1),
            gateway=self.gateway,
            platforms=[wish["platform"], "noarch"],
            locked_packages=await self._locked(wish, channels),
            virtual_packages=[self._virtual(text) for text in wish["virtual"]],
            channel_priority=engine.Strict,
            constraints=[engine.MatchSpec(text, strict=False) for text in wish["constraints"]],
            exclude_newer=_moment(wish["exclude_newer"]),
            timeout=dt.timedelta(seconds=wish["seconds"]),
        )
        return [_plain(record) for record in found]

    def _channels(self, wish: Json) -> list[Any]:
        config = self.engine.ChannelConfig(root_dir=wish["folder"])
        return [self.engine.Channel(name, config) for name in wish["channels"]]

    def _specs(self, wish: Json, *, bare: bool) -> list[Any]:
        """Return the specs, and with `bare` each name once more without its version.

        The gateway loads only what fits a spec, so that a channel of low priority could fill in for a higher one that has
        the name in other versions. The bare name makes it load them all, as strict priority needs.
        """
        match = self.engine.MatchSpec
        specs = [match(text, strict=False) for text in wish["specs"]]
        names = [match(name, strict=False) for name in wish["names"]] if bare else []
        return [*specs, *names]

    def _virtual(self, text: str) -> Any:
        name, version, build = (*text.split("="), "0", "0")[:3]
        engine = self.engine
        return engine.VirtualPackage(engine.PackageName(name), engine.Version(version), engine.BuildString(build))

    async def _locked(self, wish: Json, channels: Sequence[Any]) -> list[Any]:
        """Return the channel's own records of what is locked; what the channel no longer has, or is too new, is left out."""
        if not wish["locked"]:
            return []
        specs = [
            self.engine.MatchSpec(f"{name}=={version}={build}", strict=False)
            for name, version, build, _ in wish["locked"]
        ]
        urls = {url for *_, url in wish["locked"]}
        cutoff = _moment(wish["exclude_newer"])
        found = await self.gateway.query(channels, [wish["platform"], "noarch"], specs, recursive=False)
        return [
            record
            for records in found
            for record in records
            if without_secrets(record.url) in urls and not _too_new(record, cutoff)
        ]

    async def _explain(self, wish: Json, error: Exception) -> Json:
        if isinstance(error, self.engine.GatewayError):
            return {"error": "channel", "text": without_urls_secrets(str(error))}
        names = [await self._available(wish, name) for name in wish["names"]]
        if not all(one["fitting"] for one in names):
            return {"error": "conflict", "text": str(error), "names": names, "core": []}
        core, text = await self._core(wish, str(error))
        return {"error": "conflict", "text": text, "names": names, "core": core}

    async def _core(self, wish: Json, text: str) -> tuple[list[str], str]:
        """Return a smallest set of the specs that is a contradiction by itself, and the solver's explanation of it.

        One spec after another is left out; where the rest still has no answer, it had no part. A solve takes some 20 ms.
        """
        core = list(wish["specs"])
        deadline = time.monotonic() + EXPLAIN_SECONDS
        for spec in list(core):
            rest = [one for one in core if one is not spec]
            if time.monotonic() > deadline:
                break
            try:
                await self._solve({**wish, "specs": rest, "names": _names(self.engine, rest), "locked": []})
            except self.engine.SolverError as error:
                core, text = rest, str(error)
        return core, text

    async def _available(self, wish: Json, name: str) -> Json:
        """Return which versions of `name` there are for the platform, which of them fit, and names that look like it."""
        channels = self._channels(wish)
        match = self.engine.MatchSpec
        wanted = [match(text, strict=False) for text in wish["specs"]]
        wanted = [spec for spec in wanted if spec.name is not None and spec.name.normalized == name]
        found = await self.gateway.query(
            channels, [wish["platform"], "noarch"], [match(name, strict=False)], recursive=False
        )
        records = [record for records in found for record in records]
        fitting = [record for record in records if all(spec.matches(record) for spec in wanted)]
        versions = [str(version) for version in sorted({record.version for record in records})]
        return {
            "name": name,
            "versions": versions if len(versions) < 7 else [versions[0], "…", *versions[-4:]],
            "fitting": len(fitting),
            "close": [] if records else await self._close(channels, wish["platform"], name),
        }

    async def _close(self, channels: Sequence[Any], platform: str, name: str) -> list[str]:
        import difflib

        names = await self.gateway.names(channels, [platform, "noarch"])
        return difflib.get_close_matches(name, sorted({one.normalized for one in names}), n=3, cutoff=0.75)


def _names(engine: Any, specs: Iterable[str]) -> list[str]:
    parsed = [engine.MatchSpec(text, strict=False).name for text in specs]
    return list(dict.fromkeys(name.normalized for name in parsed if name is not None))


def without_urls_secrets(text: str) -> str:
    """Return `text` with the secrets of every URL in it removed."""
    return re.sub(r"[a-z0-9+.-]+://[^\s'\")]+", lambda found: without_secrets(found[0]), text)


def _plain(record: Any) -> Json:
    full: Json = json.loads(record.to_json())
    full["url"] = without_secrets(full["url"])
    return full


def _moment(text: str) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(float(text), tz=dt.timezone.utc) if text else None


def _too_new(record: Any, cutoff: dt.datetime | None) -> bool:
    made = record.indexed_timestamp or record.timestamp
    return cutoff is not None and (made is None or made > cutoff)


def _converse(worker: Worker, loop: Any, lines: Iterable[str]) -> None:
    for line in lines:
        wishes: list[Mapping[str, Any]] = json.loads(line)
        for done in loop.as_completed([worker.answer(number, dict(wish)) for number, wish in enumerate(wishes)]):
            sys.stdout.write(json.dumps(done) + "\n")
            sys.stdout.flush()


def main(folder: str) -> None:
    """Answer what stdin asks until it ends; `folder` is where the engine is installed. Does not return."""
    try:
        # a neighbour: what is here has no package around it
        loop = importlib.import_module("conda_loop").loop_for(folder)
        engine = _import_engine(folder)
        settings = sys.stdin.readline()
        if settings:
            _converse(Worker(engine, json.loads(settings)), loop, sys.stdin)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  (the other side reads stderr when no answer came)
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)
