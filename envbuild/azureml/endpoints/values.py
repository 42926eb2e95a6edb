"""What v2's YAML says of endpoints and deployments, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.core.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A registered model (`reference`), or a file or folder of this machine to register (`path`)."""

    reference: str = ""
    path: Path | None = None
    name: str = ""
    kind: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSource:
    """A registered environment (`reference`), an environment's own file, or a place inside the deployment's file."""

    reference: str = ""
    path: Path | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What online and batch deployments share. `code` is the folder of `scoring_script`; both are empty without a script."""

    name: str
    endpoint: str
    file: Path
    model: ModelSource | None = None
    environment: EnvironmentSource | None = None
    code: Path | None = None
    scoring_script: str = ""
    instances: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineDeployment(Deployment):
    """A service behind an endpoint. `timeout_ms` 0 is none; `start_limit` in seconds; `cpus` and `memory_gb` 0 are no limits.

    `model_mount_path` is where an image with its own server finds the models.
    """

    timeout_ms: int = 0
    start_limit: float = 0.0
    cpus: float = 0.0
    memory_gb: float = 0.0
    model_mount_path: str = ""

    @property
    def memory(self) -> str:
        """The limit of memory as engines take it, empty for none."""
        return f"{int(self.memory_gb * 1024)}m" if self.memory_gb else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDeployment(Deployment):
    """How files are scored: `mini_batch_size` files at a time, in `workers` processes.

    `error_threshold` is how many files may fail, -1 any number; `timeout` is that of one mini-batch, in seconds.
    """

    mini_batch_size: int = 10
    workers: int = 1
    append_rows: bool = True
    output_file: str = "predictions.csv"
    retries: int = 3
    timeout: float = 30.0
    error_threshold: int = -1
    logging_level: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address with deployments behind it. `traffic` is percent by deployment, empty where nothing is said of it."""

    name: str
    file: Path
    batch: bool = False
    auth_mode: str = "key"
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    default: str = ""
    deployments: tuple[Deployment, ...] = ()
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()
