"""`envbuild model profile`: how much CPU and memory a service of models needs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envbuild.azureml.core.model import Model
    from envbuild.azureml.core.workspace import Workspace


def add_profile(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "profile",
        help="measure how much CPU and memory a service of models needs",
        description="Starts the packaged service within limits of CPU and memory, replays requests, and prints latencies, "
        "throughput, use, and the smallest limits within 10 % of the best p95. With --add-tag the models get tags; without "
        "an inference configuration and requests nothing else is done.",
    )
    parser.add_argument("-n", "--name", default="", help="the profile's, which no other has")
    parser.add_argument("-m", "--model", "-i", "--i", "--model-id", dest="model", action="append", default=[], metavar="NAME[:V]", help="repeatable")  # fmt: skip
    parser.add_argument(
        "--ic",
        "--inference-config-file",
        dest="ic",
        type=Path,
        metavar="inferenceconfig.json",
        help="the script and its environment",
    )
    parser.add_argument("--idi", "--input-dataset-id", dest="dataset", default="", metavar="NAME[:V]", help="a registered data set with one column, a request in each row")  # fmt: skip
    parser.add_argument(
        "--requests-file", type=Path, metavar="FILE", help="instead: a file with a request on each line"
    )
    parser.add_argument(
        "--requests", type=int, metavar="N", help="at each pair of limits (default: every row, 50 at least)"
    )
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="connections at one time (1)")
    parser.add_argument("--cpu", type=float, metavar="CPUS", help="the most that is tried, 0.1 to 3.5")
    parser.add_argument("--memory-in-gb", "--gb", type=float, metavar="GB", help="the most that is tried, 0.1 to 15")
    parser.add_argument("-d", "--description", default="", help="kept with the profile")
    parser.add_argument("--engine", choices=("auto", "docker", "podman", "local"), default="auto", help="where: in containers, or as a process of this machine (local)")  # fmt: skip
    parser.add_argument("--add-tag", action="append", default=[], metavar="KEY=VALUE", help="for the models, to keep what was found")  # fmt: skip
    parser.add_argument("-g", "--resource-group", default="", help="no effect: a workspace here is in none")
    parser.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace) -> int:
    from envbuild.azureml.core.model import Model
    from envbuild.azureml.core.workspace import Workspace
    from envbuild.cli.model import find_workspace, pairs
    from envbuild.core.errors import WorkspaceError

    workspace = Workspace(find_workspace(arguments.workspace))
    if not arguments.model:
        raise WorkspaceError("no model is named", hint="-m NAME:VERSION")
    models = [Model(workspace, id=one) for one in arguments.model]
    asked = bool(arguments.dataset or arguments.requests_file or arguments.ic or not arguments.add_tag)
    found = _measured(workspace, models, arguments) if asked else {}
    for one in models:
        if arguments.add_tag:
            one.add_tags(pairs(arguments.add_tag))
    _print(found, [one.id for one in models], as_json=arguments.json)
    return 0


def _measured(workspace: Workspace, models: list[Model], arguments: argparse.Namespace) -> dict[str, Any]:
    from envbuild.azureml.core.dataset import Dataset
    from envbuild.azureml.core.model import InferenceConfig
    from envbuild.azureml.profiling.profile import bodies_of, start_profile
    from envbuild.azureml.profiling.replay import read_requests
    from envbuild.core.errors import DefinitionError

    if bool(arguments.dataset) == bool(arguments.requests_file):
        raise DefinitionError("a profile replays one source of requests", hint="give --idi or --requests-file")
    profile = start_profile(
        workspace,
        arguments.name,
        models,
        InferenceConfig.from_file(arguments.ic) if arguments.ic is not None else None,
        bodies_of(Dataset.get_by_id(workspace, arguments.dataset))
        if arguments.dataset
        else read_requests(arguments.requests_file),
        cpu=arguments.cpu,
        memory=arguments.memory_in_gb,
        description=arguments.description,
        engine=arguments.engine,
        requests=arguments.requests,
        concurrency=arguments.concurrency,
    )
    profile.wait_for_completion(show_output=not arguments.json)
    return profile.get_details()


def _print(found: dict[str, Any], models: list[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found or {"models": models}))
        return
    if not found:
        print(f"{', '.join(models)}: tagged")
        return
    for one in found["sweep"]:
        said = one["error"].splitlines()[0] if one["error"] else f"p95 {one['latencyPercentile95InMs']} ms"
        print(f"{one['cpu']:>5} CPUs  {one['memoryInGB']:>5} GB  {said}")
    print(
        f"p50 {found['latencyPercentile50InMs']} ms, p99 {found['latencyPercentile99InMs']} ms, "
        f"{found['measuredQueriesPerSecond']} requests/s, {found['maxUtilizedCpu']} CPUs and "
        f"{found['maxUtilizedMemoryInGB']} GB in use at {found['requestedCpu']} CPUs and {found['requestedMemoryInGB']} GB"
    )
    print(f"recommended: {found['recommendedCpu']} CPUs, {found['recommendedMemoryInGB']} GB")
