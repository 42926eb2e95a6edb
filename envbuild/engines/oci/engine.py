"""The `oci` engine: assembles the image of a plan and takes it where it should go. Needs no daemon, no root, no container."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.errors import EngineError
from envbuild.core.plan import Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.engines.oci.annotations import KEY, SETTINGS
from envbuild.engines.oci.earlier import stored
from envbuild.engines.oci.output import Output, parse_output
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.oci.store import Store
from envbuild.engines.protocol import BuildOptions, Image
from envbuild.net.registry import RegistryClient

if TYPE_CHECKING:
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
        image = Image(name=name, key=plan.image_key, engine=self.name, built=False, id="", tags=tags)
        again = reuse and not options.no_cache
        store = Store()
        if again and output.kind == "store" and (found := self._stored(store, image)):
            return found
        from envbuild.engines.oci.assemble import Assembler
        from envbuild.engines.oci.deliver import Destination, deliver

        assembler = Assembler(settings=self.settings, store=store, registry=self.registry, root=root, progress=progress)
        docker = _wants_docker(output, options, self.settings)
        destination = Destination(output=output, names=(name, *tags), docker=docker)
        made, identity = deliver(assembler, plan, destination, fresh=options.no_cache)
        seconds = round(time.monotonic() - start, 2)
        if self.settings.check_imports:
            from envbuild.engines.import_check import check_imports
            from envbuild.engines.oci.running import ask_assembled

            check_imports(plan, partial(ask_assembled, made, store), progress)
        return replace(image, built=True, id=identity, digest=made.manifest.digest, size=made.size, seconds=seconds)

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


def _wants_docker(output: Output, options: BuildOptions, settings: OciSettings) -> bool | None:
    """Tell whether docker must get the image too (None: if one answers)."""
    if output.kind == "docker" or options.load:
        return True
    return None if settings.load is None and output.kind == "store" else bool(settings.load)


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
