from __future__ import annotations

from pathlib import Path

from envbuild.engines.argv import (
    INLINE,
    buildah_arguments,
    buildkit_arguments,
    buildx_arguments,
    classic_arguments,
    run_arguments,
    without_client,
)
from envbuild.engines.protocol import BuildOptions, RunOptions

FOLDER, TOLD = Path("/context"), Path("/told")
FULL = BuildOptions(
    platform="linux/arm64",
    no_cache=True,
    pull=True,
    build_args=(("A", "1"), ("B", "x y")),
    target="stage",
    cache_from=("type=registry,ref=r.example/c",),
    cache_to=("type=registry,ref=r.example/c,mode=max",),
    ssh=("default",),
    network="host",
    builder="farm",
)
SECRETS = {"netrc": Path("/n"), "ca": Path("/c")}
SHARED = [
    "--tag=a",
    "--tag=b",
    "--platform=linux/arm64",
    "--target=stage",
    "--network=host",
    "--build-arg=A=1",
    "--build-arg=B=x y",
    "--cache-from=type=registry,ref=r.example/c",
    "--secret=id=ca,src=/c",
    "--secret=id=netrc,src=/n",
    "--ssh=default",
    "--no-cache",
    "--pull",
    "/context",
]


# those that know no kinds of caches take the name of an image
BY_NAME = [one.replace("type=registry,ref=", "") for one in SHARED]


def test_buildx_with_everything() -> None:
    assert buildx_arguments(FOLDER, ("a", "b"), FULL, SECRETS, metadata=TOLD) == [
        "buildx",
        "build",
        "--progress=plain",
        "--metadata-file=/told",
        "--builder=farm",
        "--cache-to=type=registry,ref=r.example/c,mode=max",
        "--load",
        *SHARED,
    ]


def test_buildx_loads_unless_the_image_goes_elsewhere() -> None:
    def flags(options: BuildOptions) -> set[str]:
        return {"--load", "--push"} & set(buildx_arguments(FOLDER, ("a",), options, {}, metadata=TOLD))

    assert flags(BuildOptions()) == {"--load"}
    assert flags(BuildOptions(push=True)) == {"--push"}
    assert flags(BuildOptions(push=True, load=True)) == {"--push", "--load"}
    assert flags(BuildOptions(output="type=oci,dest=x.tar")) == set()


def test_an_old_clients_buildkit() -> None:
    argv = buildkit_arguments(FOLDER, ("a", "b"), FULL, SECRETS, identity=TOLD)
    assert argv == ["build", "--progress=plain", "--iidfile=/told", *BY_NAME]


def test_inline_caches_are_a_build_argument_where_there_is_no_buildx() -> None:
    options = without_client(
        BuildOptions(build_args=(("A", "1"),), cache_to=(INLINE,), cache_from=("r.example/c", "type=gha"))
    )
    assert options == BuildOptions(
        build_args=(("A", "1"), ("BUILDKIT_INLINE_CACHE", "1")), cache_from=("r.example/c", "type=gha")
    )


def test_the_legacy_builder_gets_no_secrets() -> None:
    assert classic_arguments(FOLDER, ("a",), BuildOptions(), identity=TOLD) == [
        "build",
        "--iidfile=/told",
        "--tag=a",
        "/context",
    ]


def test_buildah_and_podman_keep_the_healthcheck() -> None:
    argv = buildah_arguments(FOLDER, ("a", "b"), FULL, SECRETS, identity=TOLD)
    assert argv == ["build", "--format=docker", "--layers", "--iidfile=/told", "--cache-to=r.example/c", *BY_NAME]


def test_a_container_with_everything() -> None:
    options = RunOptions(
        name="c",
        ports=((5001, 6789), (80, 0)),
        variables=(("A", "x y"),),
        labels=(("l", "1"),),
        command=("python", "-V"),
        volumes=(("/here", "/there"),),
        network="bridge",
        user="1:1",
        memory="512m",
        cpus=1.5,
        shm_size="2g",
        arguments=("--ipc=host",),
    )
    assert run_arguments("image", options) == [
        "run",
        "--detach",
        "--name=c",
        "--network=bridge",
        "--user=1:1",
        "--memory=512m",
        "--cpus=1.5",
        "--shm-size=2g",
        "--publish=127.0.0.1:6789:5001",
        "--publish=127.0.0.1::80",
        "--env=A=x y",
        "--label=l=1",
        "--volume=/here:/there",
        "--ipc=host",
        "image",
        "python",
        "-V",
    ]


def test_a_container_as_it_is() -> None:
    assert run_arguments("image", RunOptions()) == ["run", "--detach", "image"]
