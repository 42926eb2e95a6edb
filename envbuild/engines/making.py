"""Making the image of a plan, whichever engine does it: asked of its registry first, and marked there once it is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.errors import EngineError, MustRunError, NetworkError, Problem
from envbuild.core.image_settings import ImageSettings
from envbuild.core.keys import canonical, sha256
from envbuild.core.plan import Plan
from envbuild.core.progress import SILENT, Progress
from envbuild.core.reference import ImageReference
from envbuild.engines.detect import BUILDERS, first_working, pick
from envbuild.engines.protocol import BuildOptions, Engine, Image, ImageEngine
from envbuild.engines.registry_reuse import mark_with_key, reuse_from_registry
from envbuild.net.registry import RegistryClient

if TYPE_CHECKING:
    from envbuild.render import RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The image that is wanted: of one plan, or an index over one plan for each platform; how, and where it should go.

    `engine` is a name or `auto`; `settings` are a person's (the definition's are the plan's); `root` is where relative paths
    of the definition start. Without `reuse` it is built even if it exists.
    """

    plans: tuple[Plan, ...]
    tags: tuple[str, ...] = ()
    engine: str = "auto"
    reuse: bool = True
    options: BuildOptions = field(default_factory=BuildOptions)
    settings: ImageSettings = field(default_factory=ImageSettings)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    root: Path = Path()

    @property
    def key(self) -> str:
        """The image key, or the key of an index over several."""
        return self.plans[0].image_key if len(self.plans) == 1 else index_key(self.plans)

    @property
    def name(self) -> str:
        """What the image is called on this machine."""
        return self.plans[0].image_name if len(self.plans) == 1 else f"envbuild/envbuild_{self.key[:32]}"

    @property
    def said(self) -> ImageSettings:
        """The person's settings, and the definition's where a person says nothing."""
        return self.settings.over(self.plans[0].definition.image)

    @property
    def pushes(self) -> bool:
        """Whether it goes to a registry."""
        return self.options.push or self.options.output == "registry"

    @property
    def is_the_keys(self) -> bool:
        """Whether what is made is what the key says: not where arguments or a stage of a Dockerfile choose something else."""
        return not self.options.build_args and not self.options.target

    @property
    def may_be_there(self) -> bool:
        """Whether an image of the same key in the registry is the answer."""
        fresh = not self.reuse or self.options.no_cache or self.options.load
        return self.pushes and self.is_the_keys and not fresh


def index_key(plans: tuple[Plan, ...]) -> str:
    """Return the key of the image for the platforms of all `plans`, whatever their order."""
    return sha256(canonical(sorted([plan.selection.platform.oci, plan.image_key] for plan in plans)))


def make_image(wish: Wish, *, registry: RegistryClient | None = None, progress: Progress = SILENT) -> Image:
    """Return the image that `wish` names: found in the registry where it should go, or in the engine, or built.

    Raises:
        EngineError: no engine can make it, or it failed.
        PlanError: the oci engine would have to run something, and no other engine answers.
        NetworkError, IntegrityError: it cannot be fetched, or not be taken where it should go.
    """
    client = registry or RegistryClient()
    attests = bool(wish.said.attest)
    if wish.pushes and not wish.tags:
        raise EngineError("there is no name to push the image under", hint="say --tag REGISTRY/NAME:TAG")
    if attests and not wish.pushes:
        raise EngineError("an SBOM and provenance lie beside the image in a registry", hint="say --push with a --tag")
    image = Image(name=wish.name, key=wish.key, engine="registry", built=False, id="", tags=wish.tags)
    digest = _found(wish, client, progress) if wish.may_be_there else ""
    made = replace(image, digest=digest) if digest else _built(wish, client, progress)
    if wish.pushes and wish.is_the_keys and not digest:
        made = replace(made, digest=_mark(wish, client, progress) or made.digest)
    if attests:
        _attest(wish, client)
    return made


def _found(wish: Wish, client: RegistryClient, progress: Progress) -> str:
    try:
        return reuse_from_registry(client, wish.tags, wish.key)
    except NetworkError as error:
        if wish.engine == "oci":
            raise  # it would push with the same words
        progress.note(f"whether the registry has the image already is not known: {error.problems[0].message}")
        return ""


def _mark(wish: Wish, client: RegistryClient, progress: Progress) -> str:
    try:
        return mark_with_key(client, wish.tags, wish.key)
    except NetworkError as error:
        progress.note(f"others will not find the image by its key: {error.problems[0].message}")
        return ""


def _attest(wish: Wish, client: RegistryClient) -> None:
    from envbuild.engines.attest import attach_all

    for reference in {one.name: one for one in map(ImageReference.parse, wish.tags)}.values():
        root, data = client.manifest(reference.with_tag(reference.tag or "latest"))
        entries = json.loads(data).get("manifests")
        if entries is None:
            attach_all(client, reference, root, wish.plans[0])
            continue
        for plan in wish.plans:
            digest = next(str(one["digest"]) for one in entries if _is_for(one, plan))
            attach_all(client, reference, client.manifest(reference.with_digest(digest))[0], plan)


def _is_for(entry: Mapping[str, Mapping[str, str]], plan: Plan) -> bool:
    told = entry.get("platform") or {}
    return f"{told.get('os')}/{told.get('architecture')}" == "/".join(plan.selection.platform.oci.split("/")[:2])


def _built(wish: Wish, client: RegistryClient, progress: Progress) -> Image:
    if len(wish.plans) > 1:
        return _for_platforms(wish, client, progress)
    engine = _engine(wish, client)
    try:
        return _made(engine, wish, progress)
    except MustRunError as error:
        builder = _builder_instead(wish, error)
        progress.note(f"{builder.name} builds it: {'; '.join(one.message for one in error.problems)}")
        return _made(builder, wish, progress)


def _engine(wish: Wish, client: RegistryClient) -> Engine:
    # what only the oci engine can do says which engine is meant
    name = "oci" if wish.engine == "auto" and wish.settings.assembles else wish.engine
    engine = pick(name)
    if engine.name == "oci":
        from envbuild.engines.oci.engine import OciEngine
        from envbuild.engines.oci.settings import OciSettings

        return OciEngine(OciSettings.of(wish.said), registry=client)
    if wish.settings.assembles:
        raise EngineError(
            "layers, append-to, compression and bytecode are settings of the oci engine",
            hint=f"say --engine oci, or leave them out for {engine.name}",
        )
    return engine


def _made(engine: Engine, wish: Wish, progress: Progress) -> Image:
    [plan] = wish.plans
    image = engine.image(
        plan,
        name=wish.name,
        tags=wish.tags,
        reuse=wish.reuse,
        options=wish.options,
        render_options=None if engine.name == "oci" else _wording(wish.said),
        secrets=wish.secrets,
        root=wish.root,
        progress=progress,
    )
    if image.built and engine.name in BUILDERS:
        _check(image, wish, plan, progress)
    return image


def _check(image: Image, wish: Wish, plan: Plan, progress: Progress) -> None:
    if wish.options.builder or wish.options.output or wish.options.target:
        if wish.said.check_imports:
            progress.note(f"imports are not checked: {image.engine} does not have the image of that name")
        return
    from envbuild.engines.library_check import check_image

    engine, name = BUILDERS[image.engine](), image.id or image.name
    check_image(engine, name, plan, progress)
    if wish.said.check_imports:
        from envbuild.engines.asking import ask_image
        from envbuild.engines.import_check import check_imports

        check_imports(plan, partial(ask_image, engine, name), progress)


def _wording(settings: ImageSettings) -> RenderOptions:
    # what renders takes longer to import than an image that is there takes to be found
    from envbuild.render import RenderOptions

    return RenderOptions.of(settings)


def _builder_instead(wish: Wish, error: MustRunError) -> ImageEngine:
    if wish.options.output:
        raise error  # what it should be written as, only the oci engine writes
    try:
        return first_working(BUILDERS)
    except EngineError as none:
        reasons = [Problem(message=f"no other engine can: {one.message}") for one in none.problems]
        raise MustRunError([*error.problems, *reasons]) from error


def _for_platforms(wish: Wish, client: RegistryClient, progress: Progress) -> Image:
    from envbuild.engines.oci.engine import OciEngine
    from envbuild.engines.oci.platforms import platforms_image
    from envbuild.engines.oci.settings import OciSettings

    if wish.engine not in ("auto", "oci"):
        raise EngineError(
            f"{wish.engine} builds for one platform at a time", hint="say --engine oci, which needs no emulation"
        )
    engine = OciEngine(OciSettings.of(wish.said), registry=client)
    if reason := engine.available():
        raise EngineError(reason)
    return platforms_image(
        engine,
        wish.plans,
        key=wish.key,
        name=wish.name,
        tags=wish.tags,
        options=wish.options,
        root=wish.root,
        progress=progress,
    )
