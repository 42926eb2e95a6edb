"""How a service is to be deployed: what `deploy_configuration` of each kind returns."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.core.errors import DefinitionError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every kind of service takes: who may ask, TLS, and what is recorded.

    `auth_enabled` asks for one of two keys. `ssl_cname` is the name in `scoring_uri`; the certificate and the private key are
    PEM files. `enable_app_insights` records each request with its answer, `collect_model_data` what the script collects.
    """

    port: int | None = None
    auth_enabled: bool | None = None
    primary_key: str | None = field(default=None, repr=False)
    secondary_key: str | None = field(default=None, repr=False)
    ssl_enabled: bool | None = None
    ssl_cert_pem_file: str | None = None
    ssl_key_pem_file: str | None = None
    ssl_cname: str | None = None
    enable_app_insights: bool = False
    collect_model_data: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        """Check what is given.

        Raises:
            DefinitionError: with every problem.
        """
        problems = [Problem(message=text, key=key, hint=hint) for key, text, hint in self.problems()]
        if problems:
            raise DefinitionError(problems)

    @property
    def uses_keys(self) -> bool:
        """Whether requests need a key."""
        return bool(self.auth_enabled)

    @property
    def uses_tokens(self) -> bool:
        """Whether requests need a token; only Kubernetes knows them."""
        return False

    @property
    def uses_tls(self) -> bool:
        """Whether the service answers over https."""
        return bool(self.ssl_enabled or (self.ssl_enabled is None and self.ssl_cert_pem_file))

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The files of the certificate and its private key, where it answers over https."""
        return (Path(str(self.ssl_cert_pem_file)), Path(str(self.ssl_key_pem_file))) if self.uses_tls else None

    def problems(self) -> list[tuple[str, str, str]]:
        """Return what is wrong: key, text, hint."""
        found = []
        if self.port is not None and not 0 < self.port < 65536:
            found.append(("port", f"port {self.port} is not between 1 and 65535", ""))
        for name in ("primary_key", "secondary_key"):
            key = getattr(self, name)
            if key is not None and not re.fullmatch(r"[!-~]{1,1024}", key):
                found.append((name, "a key is printable ASCII without blanks", ""))
            if key is not None and not self.uses_keys:
                found.append((name, "a key is given, and keys are not asked for", "auth_enabled=True"))
        if self.uses_tls:
            found += tls_problems(self.ssl_cert_pem_file, self.ssl_key_pem_file)
        if self.ssl_cname and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", self.ssl_cname):
            found.append(("ssl_cname", f"{self.ssl_cname!r} is not a host's name", ""))
        return found


def tls_problems(cert: str | None, key: str | None) -> list[tuple[str, str, str]]:
    """Return what is wrong with a certificate and its private key, by trying them."""
    named = {"ssl_cert_pem_file": cert, "ssl_key_pem_file": key}
    missing = [
        (name, "TLS needs a certificate and its private key", "PEM files") for name, one in named.items() if not one
    ]
    missing += [(name, f"{one} is not there", "") for name, one in named.items() if one and not Path(one).is_file()]
    if missing or not cert or not key:
        return missing
    try:
        # a key with a password would be asked for on the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        text = f"{cert} and {key} do not make a certificate and its key: {reason}"
        return [
            ("ssl_key_pem_file", text, "PEM, unencrypted; the chain of the certificate in the one file, its own first")
        ]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWebserviceDeploymentConfiguration(Common):
    """A service on this machine. `port` None takes a free one; `use_docker` runs it in a container instead of a process."""

    use_docker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AciServiceDeploymentConfiguration(Common):
    """A service in one container with limits of CPU and memory."""

    cpu_cores: float = 0.1
    memory_gb: float = 0.5

    def problems(self) -> list[tuple[str, str, str]]:
        """Return what is wrong: key, text, hint."""
        found = Common.problems(self)
        if self.cpu_cores <= 0 or self.memory_gb <= 0:
            found.append(("cpu_cores", "cpu_cores and memory_gb are above 0", ""))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AksServiceDeploymentConfiguration(AciServiceDeploymentConfiguration):
    """A service in a Kubernetes cluster. The defaults are Azure's: a tenth of a CPU, half a GB, 1 to 10 replicas, keys.

    Keys and tokens exclude each other. `cpu_cores` and `memory_gb` are what is requested, and the limits too unless those are
    given. `replica_max_concurrent_requests` are the calls of run() at one time in each replica.
    """

    token_auth_enabled: bool = False
    cpu_cores_limit: float | None = None
    memory_gb_limit: float | None = None
    autoscale_enabled: bool = True
    autoscale_min_replicas: int = 1
    autoscale_max_replicas: int = 10
    autoscale_target_utilization: int = 70
    num_replicas: int | None = None
    namespace: str = "default"
    period_seconds: int = 10
    initial_delay_seconds: int = 310
    timeout_seconds: int = 2
    success_threshold: int = 1
    failure_threshold: int = 3
    gpu_cores: int = 0
    scoring_timeout_ms: int = 60_000
    replica_max_concurrent_requests: int = 1

    @property
    def uses_keys(self) -> bool:
        """Whether requests need a key: unless they need a token, or it is said that they do not."""
        return not self.token_auth_enabled if self.auth_enabled is None else self.auth_enabled

    @property
    def uses_tokens(self) -> bool:
        """Whether requests need a token."""
        return self.token_auth_enabled

    def problems(self) -> list[tuple[str, str, str]]:
        """Return what is wrong: key, text, hint."""
        found = AciServiceDeploymentConfiguration.problems(self)
        if self.token_auth_enabled and self.auth_enabled:
            found.append(("token_auth_enabled", "a service takes keys or tokens, not both", "auth_enabled=False"))
        if not 1 <= self.autoscale_min_replicas <= self.autoscale_max_replicas:
            text = "autoscale_min_replicas is 1 or more, and not above autoscale_max_replicas"
            found.append(("autoscale_min_replicas", text, ""))
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", self.namespace):
            found.append(("namespace", f"{self.namespace!r} cannot name a namespace", "a-z, 0-9 and '-' (RFC 1123)"))
        least = {"num_replicas": 1, "period_seconds": 1, "timeout_seconds": 1, "success_threshold": 1,
                 "failure_threshold": 1, "initial_delay_seconds": 0, "gpu_cores": 0, "scoring_timeout_ms": 1,
                 "replica_max_concurrent_requests": 1, "autoscale_target_utilization": 1}  # fmt: skip
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                found.append((name, f"{name} is {low} or more, not {value}", ""))
        for name, asked in (("cpu_cores_limit", self.cpu_cores), ("memory_gb_limit", self.memory_gb)):
            limit = getattr(self, name)
            if limit is not None and limit < asked:
                found.append((name, f"{name} {limit:g} is below the {asked:g} that are asked for", ""))
        return found
