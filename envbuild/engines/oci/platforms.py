"""One image for several platforms, assembled on one machine without emulation: an index over one image for each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from envbuild.core.errors import EngineError
from envbuild.core.plan import Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.engines.import_check import check_imports
from envbuild.engines.oci.assemble import Assembled, Assembler
from envbuild.engines.oci.deliver import previous_layers
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.output import Output, parse_output
from envbuild.engines.oci.outputs import push_blobs_of, write_layout
from envbuild.engines.oci.running import ask_assembled
from envbuild.engines.oci.store import Store
from envbuild.engines.protocol import BuildOptions, Image
from envbuild.net.images import Descriptor
from envbuild.net.media_types import OCI_INDEX
from envbuild.net.registry_push import push_manifest


def platforms_image(
    engine: OciEngine,
    plans: Sequence[Plan],
    *,
    key: str,
    name: str,
    tags: tuple[str, ...] = (),
    options: BuildOptions | None = None,
    root: Path = Path(),
    progress: Progress = SILENT,
) -> Image:
    """Assemble the image of each of `plans`, one for each platform of a lock, and an index over them.

    `key` is that of the index. It goes to an OCI layout (`output` is `oci:DIR`) or to a registry (`push`): a docker engine
    and its archives hold one platform. Layers of packages that are the same everywhere are shared.

    Raises:
        EngineError: another output is asked for, or two plans are for one platform.
        PlanError, NetworkError, IntegrityError: as `OciEngine.image`.
    """
    start, options = time.monotonic(), options or BuildOptions()
    output = _output(options, tags)
    if len({plan.selection.platform.oci for plan in plans}) != len(plans) or not plans:
        raise EngineError("an image for several platforms needs one plan for each")
    image = Image(name=name, key=key, engine=engine.name, built=False, id="", tags=tags)
    assembler = Assembler(settings=engine.settings, registry=engine.registry, root=root, progress=progress)
    made = [
        assembler.assemble(plan, previous=previous_layers(assembler, plan), fresh=options.no_cache) for plan in plans
    ]
    data = index_of(made, plans)
    if output.kind == "oci":
        _write_layout(made, data, assembler.store, output.path, (name, *tags))
    else:
        _push(made, data, assembler, tags, progress)
    size = sum(one.size for one in made)
    seconds = round(time.monotonic() - start, 2)
    found = Descriptor.of(data, OCI_INDEX)
    for one, plan in zip(made, plans, strict=True) if engine.settings.check_imports else ():
        check_imports(plan, partial(ask_assembled, one, assembler.store), progress)
    return replace(image, built=True, id=found.digest, digest=found.digest, size=size, seconds=seconds)


def index_of(images: Sequence[Assembled], plans: Sequence[Plan]) -> bytes:
    """Return the OCI index over `images`, sorted by platform."""
    pairs = sorted(zip(images, plans, strict=True), key=lambda pair: pair[1].selection.platform.oci)
    entries = [replace(image.manifest, platform=_platform(image, plan)).to_dict() for image, plan in pairs]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _platform(image: Assembled, plan: Plan) -> str:
    variant = str(image.base.configuration.get("variant") or "")
    return "/".join(filter(None, [plan.selection.platform.oci, variant]))


def _output(options: BuildOptions, tags: Sequence[str]) -> Output:
    output = parse_output(options.output)
    if output.kind == "registry" or (options.push and output.kind == "store"):
        if not tags:
            raise EngineError("there is no name to push to", hint="say --tag REGISTRY/NAME:TAG")
        return Output(kind="registry")
    if output.kind == "oci":
        return output
    raise EngineError(
        "an image for several platforms goes to a registry or into an OCI layout",
        hint="say --push with a --tag, or --output oci:DIR",
    )


def _write_layout(made: Sequence[Assembled], data: bytes, store: Store, folder: Path, names: Sequence[str]) -> None:
    for one in made:
        write_layout(one, store, folder, ())
    target = Store(root=folder)
    target.name(names, target.add(data, OCI_INDEX))


def _push(
    made: Sequence[Assembled], data: bytes, assembler: Assembler, names: Sequence[str], progress: Progress
) -> None:
    client, store = assembler.registry, assembler.store
    references = [ImageReference.parse(name) for name in names]
    for bare in {one.name: replace(one, tag="", digest="") for one in references}.values():
        for image in made:
            push_blobs_of(image, store, client, bare, progress)
            push_manifest(client, bare, image.manifest_data, image.manifest.media_type)
    for reference in references:
        push_manifest(client, reference.with_tag(reference.tag or "latest"), data, OCI_INDEX)
