"""`envbuild image`: the plan, the Dockerfile, the image."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition, add_quiet, definition_or_default
from envbuild.cli.assembling import add_assembling, image_settings, subdirs
from envbuild.cli.build_options import add_build_options, build_options, secrets
from envbuild.cli.dockerfile import add_dockerfile, render_options
from envbuild.cli.image_words import image_words

if TYPE_CHECKING:
    from envbuild.core.plan import Plan
    from envbuild.core.progress import Progress
    from envbuild.engines.protocol import Image


Layers = Sequence[tuple[str, str]]
"""The kind and the key of each layer of a plan."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "image",
        help="build the image of a definition, unless it exists",
        description="Builds from the lock: makes one where there is none, refuses a stale one. The image is named by its key, "
        "envbuild/envbuild_<32 hex>; one of that name is not built again.",
    )
    add_definition(parser)
    parser.add_argument(
        "--plan", action="store_true", help="print the layers, their keys, and which exist; build nothing"
    )
    parser.add_argument(
        "--explain", action="store_true", help="print what changed since the last build, and why; build nothing"
    )
    add_build(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def add_build(parser: argparse.ArgumentParser) -> None:
    """Add what `image` and `package` say about a build."""
    add_lock(parser)
    add_code(parser)
    _add_engine(parser)
    add_dockerfile(parser)
    add_assembling(parser)


def add_lock(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about the lock that an image is built from."""
    lock = parser.add_argument_group("lock")
    lock.add_argument("--locked", action="store_true", help="never solve: fail without a fresh lock")
    lock.add_argument("--update-lock", action="store_true", help="lock again first")
    lock.add_argument(
        "--allow-unpinned-base", action="store_true", help="build though the base image's digest is not known"
    )


def add_code(parser: argparse.ArgumentParser) -> None:
    """Add whether the user's own source code is in the image."""
    parser.add_argument_group("code").add_argument(
        "--no-code",
        action="store_true",
        help="only what the lock has: not the code of the project and of other folders that the definition names",
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    build = parser.add_argument_group("build")
    build.add_argument(
        "--generate-dockerfile",
        type=Path,
        metavar="DIR",
        help="write a context that `docker build` takes; build nothing",
    )
    build.add_argument("--overwrite", action="store_true", help="replace DIR when it exists")
    build.add_argument("--engine", default="auto", help="auto, docker, podman, buildah, oci (needs no daemon)")
    build.add_argument(
        "-t", "--tag", action="append", default=[], metavar="NAME", help="a further name for the image; repeatable"
    )
    build.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="one of the lock's platforms (default: its first); several (repeated, or P,P) make an index, by the oci engine",
    )
    build.add_argument(
        "--no-reuse", action="store_true", help="build even if the image exists, here or (with --push) in the registry"
    )
    build.add_argument("--target", default="", metavar="STAGE", help="a stage of the Dockerfile")
    build.add_argument(
        "--output", default="", metavar="SPEC", help="BuildKit's output, as written; for the oci engine see docs/oci.md"
    )
    add_build_options(build)


def run(arguments: argparse.Namespace) -> int:
    """Plan, write, or build."""
    path = definition_or_default(arguments.definition)
    from envbuild import api
    from envbuild.cli.progress import progress_for

    progress = progress_for(quiet=arguments.quiet)
    plan = api.plan(
        path,
        environment=arguments.environment,
        platform=next(iter(subdirs(arguments.platform)), ""),
        locked=arguments.locked,
        update_lock=arguments.update_lock,
        # a plan and a context are of use before the base can be reached
        allow_unpinned_base=arguments.allow_unpinned_base or arguments.plan or arguments.explain,
        code=not arguments.no_code,
        progress=progress,
    )
    if arguments.explain:
        return _explain(plan, path, arguments)
    if arguments.plan:
        print_plans(plan, arguments, path)
        return 0
    return make(plan, arguments, path, progress=progress)


_SAY_HOW: tuple[str, ...] = (
    "command",
    "definition",
    "environment",
    "engine",
    "locked",
    "network",
    "secret",
    "ssh",
    "cache_from",
)
_SAY_HOW += ("quiet", "json", "run", "solver_process", "check_imports")
"""Arguments that change nothing where the image exists already."""


_SAY_WHERE = ("push", "tag")
"""Arguments that say where the image goes, not which it is."""


def _is_plain(arguments: argparse.Namespace) -> bool:
    return not any(value for name, value in vars(arguments).items() if name not in (*_SAY_HOW, *_SAY_WHERE))


def _explain(plan: Plan, path: Path, arguments: argparse.Namespace) -> int:
    from envbuild.core.explain import explain
    from envbuild.history import last_layers

    before = last_layers(path, arguments.environment)
    if not before and not arguments.json:
        print(f"{path} was not built on this machine yet")
        return 0
    for one in explain(plan, before):
        if arguments.json:
            print(json.dumps({"kind": one.kind, "key": one.key, "same": one.same, "reasons": one.reasons}))
            continue
        print(f"{one.kind}: {'same' if one.same else 'changed'}")
        for reason in one.reasons or (() if one.same else ("only what lies below it",)):
            print(f"  {reason}")
    return 0


def make(plan: Plan, arguments: argparse.Namespace, path: Path, *, progress: Progress) -> int:
    """Write the context of `plan`, made from the definition in `path`, or build it, as the arguments say."""
    from envbuild import api
    from envbuild.core.errors import UsageError
    from envbuild.history import remember
    from envbuild.lockfile import lock_folder

    root = lock_folder(path)

    platforms = subdirs(arguments.platform)
    if arguments.generate_dockerfile is not None:
        if len(platforms) > 1:
            raise UsageError("a context is for one platform", hint="say one --platform for each folder")
        wording = render_options(arguments, plan)
        api.write_context(
            plan, arguments.generate_dockerfile, options=wording, overwrite=arguments.overwrite, root=root
        )
        folder = str(arguments.generate_dockerfile)
        print(json.dumps({"context": folder, "image_key": plan.image_key}) if arguments.json else folder)
        return 0
    image = api.image(
        plan,
        engine=arguments.engine,
        tags=arguments.tag,
        platforms=platforms,
        reuse=not arguments.no_reuse,
        options=build_options(arguments),
        settings=image_settings(arguments),
        secrets=secrets(arguments),
        root=root,
        progress=progress,
    )
    plain = arguments.command == "image" and _is_plain(arguments)
    remember(path, arguments.environment, plan, plain=plain)
    print_image(image, [(layer.kind, layer.key) for layer in plan.layers], as_json=arguments.json)
    return 0


def subdir(platform: str) -> str:
    """Return conda's name of `platform`, empty for an empty one."""
    from envbuild.core.platforms import parse_platform

    return parse_platform(platform).subdir if platform else ""


def print_image(image: Image, layers: Layers, *, as_json: bool) -> None:
    """Print what was built, or found."""
    fields = ("name", "key", "engine", "built", "id", "digest", "size", "seconds")
    told = {name: getattr(image, name) for name in fields}
    print(image_words(told, image.tags, layers, as_json=as_json), end="")


def print_plans(plan: Plan, arguments: argparse.Namespace, path: Path) -> None:
    """Print the plan, or that of each platform that the arguments name."""
    platforms = subdirs(arguments.platform)
    for one in plan.for_platforms(platforms) if len(platforms) > 1 else (plan,):
        print_plan(one, arguments, path)


def print_plan(plan: Plan, arguments: argparse.Namespace, path: Path) -> None:
    """Print the layers with their keys, which of them builds on this machine made, and whether an engine has the image."""
    from envbuild.history import known_keys

    exists = _exists(plan.image_name, arguments.engine)
    known = set(known_keys(path, arguments.environment))
    if arguments.json:
        layers = [
            {
                "kind": one.kind,
                "title": one.title,
                "key": one.key,
                "exists": one.key in known,
                "content": one.content,
                "origins": [str(at) for at in one.origins],
            }
            for one in plan.layers
        ]
        print(json.dumps({"name": plan.image_name, "key": plan.image_key, "exists": exists, "layers": layers}))
        return
    for layer in plan.layers:
        print(f"{layer.key[:12]}  {layer.kind:7} {'exists' if layer.key in known else 'new':7} {layer.title}")
    print(
        f"{plan.image_name}: {'exists' if exists else 'not built'}{'' if exists is not None else ' (no engine answers)'}"
    )


def _exists(name: str, engine: str) -> bool | None:
    from envbuild.core.errors import EngineError
    from envbuild.engines.detect import container_engine

    try:
        return container_engine(engine).inspect(name) is not None
    except EngineError:
        return None
