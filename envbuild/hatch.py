"""Hatchling's hooks: a wheel that carries its lock, and dependencies pinned from it.

[tool.hatch.build.hooks.envbuild]           checks the lock; puts lock, Dockerfile and SBOM into the wheel
definition = "pyproject.toml"               the definition, relative to the project (default: as `envbuild lock`)
environment = ""                            one of several in a pyproject.toml
folder = "my_package/_envbuild"             where in the wheel (default: <project>/_envbuild)
include = ["lock", "dockerfile", "sbom"]
refresh = false                             true: lock again when the lock is stale or missing (asks the network)
allow-unpinned-base = false                 true: render the Dockerfile though the base's digest is not known

[tool.hatch.metadata.hooks.envbuild]        pins from the lock; the field must be in `dynamic`
extra = "locked"                            as this extra; empty: as the project's own dependencies
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from hatchling.plugin import hookimpl

from envbuild.core.errors import DefinitionError, EnvbuildError, Problem

_COMMON = {"definition": str, "environment": str}
_BUILD_KEYS = {**_COMMON, "folder": str, "include": list, "refresh": bool, "allow-unpinned-base": bool}
_METADATA_KEYS = {**_COMMON, "extra": str}
# what hatchling itself understands in a hook's table
_HOST_KEYS = {"dependencies", "require-runtime-dependencies", "require-runtime-features", "enable-by-default", "path"}


class EnvbuildBuildHook(BuildHookInterface[BuilderConfig]):
    """Checks that the lock is fresh and puts what was made from it into the wheel."""

    PLUGIN_NAME = "envbuild"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the wheel; end the build in one line when the lock does not answer."""
        del version
        if self.target_name != "wheel":
            return
        try:
            made = self._files()
        except EnvbuildError as error:
            self.app.abort(f"envbuild: {error}")
            return
        self._folder = tempfile.TemporaryDirectory(prefix="envbuild-hatch-")
        target = self.config.get("folder") or f"{self.metadata.core.name.replace('-', '_')}/_envbuild"
        for name, content in sorted(made.items()):
            path = Path(self._folder.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            build_data["force_include"][str(path)] = f"{target.strip('/')}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files that the wheel has now."""
        del version, build_data, artifact_path
        if self.target_name == "wheel":
            self._folder.cleanup()

    def _files(self) -> dict[str, bytes]:
        from envbuild.api import current_lock
        from envbuild.lockfile import find_lock

        check_table(self.config, _BUILD_KEYS, "tool.hatch.build.hooks.envbuild")
        path, environment = _definition(self.root, self.config), str(self.config.get("environment", ""))
        lock = current_lock(
            path, environment=environment, locked=not self.config.get("refresh"), update=self._refresh(path)
        )
        found = find_lock(path, environment)
        if found is None:
            raise EnvbuildError(f"{path} has no lock", hint=f"run `envbuild lock {path}`")
        makers: dict[str, Callable[[], dict[str, bytes]]] = {
            "lock": lambda: {found.name: found.read_bytes()},
            "dockerfile": lambda: self._dockerfile(path, environment),
            "sbom": lambda: {"sbom.cdx.json": _sbom(lock, self.metadata.core.name)},
        }
        wanted = self.config.get("include", list(makers))
        unknown = [one for one in wanted if one not in makers]
        if unknown:
            raise DefinitionError(
                f"tool.hatch.build.hooks.envbuild.include: {unknown[0]!r} is not one of {', '.join(makers)}"
            )
        return {name: content for one in wanted for name, content in makers[one]().items()}

    def _refresh(self, path: Path) -> bool:
        from envbuild.api import check

        return (
            bool(self.config.get("refresh"))
            and not check(path, environment=str(self.config.get("environment", ""))).fresh
        )

    def _dockerfile(self, path: Path, environment: str) -> dict[str, bytes]:
        from envbuild.api import plan
        from envbuild.render import render

        allowed = bool(self.config.get("allow-unpinned-base"))
        # the project's own code is what is being built here
        planned = plan(path, environment=environment, locked=True, allow_unpinned_base=allowed, code=False)
        made = render(planned, root=path.parent)
        return {"Dockerfile": made.dockerfile.encode()}


class EnvbuildMetadataHook(MetadataHookInterface):
    """Pins the project's dependencies, or an extra, from the lock."""

    PLUGIN_NAME = "envbuild"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `dependencies` or one of `optional-dependencies`.

        Raises:
            ValueError: in one line, which hatchling shows, when the lock does not answer or the field is not dynamic.
        """
        try:
            self._update(metadata)
        except EnvbuildError as error:
            raise ValueError(f"envbuild: {error}") from None

    def _update(self, metadata: dict[str, Any]) -> None:
        from envbuild.api import current_lock

        check_table(self.config, _METADATA_KEYS, "tool.hatch.metadata.hooks.envbuild")
        extra = str(self.config.get("extra", ""))
        field = "optional-dependencies" if extra else "dependencies"
        if field not in metadata.get("dynamic", []):
            raise DefinitionError(
                Problem(
                    message=f"{field} comes from the lock",
                    file="pyproject.toml",
                    key="project.dynamic",
                    hint=f'add "{field}" to it',
                )
            )
        lock = current_lock(
            _definition(self.root, self.config), environment=str(self.config.get("environment", "")), locked=True
        )
        pins = sorted(f"{one.name}=={one.version}{f' ; {one.marker}' if one.marker else ''}" for one in lock.pip)
        if extra:
            metadata.setdefault("optional-dependencies", {})[extra] = pins
        else:
            metadata["dependencies"] = pins


def check_table(table: Mapping[str, object], accepted: Mapping[str, type], name: str) -> None:
    """Check the keys and types of a hook's table.

    Raises:
        DefinitionError: with every key that is not known or of another type.
    """
    problems = []
    for key, value in table.items():
        if key in _HOST_KEYS:
            continue
        if key not in accepted:
            problems.append(
                Problem(
                    message=f"is not known; known are {', '.join(accepted)}", file="pyproject.toml", key=f"{name}.{key}"
                )
            )
        elif not isinstance(value, accepted[key]):
            kind = accepted[key].__name__
            problems.append(Problem(message=f"{value!r} is not a {kind}", file="pyproject.toml", key=f"{name}.{key}"))
    if problems:
        raise DefinitionError(problems)


def _definition(root: str, config: Mapping[str, object]) -> Path:
    from envbuild.unchanged import default_definition

    named = str(config.get("definition", ""))
    return Path(root, named or default_definition(root) or "pyproject.toml")


def _sbom(lock: Any, name: str) -> bytes:
    from envbuild.formats.cyclonedx import write_cyclonedx

    return write_cyclonedx(lock, name=name).encode()


@hookimpl
def hatch_register_build_hook() -> type[EnvbuildBuildHook]:
    """Tell hatchling of the build hook."""
    return EnvbuildBuildHook


@hookimpl
def hatch_register_metadata_hook() -> type[EnvbuildMetadataHook]:
    """Tell hatchling of the metadata hook."""
    return EnvbuildMetadataHook
