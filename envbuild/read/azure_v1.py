"""Azure Machine Learning v1: saved environment directories, run configurations and inference configurations."""

from __future__ import annotations

import re
from dataclasses import replace

from envbuild.core.definition import Base, BuildContext, Definition, Origin
from envbuild.core.errors import DefinitionError
from envbuild.read.azure_v2 import read_conda_at
from envbuild.read.conda_env import read_conda, read_variables
from envbuild.read.findings import Findings, fatal
from envbuild.read.images import check_image
from envbuild.read.nodes import Node, flag, line, many, table, text
from envbuild.read.sources import Include, beside
from envbuild.read.text import decode
from envbuild.read.toml_nodes import parse_json
from envbuild.read.yaml_nodes import parse_yaml

CONDA_FILE, DOCKERFILE = "conda_dependencies.yml", "BaseDockerfile"
_KEYS = frozenset(
    [
        "name",
        "version",
        "environmentVariables",
        "python",
        "docker",
        "spark",
        "databricks",
        "r",
        "inferencingStackVersion",
        "assetId",
    ]
)
_SHM = re.compile(r"[1-9][0-9]*[bkmgBKMG]?")


def parse_v1_environment(
    source: str, file: str, include: Include, beside_it: frozenset[str] = frozenset()
) -> Definition:
    """Return what `azureml_environment.json` says with the files `beside_it` in its folder (`save_to_directory`).

    Raises:
        DefinitionError: every problem, or that the file only refers to a registered environment.
    """
    findings = Findings()
    root = parse_json(source, file, findings)
    if not root.is_map:
        raise fatal(f"is a {root.kind}; an object is needed", file=file)
    if set(root.keys()) <= {"name", "version"}:
        raise fatal(
            f"refers to a registered environment, {text(root.get('name'), findings)}",
            file=file,
            hint="save the whole environment",
        )
    conda, dockerfile = beside(file, CONDA_FILE), beside(file, DOCKERFILE)
    found = _environment(
        root,
        findings,
        include,
        conda_file=conda if CONDA_FILE in beside_it else "",
        # the SDK drops the key when it writes the side file; where the key stands, a side file is a stale one
        dockerfile=dockerfile if DOCKERFILE in beside_it and not root.get("docker").has("baseDockerfile") else "",
    )
    return replace(found, notes=findings.close())


def parse_runconfig(source: str, file: str, include: Include) -> Definition:
    """Return the environment of a run configuration (`*.runconfig`, YAML).

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    root = parse_yaml(source, file, findings)
    node = root.get("environment")
    if not node.is_map:
        raise fatal("has no environment:", file=file)
    if not node.get("python") and not node.get("docker"):
        raise fatal(
            f"refers to a registered environment, {text(node.get('name'), findings)}",
            file=file,
            hint="define it in place",
        )
    found = _environment(node, findings, include, conda_file="", dockerfile="")
    return replace(found, notes=findings.close())


def parse_inference_config(source: str, file: str, include: Include) -> Definition:
    """Return the environment of an inference configuration (YAML or JSON): inline, or the older keys beside the script.

    Raises:
        DefinitionError: every problem of the file.
    """
    findings = Findings()
    root = parse_json(source, file, findings) if source.lstrip().startswith("{") else parse_yaml(source, file, findings)
    if root.get("environment").is_map:
        found = _environment(root.get("environment"), findings, include, conda_file="", dockerfile="")
        return replace(found, notes=findings.close())
    runtime = text(root.get("runtime"), findings).lower()
    if runtime not in ("", "python"):
        findings.refuse(root.get("runtime").origin, f"{runtime!r} is not supported", "python is")
    for key in ("enableGpu", "cudaVersion"):
        if root.get(key) and root.get(key).value is not False:
            findings.note(root.get(key).origin, "has no effect: name a base image with CUDA")
    packages = _conda_file(root.get("condaFile"), findings, include) or Definition(kind="azure-v1")
    image = text(root.get("baseImage"), findings).strip()
    if image:
        check_image(image, root.get("baseImage").origin, findings)
    steps = text(root.get("extraDockerfileSteps"), findings).strip()
    found = replace(
        packages,
        kind="azure-v1",
        base=Base(image=image, registry=_registry(root.get("baseImageRegistry"), findings)) if image else Base(),
        docker_steps=_steps(steps, file, include) if steps else (),
        origin=Origin(file=file),
    )
    return replace(found, notes=findings.close())


def _steps(path: str, file: str, include: Include) -> tuple[str, ...]:
    place = beside(file, path)
    return tuple(step for step in decode(include(place), place).splitlines() if step.strip())


def _environment(node: Node, findings: Findings, include: Include, *, conda_file: str, dockerfile: str) -> Definition:
    for key, value in node.items():
        if key not in _KEYS:
            findings.note(value.origin, f"{key!r} is not a key of an environment; the SDK ignores it too")
    python, docker = node.get("python"), node.get("docker")
    for part in (python, docker, node.get("spark"), node.get("databricks")):
        table(part, findings)
    user_managed = flag(python.get("userManagedDependencies"), findings)
    packages = None if user_managed else _packages(python, findings, include, conda_file)
    started = packages or Definition(kind="azure-v1")
    _note_without_effect(node, user_managed=user_managed, conda_file=conda_file, findings=findings)
    return replace(
        started,
        kind="azure-v1",
        name=line(node.get("name"), findings) or started.name,
        version=line(node.get("version"), findings),
        base=_base(docker, findings, include, dockerfile),
        variables=read_variables(node.get("environmentVariables"), findings) or started.variables,
        platforms=_platforms(docker.get("platform"), findings),
        user_managed=user_managed,
        interpreter_path=line(python.get("interpreterPath"), findings) if user_managed else "",
        run_arguments=_run_arguments(docker, findings),
        origin=node.origin,
    )


def _packages(python: Node, findings: Findings, include: Include, conda_file: str) -> Definition | None:
    if python.get("condaDependencies").is_map:
        return read_conda(python.get("condaDependencies"), findings, include)
    if conda_file:
        try:
            return read_conda_at(conda_file, findings, include)
        except DefinitionError as error:
            findings.problems.extend(error.problems)
            return None
    return _conda_file(python.get("condaDependenciesFile"), findings, include)


def _conda_file(node: Node, findings: Findings, include: Include) -> Definition | None:
    written = text(node, findings).strip()
    if not written:
        return None
    # the path counts from the project's folder, which holds the folder of the run configuration
    places = [beside(node.origin.file, written), beside(node.origin.file, f"../{written}")]
    place = next((one for one in places if _is_there(one, include)), places[0])
    try:
        return read_conda_at(place, findings, include)
    except DefinitionError as error:
        findings.problems.extend(error.problems)
        return None


def _is_there(place: str, include: Include) -> bool:
    try:
        include(place)
    except DefinitionError:
        return False
    return True


def _base(docker: Node, findings: Findings, include: Include, dockerfile: str) -> Base:
    image = text(docker.get("baseImage"), findings).strip()
    written = text(docker.get("baseDockerfile"), findings)
    context = docker.get("buildContext")
    named = [
        key
        for key, one in (("baseImage", image), ("baseDockerfile", written or dockerfile), ("buildContext", context))
        if one
    ]
    if len(named) > 1:
        findings.refuse(
            docker.origin,
            f"names {' and '.join(named)}; an environment has one of them",
            "keep one, set the others to null",
        )
    elif image:
        check_image(image, docker.get("baseImage").origin, findings)
        return Base(image=image, registry=_registry(docker.get("baseImageRegistry"), findings))
    elif dockerfile:
        return Base(dockerfile=decode(include(dockerfile), dockerfile))
    elif written:
        return Base(dockerfile=written)
    elif context:
        return Base(context=_context(context, findings))
    return Base()


def _context(node: Node, findings: Findings) -> BuildContext | None:
    location, kind = text(node.get("location"), findings), text(node.get("locationType"), findings).lower()
    if kind == "storageaccount":
        findings.refuse(node.origin, "lies in a storage account of the workspace", "download it, and name its folder")
        return None
    if not location:
        findings.refuse(node.origin, "has no location")
        return None
    return BuildContext(path=location, dockerfile_path=text(node.get("dockerfilePath"), findings) or "Dockerfile")


def _registry(node: Node, findings: Findings) -> str:
    for key in ("username", "password"):
        if node.get(key):
            findings.note(
                node.get(key).origin,
                "is a credential; it is left out",
                "log in to the registry (`docker login`), which is where it belongs",
            )
    return text(node.get("address"), findings).strip()


def _platforms(node: Node, findings: Findings) -> tuple[str, ...]:
    system = text(node.get("os"), findings).lower()
    architecture = text(node.get("architecture"), findings).lower()
    if system not in ("", "linux"):
        findings.refuse(node.origin, f"{system!r} is not supported; envbuild makes Linux images", "write Linux")
    known = {"": (), "amd64": (), "arm64": ("linux-aarch64",)}
    if architecture not in known:
        findings.refuse(node.origin, f"{architecture!r} is not supported", "amd64 and arm64 are accepted")
    return known.get(architecture, ())


def _run_arguments(docker: Node, findings: Findings) -> tuple[str, ...]:
    size = text(docker.get("shmSize"), findings)
    if size and not _SHM.fullmatch(size):
        findings.refuse(docker.get("shmSize").origin, f"{size!r} is not a size", "write 2g")
        return ()
    shared = (f"--shm-size={size}",) if size and size != "2g" else ()
    return (*(line(one, findings) for one in many(docker.get("arguments"), findings)), *shared)


def _note_without_effect(node: Node, *, user_managed: bool, conda_file: str, findings: Findings) -> None:
    if user_managed and (conda_file or node.get("python", "condaDependencies")):
        findings.note(
            node.get("python").origin,
            "manages its packages itself (userManagedDependencies): the conda dependencies are not used",
        )
    if node.get("python", "baseCondaEnvironment"):
        findings.note(node.get("python", "baseCondaEnvironment").origin, "has no effect: an environment is made anew")
    for name in ("spark", "databricks"):
        for key, value in table(node.get(name), findings):
            if isinstance(value.value, list) and value.value:
                findings.note(value.origin, f"{name}'s {key} have no effect: they are not installed")
    if node.get("r"):
        findings.note(
            node.get("r").origin, "R packages are not installed", "name r-base and r-… among the conda dependencies"
        )
    if node.get("inferencingStackVersion"):
        findings.note(node.get("inferencingStackVersion").origin, "has no effect: the server is envbuild's own")
