"""The `oci` engine: assembles the image of a plan and takes it where it should go. Needs no daemon, no root, no container."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from envbuild.core.errors import EngineError, IntegrityError
from envbuild.core.plan import Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.engines.oci.assemble import KEY, SETTINGS, Assembled, Assembler
from envbuild.engines.oci.outputs import (
    Output,
    parse_output,
    push,
    write_docker_archive,
    write_layout,
    write_oci_archive,
)
from envbuild.engines.oci.reuse import previous_packages, reuse_from_registry, stored, with_key_tags
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.oci.store import Store
from envbuild.engines.protocol import BuildOptions, Image
from envbuild.net.registry import RegistryClient
from envbuild.render import RenderOptions


class OciEngine:
    """Assembles images from locks, layer by layer, without running anything of them but the compiler of bytecode."""

    name = "oci"

    def __init__(self, settings: OciSettings | None = None, *, registry: RegistryClient | None = None) -> None:
        """Assemble as `settings` say; `registry` speaks to registries."""
        self.settings = settings or OciSettings()
        self.registry = registry or RegistryClient()

    def available(self) -> str | None:
        """Return why this engine cannot work here, or None."""
        return None if sys.platform.startswith("linux") else "the oci engine assembles Linux images on Linux only"

    def image(
        self,
        plan: Plan,
        *,
        name: str,
        tags: tuple[str, ...] = (),
        reuse: bool = True,
        options: BuildOptions | None = None,
        render_options: RenderOptions | None = None,
        secrets: Mapping[str, Path] | None = None,
        root: Path = Path(),
        progress: Progress = SILENT,
    ) -> Image:
        """Assemble the image of `plan` (see `Engine.image`); `options.output` and `options.push` say where it goes.

        Raises:
            PlanError: the plan needs something that must be run.
            EngineError, NetworkError, IntegrityError: it cannot be assembled, or not be taken there.
        """
        del render_options, secrets  # nothing is rendered, and nothing is run that would need a secret
        start = time.monotonic()
        options = options or BuildOptions()
        _check_options(options)
        output = _output(options, tags)
        if self.settings.attest and output.kind != "registry":
            raise EngineError(
                "an SBOM and provenance lie beside the image in a registry", hint="say --push with a --tag"
            )
        image = Image(name=name, key=plan.image_key, engine=self.name, built=False, id="", tags=tags)
        again = reuse and not options.no_cache
        if again and output.kind == "registry" and (digest := reuse_from_registry(self.registry, tags, plan.image_key)):
            return replace(image, digest=digest)
        store = Store()
        if again and output.kind == "store" and (found := self._stored(store, image)):
            return found
        assembler = Assembler(settings=self.settings, store=store, registry=self.registry, root=root, progress=progress)
        made, identity = self._deliver(assembler, plan, image, output, options, fresh=options.no_cache)
        seconds = round(time.monotonic() - start, 2)
        return replace(image, built=True, id=identity, digest=made.manifest.digest, size=made.size, seconds=seconds)

    def _deliver(
        self, assembler: Assembler, plan: Plan, image: Image, output: Output, options: BuildOptions, *, fresh: bool
    ) -> tuple[Assembled, str]:
        """Assemble and write; what turns out to be damaged on the way is made anew, once."""
        previous: tuple[tuple[str, ...], ...] = ()
        if self.settings.append_to:
            previous = previous_packages(
                self.settings.append_to, assembler.store, self.registry, plan.selection.platform
            )
        made = assembler.assemble(plan, previous=previous, fresh=fresh)
        try:
            identity = self._write(made, assembler, image, output, options)
        except IntegrityError:
            assembler.store.forget([one.descriptor.digest for one in made.layers])
            made = assembler.assemble(plan, previous=previous)
            identity = self._write(made, assembler, image, output, options)
        assembler.store.name((image.name, *image.tags), made.manifest)
        if self.settings.attest:
            self._attest(made, plan, image.tags)
        return made, identity

    def _write(self, made: Assembled, assembler: Assembler, image: Image, output: Output, options: BuildOptions) -> str:
        names, store = (image.name, *image.tags), assembler.store
        if output.kind == "oci":
            write_layout(made, store, output.path, names)
        elif output.kind == "oci-archive":
            write_oci_archive(made, store, output.path, names)
        elif output.kind == "docker-archive":
            write_docker_archive(made, store, output.path, names)
        elif output.kind == "registry":
            push(made, store, self.registry, with_key_tags(image.tags, image.key), assembler.progress)
        if _wants_docker(output, options, self.settings):
            return self._load(made, assembler, names, required=output.kind == "docker" or options.load)
        return made.config.digest

    def _attest(self, made: Assembled, plan: Plan, tags: tuple[str, ...]) -> None:
        from envbuild.engines.oci.attest import attach_all

        for reference in {one.name: one for one in map(ImageReference.parse, tags)}.values():
            attach_all(self.registry, reference, made.manifest, plan)

    def _load(self, made: Assembled, assembler: Assembler, names: tuple[str, ...], *, required: bool) -> str:
        from envbuild.engines.docker import DockerEngine
        from envbuild.engines.oci.into_docker import load

        docker = DockerEngine()
        reason = docker.available()
        if reason is None:
            return load(made, assembler.store, docker, names, assembler.progress)
        if required:
            raise EngineError(reason)
        return made.config.digest

    def _stored(self, store: Store, image: Image) -> Image | None:
        """Return the image of that name and key where it is in the store, and in docker where it would be loaded."""
        found = stored(store, image.name, {KEY: image.key, SETTINGS: self.settings.wording})
        if found is None:
            return None
        descriptor, manifest = found
        identity = str(manifest["config"]["digest"])
        size = sum(int(one["size"]) for one in (manifest["config"], *manifest["layers"]))
        if self.settings.load is not False and not _in_docker(image, identity):
            return None
        store.name((image.name, *image.tags), descriptor)
        return replace(image, id=identity, digest=descriptor.digest, size=size)


def _check_options(options: BuildOptions) -> None:
    """Check that nothing is asked for that only a build of a Dockerfile has.

    Raises:
        EngineError: names what has no meaning here.
    """
    asked = {
        "--build-arg": options.build_args,
        "--target": options.target,
        "--ssh": options.ssh,
        "--cache-from": options.cache_from,
        "--cache-to": options.cache_to,
        "--builder": options.builder,
    }
    refused = [name for name, value in asked.items() if value]
    if refused:
        raise EngineError(
            f"{', '.join(refused)}: the oci engine builds no Dockerfile", hint="leave it out, or choose another engine"
        )


def _output(options: BuildOptions, tags: tuple[str, ...]) -> Output:
    output = parse_output(options.output)
    if options.push and output.kind == "store":
        output = Output(kind="registry")
    if output.kind == "registry" and not tags:
        raise EngineError("there is no name to push to", hint="say --tag REGISTRY/NAME:TAG")
    return output


def _wants_docker(output: Output, options: BuildOptions, settings: OciSettings) -> bool:
    if output.kind == "docker" or options.load:
        return True
    return output.kind == "store" if settings.load is None else settings.load


def _in_docker(image: Image, identity: str) -> bool:
    """Tell whether docker has the image under all its names, or does not answer at all."""
    from envbuild.engines.docker import DockerEngine

    docker = DockerEngine()
    if docker.available() is not None:
        return True
    found = docker.inspect(image.name)
    if found is None or found.id != identity:
        return False
    for tag in image.tags:
        docker.tag(image.name, tag)
    return True
