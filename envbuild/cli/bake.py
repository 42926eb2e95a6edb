"""`envbuild bake`: every environment of a project as one `docker buildx bake`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition, add_quiet, definition_or_default
from envbuild.cli.build_options import add_build_options, build_options, secrets
from envbuild.cli.dockerfile import add_dockerfile, render_options
from envbuild.cli.image import add_code, add_lock, subdir

if TYPE_CHECKING:
    from envbuild.core.plan import Plan
    from envbuild.core.progress import Progress
    from envbuild.engines.bake import BakeTarget


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "bake",
        help="write a docker-bake.json for all environments of a project, in one graph",
        description="Writes DIR/docker-bake.json and a context for every environment; `cd DIR && docker buildx bake` builds "
        "them together, and what they share once. In NAME and SPEC, {environment} is the target's name, {key} the image key.",
    )
    add_definition(parser, many=True)
    parser.add_argument(
        "-o",
        "--output-dir",
        type=Path,
        default=Path("envbuild-bake"),
        metavar="DIR",
        help="what is written (default: envbuild-bake)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace DIR when it exists")
    parser.add_argument("--build", action="store_true", help="run `docker buildx bake` too")
    add_lock(parser)
    add_code(parser)
    group = parser.add_argument_group("build")
    group.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="a further name; repeatable")
    group.add_argument("--platform", default="", metavar="P", help="one of the locks' platforms (default: their first)")
    add_build_options(group)
    add_dockerfile(parser)
    add_quiet(parser)
    parser.set_defaults(run=run, target="", output="")


def run(arguments: argparse.Namespace) -> int:
    """Write, and build where that is asked."""
    from envbuild.cli.progress import progress_for
    from envbuild.core.errors import UsageError
    from envbuild.engines.bake import BAKE_FILE, bake, bake_file, write_bake
    from envbuild.engines.machine_secrets import default_secrets

    if arguments.push and not arguments.tag:
        raise UsageError(
            "there is no name to push the images under", hint="say --tag 'registry.example/{environment}:1'"
        )
    progress = progress_for(quiet=arguments.quiet)
    paths = list(arguments.definition) or [definition_or_default(None)]
    targets = list(_targets(paths, arguments, progress))
    given = {**(default_secrets() if arguments.build else {}), **secrets(arguments)}
    folder, options = arguments.output_dir, build_options(arguments)
    write_bake(targets, bake_file(targets, options, given), folder, overwrite=arguments.overwrite)
    if arguments.build:
        bake(folder, options=options, progress=progress)
    if arguments.json:
        listed = [{"target": one.name, "tags": list(one.tags), "platform": one.platform} for one in targets]
        print(json.dumps({"file": str(folder / BAKE_FILE), "built": arguments.build, "targets": listed}))
    else:
        print(folder / BAKE_FILE)
    return 0


def _targets(paths: list[Path], arguments: argparse.Namespace, progress: Progress) -> Iterator[BakeTarget]:
    from envbuild import api
    from envbuild.lockfile import lock_folder, lock_name

    for path in paths:
        names = (arguments.environment,) if arguments.environment else api.environment_names(path)
        for name in names:
            plan = api.plan(
                path,
                environment=name,
                platform=subdir(arguments.platform),
                locked=arguments.locked,
                update_lock=arguments.update_lock,
                allow_unpinned_base=arguments.allow_unpinned_base,
                code=not arguments.no_code,
                progress=progress,
            )
            yield _target(plan, lock_name(path, name) or plan.definition.name or "image", lock_folder(path), arguments)


def _target(plan: Plan, called: str, root: Path, arguments: argparse.Namespace) -> BakeTarget:
    from envbuild.engines.bake import BakeTarget, target_name
    from envbuild.render import render

    name = target_name(called)

    def filled(texts: list[str]) -> tuple[str, ...]:
        return tuple(one.replace("{environment}", name.lower()).replace("{key}", plan.image_key[:32]) for one in texts)

    tags = filled(arguments.tag)
    return BakeTarget(
        name=name,
        context=render(plan, options=render_options(arguments, plan), root=root),
        # the name made of the key is for this machine alone: it is no name in a registry
        tags=tags if arguments.push else (plan.image_name, *tags),
        platform=plan.selection.platform.oci,
        cache_from=filled(arguments.cache_from),
        cache_to=filled(arguments.cache_to),
    )
