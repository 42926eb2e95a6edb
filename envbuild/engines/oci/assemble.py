"""Assembling: from a plan to layers, a configuration and a manifest in the store. Nothing of the image is run but its compiler."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from envbuild.core.bases import check_distribution, parse_os_release
from envbuild.core.errors import PlanError
from envbuild.core.keys import canonical, sha256
from envbuild.core.plan import PREFIX, Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.core.selection import Chosen
from envbuild.engines.libraries import MissingLibrary, missing_libraries, note_missing
from envbuild.engines.oci.annotations import BYTECODE, KEY, PACKAGES, SETTINGS
from envbuild.engines.oci.app_layers import app_identity, app_layers, write_app
from envbuild.engines.oci.arrange import arrange
from envbuild.engines.oci.base import BaseFacts, base_facts
from envbuild.engines.oci.bytecode import CannotCompileError, Interpreter, base_interpreter, check_machine
from envbuild.engines.oci.compilers import Compilers
from envbuild.engines.oci.compression import Method, method
from envbuild.engines.oci.conda import CondaUnit, Stage, stage
from envbuild.engines.oci.config import creation_time, image_config
from envbuild.engines.oci.fetch import Fetching, Files
from envbuild.engines.oci.refusals import refuse
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.oci.skeleton import has_venv, skeleton_identity, write_skeleton
from envbuild.engines.oci.sources import base_source
from envbuild.engines.oci.store import Store, StoredLayer, Take
from envbuild.engines.oci.tar import Places, TarWriter
from envbuild.engines.oci.units import Surroundings, Told, Unit, refuse_clashes
from envbuild.engines.oci.wheels import WheelUnit
from envbuild.net.images import Descriptor, ImageSource, ResolvedImage
from envbuild.net.media_types import OCI_MANIFEST
from envbuild.net.registry import RegistryClient
from envbuild.net.url_variables import UrlVariables

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Layers in the store above those of `base`, whose blobs `source` has."""

    base: ResolvedImage
    source: ImageSource = field(repr=False)
    layers: tuple[StoredLayer, ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of all uncompressed layers, bottom first."""
        return (*self.base.diff_ids, *(one.diff_id for one in self.layers))

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The descriptors of all layers, bottom first."""
        return (*self.base.layers, *(one.descriptor for one in self.layers))

    def opener(self, store: Store, blob: Descriptor) -> Callable[[], BinaryIO]:
        """Return what opens `blob`, one of `blobs`, wherever it lies."""
        if blob in self.base.layers:
            return lambda: self.source.blob(blob)
        return lambda: store.open(blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled(Stack):
    """An image in the store."""

    manifest: Descriptor
    config: Descriptor
    config_data: bytes = field(repr=False)
    manifest_data: bytes = field(repr=False)
    missing: tuple[MissingLibrary, ...] = ()

    @property
    def size(self) -> int:
        """What a registry sends for all of it, in bytes."""
        return self.config.size + sum(one.size for one in self.blobs)


class Watcher:
    """Is told of layers as soon as they are made, by several threads, so that they can be on their way meanwhile."""

    def begin(self, source: ImageSource, base: ResolvedImage, count: int) -> None:
        """Take note of what the layers will lie on, and how many they will be."""

    def plain(self, number: int) -> Take | None:
        """Return what takes layer `number`, counted from 0 above the base, uncompressed while it is made; None where nobody wants it."""

    def made(self, number: int, layer: StoredLayer) -> None:
        """Take note of layer `number`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One layer to be: its title, what its key covers, what writes it, and the packages in it, for annotations."""

    title: str
    identity: Sequence[object]
    write: Callable[[TarWriter, Fetching], Any]
    packages: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Assembles images into `store`; `root` is where relative paths of a lock start."""

    settings: OciSettings = field(default_factory=OciSettings)
    store: Store = field(default_factory=Store)
    registry: RegistryClient = field(default_factory=RegistryClient)
    root: Path = Path()
    progress: Progress = SILENT
    watcher: Watcher = field(default_factory=Watcher)

    def assemble(self, plan: Plan, *, previous: Sequence[Sequence[str]] = (), fresh: bool = False) -> Assembled:
        """Return the image of `plan`; `previous` are the packages of an earlier image's layers, `fresh` makes all anew.

        Raises:
            PlanError: the plan needs something that must be run, the base does not fit, or packages clash.
            NetworkError, IntegrityError: base or packages cannot be had.
        """
        refuse(plan)
        if plan.definition.user_managed and plan.definition.pip:
            self.progress.note("the oci engine runs nothing: that the base has the declared packages is not checked")
        self.store.sweep()
        source = base_source(plan.lock.base, self.root, self.registry, self.store)
        base = source.resolve(plan.selection.platform)
        facts = base_facts(source, base, progress=self.progress)
        _check_base(plan, facts)
        with stage(plan.selection.conda, PREFIX, plan.selection.platform) as linked, Compilers() as compilers:
            drafts = [*self._drafts(plan, facts, linked, compilers, previous)]
            self.watcher.begin(source, base, len(drafts))
            layers = self._layers(drafts, facts.places, linked, self._files(plan), fresh=fresh)
        contents = [*_contents(drafts, layers)]
        refuse_clashes(contents)
        missing = missing_libraries(
            ((name, path, elf) for name, told in contents for path, elf in told.elf), facts.libraries
        )
        note_missing(missing, self.progress)
        return self._finish(plan, source, base, list(zip(drafts, layers, strict=True)), missing=missing)

    def _drafts(
        self,
        plan: Plan,
        facts: BaseFacts,
        linked: Stage,
        compilers: Compilers,
        previous: Sequence[Sequence[str]],
    ) -> Iterator[_Draft]:
        python = _interpreter_path(plan, facts)
        if plan.config.user or has_venv(plan):
            yield _Draft(
                title="the environment without packages",
                identity=[*skeleton_identity(plan), python],
                write=lambda tar, _: [["envbuild", write_skeleton(tar, plan, python).to_list()]],
            )
        minor = plan.lock.python.minor if plan.lock.python else (0, 0)
        interpreter = self._interpreter(plan, facts, linked, python)
        if interpreter is not None:
            interpreter = replace(interpreter, compilers=compilers)
        around = Surroundings(prefix=PREFIX, minor=minor, interpreter=interpreter)
        for group in arrange(self._units(plan, around, linked), self.settings.layers, previous):
            yield _package_draft(group)
        if code := _wheels(plan.selection.code, around):
            # it changes most often, and so lies above what it needs
            yield _package_draft(tuple(code))
        for title, files in app_layers(plan.app):
            yield _Draft(
                title=title,
                identity=app_identity(files),
                write=lambda tar, _, files=files: [["the application", write_app(tar, files).to_list()]],  # type: ignore[misc]
            )

    def _units(self, plan: Plan, around: Surroundings, linked: Stage) -> list[Unit]:
        if plan.definition.user_managed:
            return []
        conda = [
            CondaUnit(package=one, surroundings=around, folder=linked.folder / "linked" / one.name)
            for one in plan.selection.conda
        ]
        wheels = _wheels(plan.selection.pip, around)
        # the arrangement goes by size, so that what the lock does not tell is looked up
        unknown = self._files(plan).fetch([one for one in wheels if not one.size], self.progress)
        return [*conda, *(one for one in wheels if one.size), *unknown]

    def _interpreter(self, plan: Plan, facts: BaseFacts, linked: Stage, path: str) -> Interpreter | None:
        python = plan.lock.python
        selection = plan.selection
        if not self.settings.bytecode or python is None or plan.definition.user_managed:
            return None
        try:
            if python.provider == "conda":
                check_machine(python.minor, selection.platform)
                return linked.interpreter(python.minor)
            modules = selection.pip or selection.code
            return base_interpreter(facts, path, python.minor, selection.platform) if modules else None
        except CannotCompileError as error:
            self.progress.note(f"the image is made without bytecode: {error.problems[0].message}")
            return None

    def _files(self, plan: Plan) -> Files:
        return Files(root=self.root, urls=UrlVariables.of(plan.definition))

    def _layers(
        self, drafts: Sequence[_Draft], places: Places, linked: Stage, files: Files, *, fresh: bool
    ) -> list[StoredLayer]:
        how = method(self.settings.compression)
        keys = [_key(draft, how, places) for draft in drafts]
        known = [None if fresh else self.store.find_layer(key) for key in keys]
        todo = [draft for draft, found in zip(drafts, known, strict=True) if found is None]
        units = [unit for draft in todo for unit in draft.packages]
        linked.fill(
            [one for one in units if isinstance(one, CondaUnit)],
            interpreter=any(_compiles(one) for one in units),
            progress=self.progress,
        )
        workers = self.settings.workers or (os.cpu_count() or 1) + 1
        wheels = [one for one in units if isinstance(one, WheelUnit)]
        with (
            files.fetching(wheels, self.progress, compile_early=True) as coming,
            self.progress.step(f"assemble {len(drafts)} layers", len(drafts)) as step,
            ThreadPoolExecutor(max_workers=workers, thread_name_prefix="layer") as pool,
        ):

            def one(number: int, draft: _Draft, key: str, found: StoredLayer | None) -> StoredLayer:
                made = found or self.store.layer(
                    key,
                    how,
                    places,
                    lambda tar: draft.write(tar, coming),
                    fresh=fresh,
                    plain=self.watcher.plain(number),
                )
                self.watcher.made(number, made)
                step.advance(1, draft.title)
                return made

            try:
                return list(pool.map(one, range(len(drafts)), drafts, keys, known))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _finish(
        self,
        plan: Plan,
        source: ImageSource,
        base: ResolvedImage,
        pairs: Sequence[tuple[_Draft, StoredLayer]],
        *,
        missing: tuple[MissingLibrary, ...],
    ) -> Assembled:
        titled = [(layer.diff_id, draft.title) for draft, layer in pairs]
        data = image_config(plan, base.configuration, titled, creation_time(os.environ))
        config = self.store.add(data, CONFIG_TYPE)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.to_dict(),
            "layers": [*map(_as_oci, base.layers), *(_annotated(draft, layer) for draft, layer in pairs)],
            "annotations": _annotations(plan, self.settings, [draft for draft, _ in pairs]),
        }
        manifest = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        return Assembled(
            base=base,
            source=source,
            layers=tuple(layer for _, layer in pairs),
            manifest=self.store.add(manifest, OCI_MANIFEST),
            config=config,
            config_data=data,
            manifest_data=manifest,
            missing=missing,
        )


def _package_draft(group: tuple[Unit, ...]) -> _Draft:
    def write(tar: TarWriter, coming: Fetching) -> list[list[object]]:
        return [[_label(one), _at_hand(one, coming).write(tar).to_list()] for one in group]

    names = ", ".join(f"{one.name} {one.version}" for one in group[:4])
    title = names if len(group) <= 4 else f"{names} and {len(group) - 4} more"
    return _Draft(title=title, identity=[one.identity for one in group], write=write, packages=group)


def _wheels(chosen: Sequence[Chosen], around: Surroundings) -> list[WheelUnit]:
    return [
        WheelUnit(chosen=one, size=(one.file.size if one.file else None) or 0, surroundings=around) for one in chosen
    ]


def _label(unit: Unit) -> str:
    return f"{unit.name} (conda)" if isinstance(unit, CondaUnit) else unit.name


def _at_hand(unit: Unit, coming: Fetching) -> Unit:
    return coming[unit.name, unit.version].result() if isinstance(unit, WheelUnit) else unit


def _key(draft: _Draft, how: Method, places: Places) -> str:
    return sha256(canonical([_FORMAT, how.identity, places.place(PREFIX), list(draft.identity)]))


def _contents(drafts: Sequence[_Draft], layers: Sequence[StoredLayer]) -> Iterator[tuple[str, Told]]:
    for _, layer in zip(drafts, layers, strict=True):
        for name, told in layer.told:
            yield str(name), Told.from_list(told)


def _compiles(unit: Unit) -> bool:
    return isinstance(unit, WheelUnit | CondaUnit) and unit.surroundings.interpreter is not None


def _annotations(plan: Plan, settings: OciSettings, drafts: Sequence[_Draft]) -> dict[str, str]:
    compiled = any(_compiles(one) for draft in drafts for one in draft.packages)
    told = {
        KEY: plan.image_key,
        SETTINGS: settings.wording,
        BYTECODE: "unchecked-hash" if compiled else "none",
        "org.opencontainers.image.base.name": plan.lock.base.reference.partition("@")[0],
        "org.opencontainers.image.base.digest": plan.lock.base.digest,
    }
    return {name: value for name, value in told.items() if value}


def _annotated(draft: _Draft, layer: StoredLayer) -> Mapping[str, object]:
    described = layer.descriptor.to_dict()
    if draft.packages:
        described["annotations"] = {PACKAGES: " ".join(f"{one.name}=={one.version}" for one in draft.packages)}
    return described


def _as_oci(layer: Descriptor) -> Mapping[str, object]:
    """Return a layer of the base as an OCI manifest has it: same bytes, OCI's media type."""
    known = {
        "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    }
    return {**layer.to_dict(), "mediaType": known.get(layer.media_type, layer.media_type)}


def _check_base(plan: Plan, facts: BaseFacts) -> None:
    image = plan.lock.base.reference
    check_distribution(parse_os_release(facts.os_release), plan.definition.allow_distribution, image)
    if facts.prefix_used and not plan.definition.user_managed:
        raise PlanError(
            f"base image {image} has files in {PREFIX} already, where the environment would lie",
            hint="choose another base, or build with the docker engine",
        )


def _interpreter_path(plan: Plan, facts: BaseFacts) -> str:
    """Return where the base has the locked interpreter; an empty text where the environment needs none of it."""
    python = plan.lock.python
    if plan.definition.user_managed:
        path = plan.definition.interpreter_path
        if path and not facts.has_python(path) and facts.real(path) not in facts.pythons:
            raise PlanError(f"base image {plan.lock.base.reference} has no interpreter at {path}")
        return path
    if python is None or python.provider == "conda":
        return ""
    minor = ".".join(map(str, python.minor))
    tried = [python.interpreter] if python.interpreter else [f"/usr/local/bin/python{minor}", f"/usr/bin/python{minor}"]
    for path in tried:
        if facts.has_python(path):
            return path
    found = ", ".join(f"/{one}" for one in facts.pythons) or "none"
    raise PlanError(f"base image {plan.lock.base.reference} has no {' or '.join(tried)}; its interpreters: {found}")
