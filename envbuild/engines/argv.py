"""Build and run options as the arguments of docker, podman and buildah. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from envbuild.engines.protocol import BuildOptions, RunOptions

INLINE = "type=inline"
"""The one `--cache-to` that BuildKit inside an engine knows: the cache's records lie in the image that is pushed."""


def without_client(options: BuildOptions) -> BuildOptions:
    """Return `options` in the words of BuildKit inside an engine: inline is a build argument, a cache an image's name."""
    inline = (("BUILDKIT_INLINE_CACHE", "1"),) if INLINE in options.cache_to else ()
    return replace(
        options,
        build_args=(*options.build_args, *inline),
        cache_to=tuple(one for one in options.cache_to if one != INLINE),
        cache_from=tuple(_reference(one) for one in options.cache_from),
    )


def _reference(cache: str) -> str:
    """Return the image that `type=registry,ref=IMAGE` names; what is written in another way stays as it is."""
    pairs = dict(one.partition("=")[::2] for one in cache.split(","))
    return pairs.get("ref", cache) if pairs.get("type") == "registry" else cache


def buildx_arguments(
    folder: Path, tags: tuple[str, ...], options: BuildOptions, secrets: Mapping[str, Path], *, metadata: Path
) -> list[str]:
    """Return what follows `docker` to build `folder` with buildx; `metadata` is the file that gets the digest."""
    argv = ["buildx", "build", "--progress=plain", f"--metadata-file={metadata}"]
    if options.builder:
        argv.append(f"--builder={options.builder}")
    argv += [f"--cache-to={one}" for one in options.cache_to]
    if options.output:
        argv.append(f"--output={options.output}")
    if options.push:
        argv.append("--push")
    if options.load or not (options.push or options.output):
        argv.append("--load")
    return [*argv, *_shared(tags, options, secrets), str(folder)]


def buildkit_arguments(
    folder: Path, tags: tuple[str, ...], options: BuildOptions, secrets: Mapping[str, Path], *, identity: Path
) -> list[str]:
    """Return what follows `docker` to build `folder` with `DOCKER_BUILDKIT=1`; `identity` is the file that gets the image id."""
    options = without_client(options)
    argv = ["build", "--progress=plain", f"--iidfile={identity}"]
    if options.output:
        argv.append(f"--output={options.output}")
    return [*argv, *_shared(tags, options, secrets), str(folder)]


def classic_arguments(folder: Path, tags: tuple[str, ...], options: BuildOptions, *, identity: Path) -> list[str]:
    """Return what follows `docker` to build `folder` with the legacy builder, which takes no secrets."""
    return ["build", f"--iidfile={identity}", *_shared(tags, options, {}), str(folder)]


def buildah_arguments(
    folder: Path, tags: tuple[str, ...], options: BuildOptions, secrets: Mapping[str, Path], *, identity: Path
) -> list[str]:
    """Return what follows `podman` or `buildah` to build `folder`; the docker format keeps the HEALTHCHECK."""
    options = replace(
        options,
        cache_from=tuple(_reference(one) for one in options.cache_from),
        cache_to=tuple(_reference(one) for one in options.cache_to),
    )
    argv = ["build", "--format=docker", "--layers", f"--iidfile={identity}"]
    argv += [f"--cache-to={one}" for one in options.cache_to]
    if options.output:
        argv.append(f"--output={options.output}")
    return [*argv, *_shared(tags, options, secrets), str(folder)]


def _shared(tags: tuple[str, ...], options: BuildOptions, secrets: Mapping[str, Path]) -> Iterator[str]:
    yield from (f"--tag={tag}" for tag in tags)
    for flag, value in (("platform", options.platform), ("target", options.target), ("network", options.network)):
        if value:
            yield f"--{flag}={value}"
    yield from (f"--build-arg={name}={value}" for name, value in options.build_args)
    yield from (f"--cache-from={one}" for one in options.cache_from)
    yield from (f"--secret=id={name},src={path}" for name, path in sorted(secrets.items()))
    yield from (f"--ssh={one}" for one in options.ssh)
    if options.no_cache:
        yield "--no-cache"
    if options.pull:
        yield "--pull"


def run_arguments(image: str, options: RunOptions) -> list[str]:
    """Return what follows `docker` or `podman` to start a container of `image` in the background."""
    argv = ["run", "--detach"]
    values = (
        ("name", options.name),
        ("network", options.network),
        ("user", options.user),
        ("memory", options.memory),
        ("cpus", f"{options.cpus:g}" if options.cpus else ""),
        ("shm-size", options.shm_size),
    )
    argv += [f"--{flag}={value}" for flag, value in values if value]
    argv += [f"--publish=127.0.0.1:{outside or ''}:{inside}" for inside, outside in options.ports]
    argv += [f"--env={name}={value}" for name, value in options.variables]
    argv += [f"--label={name}={value}" for name, value in options.labels]
    argv += [f"--volume={outside}:{inside}" for outside, inside in options.volumes]
    return [*argv, *options.arguments, image, *options.command]
