"""`envbuild hook`: what stands behind `.pre-commit-hooks.yaml`, one process for all files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.annotations import add_format, print_annotations, wants_annotations

if TYPE_CHECKING:
    from envbuild.core.errors import Problem

Hook = Callable[[Sequence[Path], argparse.Namespace], int]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "hook",
        help="what the pre-commit hooks run",
        description="Exit 1 where the answer is no, with the command that mends it. All but lock and image-reproducible are offline.",
    )
    hooks = parser.add_subparsers(metavar="NAME", required=True)
    for name, (explanation, hook) in _HOOKS.items():
        # pre-commit knows them by their ids, which have our name in front
        one = hooks.add_parser(name, aliases=[f"envbuild-{name}"], help=explanation, description=explanation)
        one.add_argument(
            "files",
            nargs="*",
            type=Path,
            metavar="FILE",
            help="definitions, what they include, locks, Dockerfiles (default: all below here)",
        )
        add_format(one)
        one.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
        _add_options(one, name)
        one.set_defaults(run=run, name=name, hook=hook)


def _add_options(parser: argparse.ArgumentParser, name: str) -> None:
    if name == "dockerfile":
        parser.add_argument("--write", action="store_true", help="write what is rendered, and still exit 1")
        parser.add_argument("--platform", default="", metavar="P", help="the platform that it is rendered for")
    if name == "image-reproducible":
        parser.add_argument("--engine", default="auto", help="who builds")
        parser.add_argument("--network", default="", metavar="MODE", help="the network of build steps (host, none)")


def run(arguments: argparse.Namespace) -> int:
    """Run the hook."""
    from envbuild.hooks.targets import files_below

    files = [Path(one) for one in arguments.files] or list(files_below(Path()))
    hook: Hook = arguments.hook
    return hook(files, arguments)


def _report(problems: Sequence[Problem], fixes: Iterable[str], arguments: argparse.Namespace) -> int:
    """Print what is wrong and what mends it; return the exit code."""
    if wants_annotations(arguments):
        print_annotations(problems, arguments, rule=arguments.name)
    else:
        for problem in problems:
            print(problem)
        for fix in dict.fromkeys(fixes):
            print(f"fix: {fix}")
    return 1 if problems else 0


def _lock_check(files: Sequence[Path], arguments: argparse.Namespace) -> int:
    from envbuild.hooks.drift import drifted
    from envbuild.hooks.targets import find_targets

    found = find_targets(files)
    stale = list(drifted(found.targets))
    problems = [*(reason for one in stale for reason in one.reasons), *found.problems]
    return _report(problems, [one.fix for one in stale], arguments)


def _lock(files: Sequence[Path], arguments: argparse.Namespace) -> int:
    from envbuild.hooks.drift import drifted, fix_of
    from envbuild.hooks.targets import find_targets

    found = find_targets(files)
    stale = list(drifted(found.targets))
    for one in stale:
        if one.target.is_service:
            continue
        from envbuild.api import lock
        from envbuild.cli.progress import progress_for

        done = lock(
            one.target.definition,
            environment=one.target.environment,
            output=one.target.lock,
            progress=progress_for(quiet=arguments.quiet),
        )
        print(f"{done.path}: {'refreshed' if done.written else 'unchanged'}; commit it with {one.target.definition}")
    services = [one for one in stale if one.target.is_service]
    problems = [*(reason for one in services for reason in one.reasons), *found.problems]
    return max(_report(problems, [fix_of(one.target) for one in services], arguments), int(bool(stale)))


def _dockerfile(files: Sequence[Path], arguments: argparse.Namespace) -> int:
    from envbuild.cli.image import subdir
    from envbuild.hooks.dockerfiles import committed_dockerfiles, differences

    problems: list[Problem] = []
    fixes = []
    for one in committed_dockerfiles(files):
        found = differences(one, platform=subdir(arguments.platform), write=arguments.write)
        problems.extend(found)
        if found:
            platform = f" --platform {arguments.platform}" if arguments.platform else ""
            fixes.append(f"envbuild hook dockerfile --write{platform} {one.dockerfile}")
    if arguments.write and problems:
        fixes = ["commit what was written"]
    return _report(problems, fixes, arguments)


def _reproducible(files: Sequence[Path], arguments: argparse.Namespace) -> int:
    from envbuild.cli.progress import progress_for
    from envbuild.core.errors import Problem
    from envbuild.hooks.targets import find_targets
    from envbuild.hooks.twice import build_twice

    problems: list[Problem] = []
    for target in find_targets(files).targets:
        if target.is_service:
            continue
        progress = progress_for(quiet=arguments.quiet)
        found = build_twice(target, engine=arguments.engine, network=arguments.network, progress=progress)
        if found.differing:
            paths = ", ".join(found.differing[:5])
            message = f"two builds differ in {len(found.differing)} files: {paths}"
            hint = "find the step that writes them: a time, a random name, a cache, an order"
            problems.append(Problem(message=message, file=str(target.definition), hint=hint))
        elif not wants_annotations(arguments):
            same = f"one digest ({found.digests[0]})" if found.same_digest else "equal file trees; only times differ"
            print(f"{target.words()}: two builds, {same}")
    return _report(problems, [], arguments)


def _secrets(files: Sequence[Path], arguments: argparse.Namespace) -> int:
    from envbuild.hooks.leaks import leaks_in

    return _report([problem for file in files for problem in leaks_in(file)], [], arguments)


_HOOKS: dict[str, tuple[str, Hook]] = {
    "lock-check": ("are the locks fresh?", _lock_check),
    "lock": ("refresh the locks that are not fresh; asks the network", _lock),
    "dockerfile": ("does each committed Dockerfile equal what its lock renders to?", _dockerfile),
    "image-reproducible": ("build each image twice: one digest, or equal file trees?", _reproducible),
    "secrets": ("no credential in a definition, a lock or a Dockerfile?", _secrets),
}
