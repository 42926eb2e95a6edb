"""Azure Machine Learning v2: environment YAML, and the environments inside jobs, deployments and components."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from envbuild.core.definition import Base, BuildContext, Definition, Origin
from envbuild.core.errors import DefinitionError, Problem
from envbuild.read.conda_env import read_conda
from envbuild.read.findings import Findings, fatal
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, line, only_keys, table, text
from envbuild.read.sources import Include, beside
from envbuild.read.template import find_template, template_error
from envbuild.read.text import decode, mend
from envbuild.read.urls import has_credentials
from envbuild.read.yaml_nodes import parse_yaml

KEYS = (
    *("$schema", "name", "version", "description", "tags", "image", "conda_file", "build", "os_type"),
    *("inference_config", "datastore"),
)
OLD_KEYS = ("docker", "path", "conda", "os")
"""What environments had before the first release of v2; accepted together, beside `docker:`."""

_LOOKED_AT = 2000
"""Characters in which a placeholder is looked for; looking costs the square."""

_ROUTES = ("liveness_route", "readiness_route", "scoring_route")
_REFERENCE = re.compile(r"azureml:.+|/subscriptions/.+|[A-Za-z0-9][\w.-]*(?::[\w.-]+|@latest)", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\$\{?[A-Z_]+\}?|<[A-Za-z_ -]+>")
_PLACEHOLDER = re.compile(_TEMPLATE.pattern + r"|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+(?=[./:])")


def parse_v2(source: str, file: str, include: Include, environment: str = "") -> Definition:
    """Return what the environment YAML `source` says, or the environment inside a job, deployment or component.

    `environment` chooses among several: by name, or by the place in the file (`jobs.train.environment`).

    Raises:
        DefinitionError: every problem of the file; an environment that is only referred to; none, or several unchosen.
    """
    findings = Findings()
    mended = mend(source, file, findings)
    root = parse_yaml(mended, file, findings)
    if not root.is_map:
        raise fatal("is not an environment: a map is needed", file=file)
    if root.has("dependencies") and not _is_environment(root):
        hint = "name it as conda_file: of an environment, or give it to envbuild as a conda file"
        raise fatal("is a conda file, not an environment", file=file, hint=hint)
    found = (
        _whole(root, findings, include)
        if _is_environment(root)
        else _inside(root, file, findings, include, environment)
    )
    return replace(found, notes=findings.close())


def _is_environment(root: Node) -> bool:
    keys = set(root.keys())
    if "environment.schema.json" in text(root.get("$schema"), Findings()):
        return True
    return bool(keys & {"image", "build", "conda_file", "docker"}) or keys <= set(KEYS)


def _whole(root: Node, findings: Findings, include: Include) -> Definition:
    if not text(root.get("name"), findings):
        findings.refuse(
            root.origin, "has no name, which an environment in a file of its own needs", "write name: my-environment"
        )
    return read_environment(root, findings, include, alone=True)


def _inside(root: Node, file: str, findings: Findings, include: Include, environment: str) -> Definition:
    places = dict(_environments(root))
    inline = {key: node for key, node in places.items() if node.is_map}
    if environment:
        inline = {key: node for key, node in inline.items() if environment in (key, text(node.get("name"), findings))}
        if not inline:
            raise fatal(f"has no environment {environment!r}", file=file, hint=f"it has: {', '.join(places) or 'none'}")
    if not inline and places:
        raise DefinitionError([_reference(node) for node in places.values()])
    if not inline:
        raise fatal(
            "defines no environment", file=file, hint="write environment: with image: or build:, and conda_file:"
        )
    found = [read_environment(node, findings, include, alone=False) for node in inline.values()]
    if len({one.hash for one in found}) > 1 and not findings.problems:
        raise fatal("has several environments", file=file, hint=f"choose one with --environment: {', '.join(inline)}")
    return found[0]


def _environments(node: Node, depth: int = 0) -> Iterator[tuple[str, Node]]:
    for key, value in node.items():
        if key == "environment" and value.value is not None and not (value.is_map and _is_parameter(value)):
            yield value.origin.key, value
        elif value.is_map or isinstance(value.value, list):
            yield from _environments(value, depth + 1)
    for one in node:
        yield from _environments(one, depth + 1)


def _is_parameter(node: Node) -> bool:
    # an input of a job may be called `environment` too
    return not set(node.keys()) & {"image", "build", "conda_file", "docker", "name", "conda"}


def _reference(node: Node) -> Problem:
    written = text(node, Findings())
    if _REFERENCE.fullmatch(written):
        return node.origin.problem(
            f"refers to a registered environment, {written}", "define it: image: or build:, and conda_file:"
        )
    return node.origin.problem(
        f"{written!r} is neither an environment nor a reference to one", "write image: or build:, and conda_file:"
    )


def read_environment(node: Node, findings: Findings, include: Include, *, alone: bool) -> Definition:
    """Return the environment that the map `node` says; `alone` in a file of its own it must name its image."""
    old = node.has("docker") and not node.get("image") and not node.get("build")
    only_keys(node, (*KEYS, *OLD_KEYS) if old else KEYS, findings, what="an environment")
    if old:
        findings.note(node.get("docker").origin, "`docker:` is the old way; `image:` or `build:` is the new one")
    base = _base(node, findings, include, old=old, alone=alone)
    _check_os(node.get("os_type") or node.get("os"), findings)
    if node.get("inference_config"):
        check_routes(node.get("inference_config"), findings)
        findings.note(
            node.get("inference_config").origin, "has no effect on the packages: it tells a service its routes"
        )
    if node.get("datastore"):
        findings.note(node.get("datastore").origin, "has no effect: a context is not uploaded")
    packages = _conda(node.get("conda_file") if not old else _old_conda(node), findings, include)
    if packages is not None and base.context is not None:
        findings.refuse(
            node.get("conda_file").origin,
            "stands beside build:; it needs image:",
            "put the packages into the Dockerfile",
        )
    started = packages or Definition(kind="azure-v2")
    return replace(
        started,
        kind="azure-v2",
        name=_plain("name", node, findings),
        version=_plain("version", node, findings),
        description=_plain("description", node, findings),
        tags=tuple((key, text(value, findings)) for key, value in table(node.get("tags"), findings)),
        base=base,
        # without packages Azure takes the image as it is
        user_managed=packages is None,
        origin=node.origin,
    )


def _plain(key: str, node: Node, findings: Findings) -> str:
    if key == "description":
        return text(node.get(key), findings).strip()
    written = line(node.get(key), findings)
    if found := _TEMPLATE.search(written[:_LOOKED_AT]):
        _refuse_template(found[0], node.get(key).origin, findings)
    return written


def _refuse_template(quoted: str, at: Origin, findings: Findings) -> None:
    error = template_error(quoted, at.file, at.line or 1)
    findings.problems.append(replace(error.problems[0], key=at.key, line=at.line))


def _base(node: Node, findings: Findings, include: Include, *, old: bool, alone: bool) -> Base:
    if old:
        return _old_base(node, findings, include)
    image, build = text(node.get("image"), findings).strip(), node.get("build")
    if image and build:
        findings.refuse(build.origin, "stands beside image:; an environment has one of them", "keep image: or build:")
    elif build:
        return Base(context=_context(build, findings, ("path", "dockerfile_path", "local_path")))
    elif image:
        return _image(image, node.get("image").origin, findings)
    elif alone or not node.get("conda_file"):
        findings.refuse(node.origin, "names neither image: nor build:", "write image: name:tag, or build: with path:")
    else:
        findings.note(node.origin, "names no image; the default base is taken")
    return Base()


def _image(image: str, at: Origin, findings: Findings) -> Base:
    if found := _PLACEHOLDER.search(image[:_LOOKED_AT]):
        _refuse_template(found[0], at, findings)
        return Base()
    if image.startswith("azureml:"):
        findings.refuse(at, f"refers to a registered environment, {image}", "name an image")
        return Base()
    check_image(image, at, findings)
    return Base(image=image)


def _context(build: Node, findings: Findings, keys: tuple[str, ...]) -> BuildContext | None:
    only_keys(build, keys, findings, what="build")
    path = text(build.get("path"), findings).strip() or text(build.get("local_path"), findings).strip()
    dockerfile = text(build.get("dockerfile_path"), findings).strip() or "Dockerfile"
    if build.get("local_path"):
        findings.note(build.get("local_path").origin, "is the old name of path:")
    if not path:
        findings.refuse(build.origin, "has no path:", "write path: with the folder of the Dockerfile")
        return None
    for written, node in ((path, build.get("path")), (dockerfile, build.get("dockerfile_path"))):
        if found := _TEMPLATE.search(written[:_LOOKED_AT]):
            _refuse_template(found[0], node.origin, findings)
        elif has_credentials(written):
            findings.refuse(
                node.origin, f"{written} holds a credential; a definition never does", "write ${NAME} in its place"
            )
    return BuildContext(path=path if "://" in path else _local(path), dockerfile_path=_local(dockerfile))


def _local(path: str) -> str:
    return path.removeprefix("file:").removeprefix("./").rstrip("/") or "."


def _old_base(node: Node, findings: Findings, include: Include) -> Base:
    docker = node.get("docker")
    only_keys(docker, ("image", "build", "enabled"), findings, what="docker")
    image, build = text(docker.get("image"), findings).strip(), docker.get("build")
    if image and build:
        findings.refuse(build.origin, "stands beside image:; an environment has one of them", "keep one")
    elif image:
        return _image(image, docker.get("image").origin, findings)
    elif build:
        only_keys(build, ("dockerfile", "context_path", "local_path"), findings, what="docker.build")
        return _old_dockerfile(build.get("dockerfile"), findings, include)
    else:
        findings.refuse(docker.origin, "names neither image: nor build:", "write image: name:tag")
    return Base()


def _old_dockerfile(node: Node, findings: Findings, include: Include) -> Base:
    written = text(node, findings).strip()
    if not written:
        findings.refuse(node.origin, "names no Dockerfile", "write dockerfile: file:Dockerfile")
        return Base()
    if "\n" in written or not written.startswith("file:"):
        return Base(dockerfile=written)
    path = beside(node.origin.file, _local(written))
    return Base(dockerfile=decode(include(path), path))


def _old_conda(node: Node) -> Node:
    if node.get("conda_file"):
        return node.get("conda_file")
    conda = node.get("conda")
    return conda.get("conda_dependencies_file") or conda.get("conda_dependencies") or conda.get("conda_file")


def _conda(node: Node, findings: Findings, include: Include) -> Definition | None:
    if not node:
        return None
    if node.is_map:
        return read_conda(node, findings, include)
    written = text(node, findings).strip()
    if found := _TEMPLATE.search(written[:_LOOKED_AT]):
        _refuse_template(found[0], node.origin, findings)
        return None
    path = beside(node.origin.file, _local(written))
    try:
        return read_conda_at(path, findings, include)
    except DefinitionError as error:
        findings.problems.extend(error.problems)
        return None


def read_conda_at(path: str, findings: Findings, include: Include) -> Definition:
    """Return what the conda file at `path` says.

    Raises:
        DefinitionError: the file cannot be read, or has no shape at all; what is wrong inside goes to `findings`.
    """
    mended = mend(decode(include(path), path), path, findings)
    if (found := find_template(mended)) is not None:
        raise template_error(found[1], path, found[0])
    return read_conda(parse_yaml(mended, path, findings), findings, include, lines=mended.splitlines())


def _check_os(node: Node, findings: Findings) -> None:
    written = text(node, findings).lower()
    if written == "windows":
        findings.refuse(node.origin, "is windows; envbuild makes Linux images", "write os_type: linux")
    elif written not in ("", "linux"):
        findings.refuse(node.origin, f"{written!r} is not an operating system", "write os_type: linux")


def check_routes(node: Node, findings: Findings) -> None:
    """Refuse an `inference_config` that lacks a route, or a route that is none; a missing one is none to refuse."""
    if node.value is None:
        return
    only_keys(node, _ROUTES, findings, what="inference_config")
    for name in _ROUTES:
        route = node.get(name)
        if not route:
            findings.refuse(
                node.origin, f"has no {name}:", f"all of {', '.join(_ROUTES)} are needed, each with port: and path:"
            )
            continue
        only_keys(route, ("port", "path"), findings, what=name)
        port, path = route.get("port"), text(route.get("path"), findings)
        if not text(port, findings).isdigit() or not 0 < int(text(port, findings)) < 65536:
            findings.refuse(route.origin, f"has no port: between 1 and 65535 (found {port.source or 'nothing'})")
        if not path.startswith("/"):
            findings.refuse(route.origin, f"has no path: that begins with / (found {path or 'nothing'})")
