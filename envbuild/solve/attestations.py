"""Attestations of an index's files (PEP 740): asked for, verified against sigstore's root of trust, and held against what is wished.

An attestation says that a publisher (a workflow of a repository, an account) uploaded exactly these bytes under this name. Takes the
extra `sigstore`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envbuild.core.attestation_policy import OFF, REQUIRE, VERIFY, Policy, is_any, wish_for
from envbuild.core.errors import IntegrityError, NetworkError, Problem
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import Lock, PipFile, PipPackage
from envbuild.core.progress import SILENT, Progress
from envbuild.files import cache_root, write_atomic
from envbuild.net.http import HttpClient
from envbuild.signing.keyless import ROOT, verifier
from envbuild.solve.indexes import IndexAccess, index_access
from envbuild.solve.simple_index import IndexFile, project_files
from envbuild.solve.task import Task

if TYPE_CHECKING:
    import sigstore.verify

LARGEST = 8 << 20
"""Bytes of what an index says about one file: an attestation has some ten thousand."""

_AT_ONCE = 8
_SITES = {
    "GitHub": ("github", "https://token.actions.githubusercontent.com", "https://github.com/"),
    "GitLab": ("gitlab", "https://gitlab.com", "https://gitlab.com/"),
}
_EXEMPT = 'to lock it all the same: attestations = {{"{name}" = "off"}} in [tool.envbuild]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """By whom the files of a locked distribution are attested: `github:owner/repository`, …"""

    name: str
    version: str
    publishers: tuple[str, ...]


def verify_attestations(
    lock: Lock, policy: Policy, access: IndexAccess, client: HttpClient, progress: Progress = SILENT
) -> tuple[Attested, ...]:
    """Verify what `policy` asks of the distributions of `lock`, and return who attests what, sorted by name.

    Raises:
        IntegrityError: an attestation is wrong, or is missing where it is required; every such file is named.
        NetworkError: an index cannot be asked.
        EnvbuildError: the extra `sigstore` is not installed.
    """
    wanted = [one for one in lock.pip if wish_for(policy, one.name) != OFF]
    if not wanted or not is_any(policy):
        return ()
    asking = _Asking(access=access, client=client, policy=policy, verifier=verifier())
    with progress.step("verifying attestations", total=len(wanted)) as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        found: list[tuple[Attested | None, tuple[Problem, ...]]] = []
        for one in pool.map(asking.package, wanted):
            found.append(one)
            step.advance()
    problems = [problem for _, wrong in found for problem in wrong]
    if problems:
        raise IntegrityError(problems)
    return tuple(sorted((one for one, _ in found if one is not None), key=lambda one: one.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    access: IndexAccess
    client: HttpClient
    policy: Policy
    verifier: sigstore.verify.Verifier

    def package(self, package: PipPackage) -> tuple[Attested | None, tuple[Problem, ...]]:
        wish = wish_for(self.policy, package.name)
        place = f"{package.name} {package.version}"
        listed = {one.file.filename: one for one in self._listed(package)}
        publishers, wrong = set[str](), list[Problem]()
        files = [one for one in package.files if one.sha256]
        if not files and wish != VERIFY:
            wrong.append(Problem(message=f"{place} is no file of an index, so nothing can be attested of it"))
        for file in files:
            try:
                publishers |= set(self._file(package.name, file, listed.get(file.filename), wish))
            except IntegrityError as error:  # noqa: PERF203 - all that is wrong is told
                wrong += error.problems
        attested = Attested(name=package.name, version=package.version, publishers=tuple(sorted(publishers)))
        return attested if publishers else None, tuple(wrong)

    def _listed(self, package: PipPackage) -> tuple[IndexFile, ...]:
        if package.archive is not None or package.vcs is not None:
            return ()
        pinned = [one.url for one in self.access.pins if one.name == package.name]
        for index in pinned or self.access.indexes:
            found = project_files(index, package.name, self.client)
            if found is not None:
                return found
        return ()

    def _file(self, name: str, file: PipFile, listed: IndexFile | None, wish: str) -> Iterator[str]:
        if listed is None or not listed.provenance:
            if wish == VERIFY:
                return
            raise IntegrityError(
                f"{file.filename}: its index offers no attestation of it", hint=_EXEMPT.format(name=name)
            )
        data = self.client.get(listed.provenance, limit=LARGEST)
        found = list(_publishers(data, file, self.verifier, name))
        if wish not in (VERIFY, REQUIRE) and wish not in found:
            raise IntegrityError(f"{file.filename}: is attested by {', '.join(sorted(set(found)))}, not by {wish}")
        yield from found


def _publishers(data: bytes, file: PipFile, verifying: Any, name: str) -> Iterator[str]:
    """Yield the publisher of each attestation in a provenance object, when it is right.

    Raises:
        IntegrityError: it is none, holds no attestation, or one that is wrong.
    """
    from pypi_attestations import Provenance

    try:
        provenance = Provenance.model_validate_json(data)
    except ValueError:
        raise IntegrityError(
            f"{file.filename}: what its index says of it is no provenance (PEP 740) of a publisher that is known",
            hint=_EXEMPT.format(name=name),
        ) from None
    pairs = [(one.publisher, each) for one in provenance.attestation_bundles for each in one.attestations]
    if not pairs:
        raise IntegrityError(f"{file.filename}: its index offers an empty attestation of it")
    for publisher, attestation in pairs:
        who, policy = _identity(publisher, file.filename)
        try:
            kind, payload = verifying.verify_dsse(attestation.to_bundle(), policy)
        except Exception as error:  # noqa: BLE001 - a hostile certificate or log entry may make the library raise anything
            raise IntegrityError(f"{file.filename}: the attestation of {who} is wrong: {str(error)[:300]}") from None
        _check_statement(kind, payload, file)
        yield who


def _identity(publisher: Any, filename: str) -> tuple[str, Any]:
    """Return how we write `publisher`, and what its certificate must say."""
    from sigstore.verify import policy

    if publisher.kind == "Google":
        return f"google:{publisher.email}", policy.Identity(
            identity=publisher.email, issuer="https://accounts.google.com"
        )
    if publisher.kind not in _SITES:
        raise IntegrityError(f"{filename}: is attested by a publisher of a kind that is not known: {publisher.kind}")
    word, issuer, site = _SITES[publisher.kind]
    source = policy.OIDCSourceRepositoryURI(f"{site}{publisher.repository}")
    return f"{word}:{publisher.repository}", policy.AllOf([policy.OIDCIssuerV2(issuer), source])


def _check_statement(kind: str, payload: bytes, file: PipFile) -> None:
    from pypi_attestations import AttestationType

    from envbuild.formats.statements import read_statement
    from envbuild.signing.envelope import PAYLOAD_TYPE

    try:
        predicate, subjects = read_statement(payload)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file.filename}: its attestation: {error}") from None
    if kind != PAYLOAD_TYPE or predicate not in {one.value for one in AttestationType}:
        raise IntegrityError(f"{file.filename}: its attestation is of another kind: {predicate[:200]}")
    named = subjects.get(f"sha256:{file.sha256}")
    if named is None or len(set(subjects.values())) != 1:
        raise IntegrityError(f"{file.filename}: its attestation is about other bytes")
    if not _same_file(named, file.filename):
        raise IntegrityError(f"{file.filename}: its attestation is about {named[:200]}")


def _same_file(one: str, other: str) -> bool:
    from packaging.utils import parse_sdist_filename, parse_wheel_filename

    def parsed(name: str) -> tuple[object, ...]:
        return parse_wheel_filename(name) if name.endswith(".whl") else parse_sdist_filename(name)

    try:
        return parsed(one) == parsed(other)
    except ValueError:
        return False


def check_lock(lock: Lock, task: Task, policy: Policy) -> None:
    """Do `verify_attestations` for the `lock` that `task` led to, and tell who attests; what was verified once is remembered.

    Raises:
        IntegrityError, EnvbuildError: as `verify_attestations`.
        NetworkError: an index cannot be asked, or the network is off.
    """
    files = sorted([one.name, file.filename, file.sha256] for one in lock.pip for file in one.files)
    known = cache_root() / "attestations" / sha256(canonical([sorted(policy), files, os.environ.get(ROOT, "")]))
    if not is_any(policy) or known.is_file():
        return
    if task.options.offline:
        raise NetworkError("attestations are asked of the index, and the network is off", hint="leave out --offline")
    access = index_access(task.definition.index, task.folder, os.environ)
    attested = verify_attestations(lock, policy, access, HttpClient(), task.progress)
    for one in attested:
        task.progress.note(f"{one.name} {one.version} is attested by {', '.join(one.publishers)}")
    write_atomic(known, "".join(f"{one.name} {one.version} {' '.join(one.publishers)}\n" for one in attested))
