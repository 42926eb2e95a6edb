"""The image of an environment that brings its own server: as it is, or built where it is a build context or has packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import api
from envbuild.azureml.environments.building import build_options
from envbuild.azureml.environments.locking import locked, read
from envbuild.context import DOCKERFILE, Context
from envbuild.core.definition import BuildContext
from envbuild.core.progress import Progress
from envbuild.render.context_folder import read_folder
from envbuild.workspace.environments import main_file

if TYPE_CHECKING:
    from envbuild.engines.protocol import ContainerEngine
    from envbuild.workspace.environments import RegisteredEnvironment
    from envbuild.workspace.workspace import Workspace


def image_as_it_is(
    workspace: Workspace, stored: RegisteredEnvironment, engine: ContainerEngine, progress: Progress
) -> str:
    """Return the name or the id that `engine` has the image under: nothing is checked where nothing has to be installed.

    Raises:
        EngineError: it cannot be pulled or built.
    """
    definition = read(workspace, stored)
    if definition.user_managed and definition.base.image:
        if engine.inspect(definition.base.image) is None:
            engine.pull(definition.base.image, progress)
        return definition.base.image
    if definition.user_managed and definition.base.context is not None:
        context = _context(definition.base.context, main_file(workspace, stored).parent)
        options = build_options(workspace)
        return engine.build(context, (f"envbuild/{stored.name.lower()}",), options=options, progress=progress).id
    found = locked(workspace, stored, progress=progress)
    image = api.image(
        found.plan(allow_unpinned_base=True),
        engine=engine.name,
        options=build_options(workspace),
        root=found.root,
        progress=progress,
    )
    return image.id or image.name


def _context(build: BuildContext, root: Path) -> Context:
    text, files = read_folder(root / build.path, build.dockerfile_path)
    return Context(dockerfile=text, files=tuple(one for one in files if one.path != DOCKERFILE))
