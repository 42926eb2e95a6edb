"""Whether a lock still answers a definition: decided offline, from the two alone (DESIGN, "Words")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from envbuild.core.definition import CondaSpec, Definition, Origin, PipRequirement
from envbuild.core.errors import Problem
from envbuild.core.lock import CondaPackage, Lock, PipPackage
from envbuild.core.names import normalize, snapshot_of
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import marker_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """`fresh` with no reasons, or stale with all of them. `renew` says that only the recorded hash is behind."""

    fresh: bool
    reasons: tuple[Problem, ...] = ()
    renew: bool = False


def freshness(definition: Definition, lock: Lock) -> Freshness:
    """Tell whether `lock` still answers `definition`: by equal hashes, else by satisfaction of all that is asked."""
    if definition.hash == lock.definition_hash:
        return Freshness(fresh=True)
    reasons = tuple(_reasons(definition, lock))
    return Freshness(fresh=not reasons, reasons=reasons, renew=not reasons)


def _reasons(definition: Definition, lock: Lock) -> Iterator[Problem]:
    yield from _frame(definition, lock)
    yield from _apt(definition, lock)
    if definition.user_managed:
        return
    yield from _python(definition, lock)
    yield from _extras(definition, lock)
    for platform in lock.platforms:
        conda = {one.name: one for one in lock.conda if one.platform == platform}
        yield from _conda_side(definition, conda, platform)
        yield from _pip_side(definition, lock, conda, platform)


def _frame(definition: Definition, lock: Lock) -> Iterator[Problem]:
    pairs: list[tuple[str, object, object]] = [
        ("channels", definition.channels or lock.channels, lock.channels),
        ("platforms", sorted(definition.platforms or lock.platforms), sorted(lock.platforms)),
        ("the index", definition.index.index_url, lock.index_url),
        ("the extra indexes", definition.index.extra_index_urls, lock.extra_index_urls),
        ("the index pins", definition.index.pins, lock.index_pins),
        ("the base image", definition.base.image or lock.base.reference, lock.base.reference),
    ]
    for what, wanted, locked in pairs:
        if wanted != locked:
            yield definition.origin.problem(f"{what} changed: {_words(wanted)}, but the lock is for {_words(locked)}")


def _words(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "the default"


def _apt(definition: Definition, lock: Lock) -> Iterator[Problem]:
    wanted = [text.partition("=")[0] for text in definition.apt]
    locked = [text.partition("=")[0] for text in lock.apt.packages]
    if wanted != locked:
        yield definition.origin.problem(f"apt packages changed: {_words(wanted)}, but the lock has {_words(locked)}")
    day = definition.apt_snapshot
    if day and (lock.apt.packages or lock.apt.snapshot) and snapshot_of(day) != lock.apt.snapshot:
        yield definition.origin.problem(
            f"apt-snapshot changed: {day}, but the lock is for {_words(lock.apt.snapshot or 'none')}"
        )


def _python(definition: Definition, lock: Lock) -> Iterator[Problem]:
    if not definition.python or definition.uses_conda or lock.python is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = definition.python
    try:
        accepted = SpecifierSet(text if text[:1] in "<>=!~" else f"=={text}.*")
    except InvalidSpecifier:
        return
    if not accepted.contains(lock.python.version, prereleases=True):
        yield definition.origin.problem(f"python {text} is asked for, but the lock is for {lock.python.version}")


def _extras(definition: Definition, lock: Lock) -> Iterator[Problem]:
    for text in sorted(set(definition.extras) ^ set(lock.extras)):
        name = text.partition("[")[0]
        origin = next((one.origin for one in definition.pip if one.name == name), definition.origin)
        if text in definition.extras:
            yield origin.problem(f"{text} is asked for, but the lock was not made with these extras")
        elif not any(one.startswith(f"{name}[") for one in definition.extras):
            yield origin.problem(f"the lock was made for {text}, whose extras nobody asks for any more")


def _conda_side(definition: Definition, packages: dict[str, CondaPackage], platform: str) -> Iterator[Problem]:
    if not definition.conda:
        return
    for spec in definition.conda:
        yield from _spec(spec, packages.get(spec.name), platform)
    wanted = {spec.name for spec in definition.conda} | ({"pip"} if definition.pip else set())
    for name in sorted(packages.keys() - _reached(wanted, packages)):
        yield definition.origin.problem(
            f"{name} {packages[name].version} is in the lock, but nothing asks for it ({platform})"
        )


def _spec(spec: CondaSpec, package: CondaPackage | None, platform: str) -> Iterator[Problem]:
    if spec.name.startswith("__"):
        return
    text = spec.written or spec.text
    if package is None:
        yield spec.origin.problem(f"{text} is asked for, but the lock has no {spec.name} ({platform})")
    elif (spec.version or spec.build or spec.channel) and not _matches(spec, package):
        has = f"{package.name} {package.version} {package.build}"
        yield spec.origin.problem(f"{text} is asked for, but the lock has {has} ({platform})")


def _matches(spec: CondaSpec, package: CondaPackage) -> bool:
    from rattler import BuildString, MatchSpec, PackageRecord

    record = PackageRecord(
        name=package.name,
        version=package.version,
        build=BuildString(package.build),
        build_number=package.build_number,
        subdir=package.subdir,
        arch=None,
        platform=None,
    )
    matches: bool = MatchSpec(spec.text, strict=False).matches(record)
    channel = spec.channel.rstrip("/").rsplit("/", 1)[-1]
    return matches and (not channel or f"/{channel}/" in package.url or package.channel == spec.channel)


def _reached(roots: Iterable[str], packages: dict[str, CondaPackage]) -> set[str]:
    reached: set[str] = set()
    waiting = [name for name in roots if name in packages]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        depends = (text.split("[")[0].split()[0].split("::")[-1] for text in packages[name].depends if text.strip())
        waiting.extend(one for one in depends if one in packages)
    return reached


def _pip_side(definition: Definition, lock: Lock, conda: dict[str, CondaPackage], platform: str) -> Iterator[Problem]:
    environment = marker_environment(lock, PLATFORMS[platform])
    packages: dict[str, list[PipPackage]] = {}
    for one in lock.pip:
        if (not one.platforms or platform in one.platforms) and _holds(one.marker, environment):
            packages.setdefault(one.name, []).append(one)
    wanted = [one for one in definition.pip if _applies(one, environment)]
    included = any(one.kind == "include" for one in wanted)
    for requirement in wanted:
        yield from _requirement(requirement, packages.get(requirement.name, []), conda, platform)
    for constraint in definition.constraints:
        if (constraint.kind == "include" or constraint.name in packages) and _applies(constraint, environment):
            yield from _requirement(constraint, packages[constraint.name], conda, platform)
    if not included:
        yield from _left_over(definition.origin, wanted, packages, platform)


def _applies(requirement: PipRequirement, environment: dict[str, str]) -> bool:
    return _holds(requirement.marker, environment)


def _holds(marker: str, environment: dict[str, str]) -> bool:
    if not marker:
        return True
    from packaging.markers import Marker

    return Marker(marker).evaluate(environment, context="lock_file")


def _requirement(
    requirement: PipRequirement, found: list[PipPackage], conda: dict[str, CondaPackage], platform: str
) -> Iterator[Problem]:
    origin, text = requirement.origin, requirement.text
    if requirement.kind == "include":
        yield origin.problem(f"what {requirement.target} holds is read by `envbuild lock` alone")
    elif not found:
        if not any(normalize(name) == requirement.name for name in conda):
            yield origin.problem(f"{text} is asked for, but the lock has no {requirement.name or text} ({platform})")
    elif requirement.kind == "name":
        from packaging.specifiers import SpecifierSet

        accepted = SpecifierSet(requirement.specifier)
        if not any(accepted.contains(one.version, prereleases=True) for one in found):
            versions = ", ".join(one.version for one in found)
            yield origin.problem(f"{text} is asked for, but the lock has {requirement.name} {versions} ({platform})")
    elif not any(_same_target(requirement, one) for one in found):
        yield origin.problem(f"{text} is asked for, but the lock has {requirement.name} from elsewhere ({platform})")


def _same_target(requirement: PipRequirement, package: PipPackage) -> bool:
    target = requirement.target.partition("#")[0]
    places = {file.url for file in package.files} | {file.path for file in package.files}
    if package.vcs is not None:
        places |= {package.vcs.url, f"{package.vcs.url}@{package.vcs.requested_revision}"}
    return target in places or target.removeprefix("git+") in places or target.removeprefix("./") in places


def _left_over(
    origin: Origin, wanted: list[PipRequirement], packages: dict[str, list[PipPackage]], platform: str
) -> Iterator[Problem]:
    if not any(one.dependencies for group in packages.values() for one in group) and len(packages) > len(wanted):
        yield origin.problem(
            f"the lock does not say which package needs which, so what is left over cannot be told ({platform})"
        )
        return
    reached: set[str] = set()
    waiting = [one.name for one in wanted if one.name in packages]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(need for one in packages[name] for need in one.dependencies if need in packages)
    for name in sorted(packages.keys() - reached):
        yield origin.problem(f"{name} {packages[name][0].version} is in the lock, but nothing asks for it ({platform})")
