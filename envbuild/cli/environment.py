"""`envbuild environment`: environments in the workspace, with the verbs of `az ml environment`, v1's and v2's."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.cli.arguments import add_workspace
from envbuild.cli.model import find_workspace

if TYPE_CHECKING:
    from envbuild.azureml.environments.building import ImageBuildDetails
    from envbuild.workspace.environments import RegisteredEnvironment
    from envbuild.workspace.workspace import Workspace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser(
        "environment", help="register, list, download and build environments by name and version"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_writing(verbs)
    _add_looking(verbs)
    _add_life(verbs)
    _add_building(verbs)
    for one in verbs.choices.values():
        add_workspace(one)
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_writing(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scaffold = verbs.add_parser("scaffold", help="write the files of a default environment to a folder (v1)")
    scaffold.add_argument("-n", "--name", required=True, help="the environment's name")
    scaffold.add_argument("-d", "--directory", required=True, type=Path, help="the new folder")
    scaffold.set_defaults(run=_scaffold)
    register = verbs.add_parser("register", help="keep the environment of a folder as the next version (v1)")
    register.add_argument(
        "-d",
        "--directory",
        required=True,
        type=Path,
        help="the folder that `scaffold` or Azure's save_to_directory wrote",
    )
    register.set_defaults(run=_register)
    create = verbs.add_parser("create", help="keep the environment of a YAML file as the next version (v2)")
    create.add_argument("-f", "--file", required=True, type=Path, help="an environment of Azure's v2")
    create.add_argument("-n", "--name", default="", help="instead of the file's")
    create.add_argument("-v", "--version", default="", help="instead of the file's")
    create.add_argument("--no-build", action="store_true", help="do not build the image of a build context at once")
    create.set_defaults(run=_create)
    download = verbs.add_parser("download", help="write an environment's files to a folder")
    _add_one(download, _download)
    download.add_argument("-d", "--directory", required=True, type=Path, help="where it is written")
    download.add_argument("--overwrite", action="store_true", help="replace what is there")


def _add_looking(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = verbs.add_parser("list", help="the latest version of every environment, or the versions of one")
    listing.add_argument("-n", "--name", default="", help="the versions of this one")
    listing.add_argument("-v", "--version", help="only this version")
    listing.add_argument("--archived", action="store_true", help="the archived ones too")
    listing.set_defaults(run=_list)
    _add_one(verbs.add_parser("show", help="one environment"), _show)
    _add_one(verbs.add_parser("details", help="the image of an environment, from its lock"), _details)


def _add_life(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    update = verbs.add_parser("update", help="change the description or the tags of a version")
    _add_one(update, _update)
    update.add_argument(
        "--set", action="append", default=[], required=True, metavar="KEY=VALUE", help="description=… or tags.NAME=…"
    )
    archive = verbs.add_parser("archive", help="hide a version, or all of a name, from lists")
    _add_one(archive, _archive)
    restore = verbs.add_parser("restore", help="undo archive")
    _add_one(restore, _restore)
    delete = verbs.add_parser("delete", help="delete a version")
    _add_one(delete, _delete)
    label = verbs.add_parser("label", help="put labels on a version")
    _add_one(label, _label)
    label.add_argument("labels", nargs="+", metavar="LABEL", help="latest, production, …")


def _add_building(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = verbs.add_parser("build", help="build the image of an environment from its lock, showing the log")
    _add_one(build, _build)
    build.add_argument("--update", action="store_true", help="lock anew first, and say what moved")
    build.add_argument("--no-docker", action="store_true", help="install it on this machine instead")
    build.add_argument("--platform", default="", metavar="P", help="one of the lock's platforms")
    builds = verbs.add_parser("builds", help="the builds of this workspace and their status")
    builds.add_argument("-n", "--name", default="", metavar="NAME:VERSION", help="only those of this environment")
    builds.set_defaults(run=_builds)
    log = verbs.add_parser("log", help="the log of a build, while it runs and afterwards")
    log.add_argument("build", metavar="BUILD", help="its id, as `builds` lists it")
    log.set_defaults(run=_log)


def _add_one(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("-n", "--name", required=True, metavar="NAME", help="also NAME:VERSION, NAME@LABEL, azureml:…")
    parser.add_argument("-v", "--version", help="the version (default: the latest)")
    parser.set_defaults(run=run)


def _scaffold(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.environment import Environment
    from envbuild.core.errors import WorkspaceError
    from envbuild.workspace.environments import check_name

    check_name(arguments.name)
    try:
        Environment(arguments.name).save_to_directory(arguments.directory)
    except FileExistsError as error:
        raise WorkspaceError(f"{arguments.directory} already exists", hint="name another folder") from error
    print(json.dumps({"directory": str(arguments.directory)}) if arguments.json else arguments.directory)
    return 0


def _register(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.environment import Environment
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.azureml.environments.registered import store
    from envbuild.core.errors import WorkspaceError

    try:
        environment = Environment.load_from_directory(arguments.directory)
    except FileNotFoundError as error:
        raise WorkspaceError(f"{arguments.directory} holds no environment: {error.filename} is missing") from error
    stored = store(Workspace(find_workspace(arguments.workspace, create=True)), environment)
    _print([stored], as_json=arguments.json)
    return 0


def _create(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.environments.environment_yaml import load_environment, register

    workspace = find_workspace(arguments.workspace, create=True)
    asset = load_environment(arguments.file)
    stored = register(workspace, asset, name=arguments.name, version=arguments.version)
    _print([stored], as_json=arguments.json)
    if not (asset.build or asset.dockerfile) or arguments.no_build:
        return 0
    return _follow(workspace, stored, arguments)


def _list(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.environments.curated import curated_names, ensure_curated
    from envbuild.workspace.environments import get_environment, list_environments

    workspace = find_workspace(arguments.workspace)
    for name in curated_names() if not arguments.name else [one for one in curated_names() if one == arguments.name]:
        ensure_curated(workspace, name)
    # a name that is not there is said to be, and not answered with nothing
    chosen = [get_environment(workspace, arguments.name, arguments.version)] if arguments.name else []
    found = chosen if arguments.version else list_environments(workspace, arguments.name, archived=arguments.archived)
    _print(found, as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.environments import texts

    stored = _one(find_workspace(arguments.workspace), arguments)
    if arguments.json:
        print(json.dumps(_as_dict(stored)))
        return 0
    _print([stored], as_json=False)
    for path, text in texts(stored).items():
        print(f"--- {path}\n{text.rstrip()}")
    for one in stored.tree.files:
        print(f"--- {one.path}  {one.size} bytes")
    return 0


def _download(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.environments import write_environment

    workspace = find_workspace(arguments.workspace)
    stored = _one(workspace, arguments)
    write_environment(workspace, stored, arguments.directory, overwrite=arguments.overwrite)
    print(
        json.dumps({"id": stored.id, "directory": str(arguments.directory)}) if arguments.json else arguments.directory
    )
    return 0


def _update(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.environments import change_environment

    workspace = find_workspace(arguments.workspace)
    stored = _one(workspace, arguments)
    description, tags = _changes(arguments.set, dict(stored.tags))
    _print([change_environment(workspace, stored, description=description, tags=tags)], as_json=arguments.json)
    return 0


def _changes(texts: list[str], tags: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    """Return the description (None: as it is) and the tags that `--set` asks for."""
    from envbuild.core.errors import WorkspaceError

    description = None
    for text in texts:
        key, _, value = text.partition("=")
        if key == "description":
            description = value
        elif key.startswith("tags.") and len(key) > len("tags."):
            tags[key.removeprefix("tags.")] = value
        else:
            raise WorkspaceError(
                f"{key} of a version cannot change",
                hint="description= and tags.NAME= can; register a new version for the rest",
            )
    return description, tags


def _archive(arguments: argparse.Namespace) -> int:
    return _set_archived(arguments, archived=True)


def _restore(arguments: argparse.Namespace) -> int:
    return _set_archived(arguments, archived=False)


def _set_archived(arguments: argparse.Namespace, *, archived: bool) -> int:
    from envbuild.azureml.environments.references import parse_reference
    from envbuild.workspace.environments import archive_environment

    name, version, _ = parse_reference(arguments.name)
    chosen = arguments.version or version
    archive_environment(find_workspace(arguments.workspace), name, chosen, archived=archived)
    what = f"{name}:{chosen}" if chosen else name
    done = "archived" if archived else "restored"
    print(json.dumps({done: what}) if arguments.json else f"{what}: {done}")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.environments import delete_environment

    workspace = find_workspace(arguments.workspace)
    stored = _one(workspace, arguments, exact=True)
    delete_environment(workspace, stored.name, stored.version)
    print(json.dumps({"deleted": stored.id}) if arguments.json else f"{stored.id}: deleted")
    return 0


def _label(arguments: argparse.Namespace) -> int:
    from envbuild.workspace.environments import label_environment

    workspace = find_workspace(arguments.workspace)
    stored = _one(workspace, arguments, exact=True)
    label_environment(workspace, stored.name, stored.version, arguments.labels)
    _print([stored], as_json=arguments.json)
    return 0


def _details(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.environments.building import details_of

    workspace = find_workspace(arguments.workspace)
    details = details_of(workspace, _one(workspace, arguments))
    if arguments.json:
        print(json.dumps(details))
        return 0
    print(f"image: {details.image} ({'exists' if details.exists else 'not built'})")
    print(f"digest: {details.digest or 'not known'}")
    print(f"python: {details.interpreter_path}")
    print(details.dockerfile)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    workspace = find_workspace(arguments.workspace)
    return _follow(workspace, _one(workspace, arguments), arguments)


def _follow(workspace: Workspace, stored: RegisteredEnvironment, arguments: argparse.Namespace) -> int:
    """Build, with the log on stdout (none with `--json`), and return the exit code of an engine's failure where it fails."""
    from envbuild.azureml.environments.building import build_stored
    from envbuild.core.errors import EngineError

    build = build_stored(
        workspace,
        stored,
        docker=not getattr(arguments, "no_docker", False),
        update=getattr(arguments, "update", False),
        platform=getattr(arguments, "platform", ""),
    )
    build.wait_for_completion(show_output=not arguments.json)
    _print_builds([build], as_json=arguments.json)
    return 0 if build.status == "Succeeded" else EngineError.exit_code


def _builds(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.environments.building import builds_of

    _print_builds(builds_of(find_workspace(arguments.workspace), arguments.name), as_json=arguments.json)
    return 0


def _log(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.environments.building import get_build
    from envbuild.core.errors import EngineError

    build = get_build(find_workspace(arguments.workspace), arguments.build)
    build.wait_for_completion(show_output=not arguments.json)
    _print_builds([build], as_json=arguments.json)
    return 0 if build.status == "Succeeded" else EngineError.exit_code


def _one(workspace: Workspace, arguments: argparse.Namespace, *, exact: bool = False) -> RegisteredEnvironment:
    """Return the version that `--name` and `--version` name; with `exact` a version must be named."""
    from envbuild.azureml.environments.curated import curated_names, ensure_curated
    from envbuild.azureml.environments.references import parse_reference
    from envbuild.core.errors import WorkspaceError
    from envbuild.workspace.environments import get_environment

    name, version, label = parse_reference(arguments.name)
    chosen = arguments.version or version
    if exact and not chosen and not label:
        raise WorkspaceError(f"which version of {name}?", hint="--version V, or --name NAME:V")
    if name in curated_names():
        ensure_curated(workspace, name)
    return get_environment(workspace, name, chosen, label)


def _as_dict(one: RegisteredEnvironment) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "version": one.version,
        "description": one.description,
        "tags": dict(one.tags),
        "archived": one.archived,
        "createdTime": one.created,
        "main": one.main,
        "files": dict(one.files),
        "context": [file.path for file in one.tree.files],
    }


def _print(found: list[RegisteredEnvironment], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {key: value for key, value in _as_dict(one).items() if key not in ("files", "context")} for one in found
        ]
        for row in rows:
            print(json.dumps(row))
        return
    for one in found:
        tags = " ".join(f"{key}={value}" for key, value in one.tags.items())
        print("  ".join(filter(None, [one.id, one.created, "archived" if one.archived else "", tags, one.description])))


def _print_builds(builds: list[ImageBuildDetails], *, as_json: bool) -> None:
    for one in builds:
        values = one.to_dict()
        if as_json:
            print(json.dumps(values))
        else:
            print(f"{one.id}  {values.get('environment')}  {one.status}  {one.image or one.error}")
