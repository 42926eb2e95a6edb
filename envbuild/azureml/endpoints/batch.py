"""Scoring files with a script that has `init()` and `run(mini_batch)`, as v2's batch deployments do."""

from __future__ import annotations

import json
import os
import queue
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import api, programs
from envbuild.azureml.endpoints.batch_workers import MiniBatchError, Program, Worker
from envbuild.azureml.endpoints.deployed import Ready, prepare
from envbuild.azureml.endpoints.values import BatchDeployment
from envbuild.azureml.packaging.package import python_of
from envbuild.azureml.records import Record, now
from envbuild.core.errors import DefinitionError, Problem, ServiceError, WorkspaceError
from envbuild.core.progress import Progress
from envbuild.files import write_atomic

if TYPE_CHECKING:
    from envbuild.azureml.workspace import Workspace

KIND = "batch-deployment"
SUMMARY = "summary.json"


@dataclass(slots=True)
class Outcome:
    """What became of all files; `failures` names the files of each mini-batch that failed, and why."""

    files: int = 0
    mini_batches: int = 0
    failed_files: int = 0
    rows: int = 0
    seconds: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the parts as `summary.json` has them."""
        return {
            "files": self.files,
            "mini_batches": self.mini_batches,
            "failed_files": self.failed_files,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "failures": self.failures,
        }


def keep_deployment(workspace: Workspace, wanted: BatchDeployment, progress: Progress) -> dict[str, Any]:
    """Keep a batch deployment in the workspace, its model registered and its environment locked, and return what is known.

    Raises:
        EnvbuildError: it cannot be packaged.
    """
    ready = prepare(workspace, wanted, progress)
    name = f"{wanted.endpoint}.{wanted.name}" if wanted.endpoint else wanted.name
    values = {
        "name": name,
        "file": str(wanted.file.resolve()),
        "models": list(ready.models),
        "environment": ready.environment,
        "created": now(),
    }
    Record(workspace.core, KIND, name).change(**values)
    return values


def kept_deployment(workspace: Workspace, name: str) -> Path:
    """Return the file of the batch deployment `name`: `endpoint.deployment`, or the deployment's or endpoint's name alone.

    Raises:
        WorkspaceError: there is none, or there are several.
    """
    known = workspace.core.catalogue.records(KIND)
    fitting = [one for one in known if name in (one, *one.split("."))]
    if len(fitting) != 1:
        hint = f"there are: {', '.join(known)}" if known else "`envbuild deploy deployment.yml` keeps one"
        raise WorkspaceError(f"{name} names {len(fitting)} batch deployments", hint=hint)
    return Path(str(known[fitting[0]]["file"]))


def input_files(path: Path) -> list[Path]:
    """Return the file `path`, or all files below the folder `path`, sorted; hidden ones are left out.

    Raises:
        DefinitionError: there is none.
    """
    if path.is_file():
        return [path.resolve()]
    root = path.resolve()
    found = sorted(one for one in root.rglob("*") if one.is_file())
    shown = [one for one in found if not any(part.startswith(".") for part in one.relative_to(root).parts)]
    if not shown:
        raise DefinitionError(Problem(message="holds no file to score", file=str(path)))
    return shown


def score_files(
    ready: Ready,
    wanted: BatchDeployment,
    inputs: Path,
    output: Path,
    *,
    engine: str = "local",
    progress: Progress,
) -> Outcome:
    """Score all of `inputs` and write the rows (with `append_row`) and `summary.json` to the folder `output`.

    Rows stand in the order of the files. Scripts find the folder in `AZUREML_BI_OUTPUT_PATH` too.

    Raises:
        ServiceError: the script cannot be started, or more files failed than `error_threshold` allows. The summary is written then too.
        DefinitionError: there is nothing to score.
    """
    files = input_files(inputs)
    size = wanted.mini_batch_size
    batches = [files[at : at + size] for at in range(0, len(files), size)]
    output.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(files=len(files), mini_batches=len(batches))
    begin = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-batch-")))
        program = _program(ready, wanted, folder, inputs, output, engine, progress)
        count = min(wanted.workers, len(batches))
        workers = [Worker(program(number)) for number in range(count)]
        for one in workers:
            stack.callback(one.close)
        with progress.step(f"score {len(files)} files", len(batches)) as step:
            job = _Job(batches, wanted, outcome, step.advance)
            job.run(workers)
    outcome.seconds = time.monotonic() - begin
    if wanted.append_rows and job.error is None:
        write_atomic(output / wanted.output_file, "".join(f"{row}\n" for row in job.rows()))
    write_atomic(output / SUMMARY, json.dumps(outcome.to_dict(), indent=2) + "\n")
    if job.error is not None:
        raise job.error
    return outcome


class _Job:
    """All mini-batches, shared by the threads that each drive one worker."""

    def __init__(
        self, batches: Sequence[Sequence[Path]], wanted: BatchDeployment, outcome: Outcome, done: Callable[[], None]
    ) -> None:
        self._wanted, self._outcome, self._done = wanted, outcome, done
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[int, list[str]]] = queue.SimpleQueue()
        for number, batch in enumerate(batches):
            self._waiting.put((number, [str(one) for one in batch]))
        self._rows: dict[int, list[str]] = {}
        self.error: ServiceError | None = None

    def run(self, workers: Sequence[Worker]) -> None:
        threads = [
            threading.Thread(target=self._drive, args=(one,), name=f"batch-{at}") for at, one in enumerate(workers)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    def rows(self) -> list[str]:
        return [row for number in sorted(self._rows) for row in self._rows[number]]

    def _drive(self, worker: Worker) -> None:
        while self.error is None:
            try:
                number, files = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                rows, count, why = self._score(worker, files)
            except ServiceError as error:
                self.error = error
                return
            with self._lock:
                self._note(number, files, rows, count, why)

    def _score(self, worker: Worker, files: list[str]) -> tuple[list[str], int, str]:
        why = ""
        for _ in range(self._wanted.retries + 1):
            try:
                return *worker.score(files, self._wanted.timeout), ""
            except MiniBatchError as error:  # noqa: PERF203 - each try is a mini-batch
                why = error.problems[0].message
        return [], 0, why

    def _note(self, number: int, files: list[str], rows: list[str], count: int, why: str) -> None:
        self._rows[number] = rows
        self._outcome.rows += len(rows)
        failed = max(0, len(files) - count)
        if failed:
            self._outcome.failed_files += failed
            said = why or f"run() returned {count} results for {len(files)} files"
            self._outcome.failures.append({"files": files, "failed": failed, "error": said})
        most = self._wanted.error_threshold
        if most >= 0 and self._outcome.failed_files > most:
            last = self._outcome.failures[-1]["error"]
            self.error = ServiceError(
                f"{self._outcome.failed_files} files failed, more than error_threshold {most} allows; the last: {last}"
            )
        self._done()


def _program(
    ready: Ready,
    wanted: BatchDeployment,
    folder: Path,
    inputs: Path,
    output: Path,
    engine: str,
    progress: Progress,
) -> Callable[[int], Program]:
    made, plan = ready.package, ready.package.plan
    if plan.app is None:
        raise ServiceError("there is nothing to score with")
    log, results = output / "log.txt", {"AZUREML_BI_OUTPUT_PATH": str(output.resolve())}
    given = {**dict(plan.definition.variables), **wanted.variables, **results}
    level = {"AZUREML_LOG_LEVEL": wanted.logging_level.upper()}
    if engine == "local":
        from envbuild.engines.local_service import place

        python = python_of(made, progress)
        variables = {**os.environ, **level, **given, **place(plan.app, folder)}
        argv = [str(python), str(folder / plan.app.command[1].lstrip("/")), "--mini-batches"]
        return lambda _number: Program(argv=argv, variables=variables, log=log)
    image = api.image(plan, engine=engine, options=ready.options, root=made.root, progress=progress)
    name = f"envbuild-batch-{secrets.token_hex(4)}"
    mounts = [f"--volume={inputs.resolve()}:{inputs.resolve()}:ro", f"--volume={output.resolve()}:{output.resolve()}"]
    settings = [f"--env={key}={value}" for key, value in {**level, **given}.items()]

    def program(number: int) -> Program:
        own_name = f"{name}-{number}"
        argv = [engine, "run", "--rm", "--interactive", f"--name={own_name}", *_as_owner(output), *mounts, *settings]
        argv += [image.id or image.name, *plan.app.command[:2], "--mini-batches"]  # type: ignore[union-attr]
        # the client's end is not the container's
        return Program(argv=argv, variables=dict(os.environ), log=log, end=lambda: _remove(engine, own_name))

    return program


def _as_owner(output: Path) -> list[str]:
    owner = output.stat()
    return [f"--user={owner.st_uid}:{owner.st_gid}"]


def _remove(engine: str, name: str) -> None:
    programs.run([engine, "rm", "--force", name], check=False)


def described(values: Mapping[str, Any]) -> str:
    """Return a kept deployment as one line."""
    return f"{values['name']}  {', '.join(values['models']) or 'no model'}  {values['environment']}  {values['file']}"
