"""The house rules of docs/architecture.md, held by reading the code."""

import ast
import functools
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "envbuild"

# which rooms a room may import; a room not named here is a single module at the top
ROOMS = {
    "core": set(),
    "read": {"core"},
    "formats": {"core"},
    "serving": set(),
    "net": {"core", "files", "programs"},
    "solve": {"core", "signing", "net", "files", "programs", "formats"},
    "engines": {"core", "signing", "net", "files", "programs", "formats", "render", "context"},
    "workspace": {"core", "net", "files", "programs", "formats", "read"},
    "signing": {"core"},
    "code": {"core", "net", "files", "programs", "unchanged", "licenses"},
    "licenses": {"core", "formats", "net", "files"},
    "own_code": {"core", "code", "solve", "net"},
    "files": {"core", "caches"},
    "programs": {"core"},
    "render": {"core", "formats", "context"},
    "context": {"core", "files"},
    "unchanged": {"formats"},
    "last_image": {"unchanged", "caches", "code"},
    "at_once": {"unchanged", "image_at_once"},
    "caches": set(),
    "lockfile": {"core", "files", "formats", "unchanged"},
    "app": {"core", "files", "serving"},
}

# `envbuild.azureml`, lowest first: a room imports rooms above it in this list
AZUREML = (
    ("class_calls", "ignoring", "records", "workspace"),
    ("environments",),
    ("data",),
    ("models",),
    ("packaging",),
    ("services",),
    ("profiling", "endpoints"),
    ("runs",),
    ("core", "train", "widgets"),
)
# `Model` and `Workspace` have Azure's verbs, so they name what does them when they are called;
# a run's own context is outside: it imports the names that scripts import
REACHING_UP = {"models/model.py", "workspace.py", "runs/inside/run_context.py"}

# what may be imported in one place only
SINGLE_HOMES = {
    "subprocess": {"envbuild/programs.py", "envbuild/azureml/runs/inside/sending.py"},
    "jinja2": {"envbuild/render/templates.py"},
    "hatchling": {"envbuild/hatch.py"},
    "pickle": set(),
}


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "_templates" not in path.parts]


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


@functools.cache
def nodes(path):
    return tuple(ast.walk(parsed(path)))


@functools.cache
def imports(path, *, functions=True, annotations=True):
    return tuple(imported_names(path, functions, annotations))


def imported_names(path, functions, annotations):
    skipped = set()
    for node in nodes(path):
        if (not functions and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))) or (
            not annotations and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            skipped |= set(ast.walk(node)) - {node}
    for node in nodes(path):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_room_imports_only_what_the_table_allows(name):
    for path in (path for path in modules() if room(path) == name):
        for imported in imports(path):
            if imported.startswith("envbuild."):
                target = imported.split(".")[1]
                if (PACKAGE / target).exists() or (PACKAGE / f"{target}.py").exists():
                    assert target == name or target in ROOMS[name], f"{path.relative_to(ROOT)} imports {imported}"


def azureml_rooms():
    rank = {one: number for number, rooms in enumerate(AZUREML) for one in rooms}
    for path in sorted((PACKAGE / "azureml").rglob("*.py")):
        inside = path.relative_to(PACKAGE / "azureml")
        if (name := inside.parts[0].removesuffix(".py")) in rank:
            yield path, str(inside), name, rank


def test_the_rooms_of_azureml_import_in_one_direction():
    for path, inside, name, rank in azureml_rooms():
        for imported in imports(path, functions=inside not in REACHING_UP, annotations=False):
            target = imported.removeprefix("envbuild.azureml.").split(".")[0]
            if imported.startswith("envbuild.azureml.") and target in rank and target != name:
                assert rank[target] < rank[name], f"{path.relative_to(ROOT)} imports {imported}"


def test_every_module_of_azureml_is_in_a_room():
    named = {one for rooms in AZUREML for one in rooms} | {"__init__", "alias", "contrib", "exceptions"}
    assert {path.stem for path in (PACKAGE / "azureml").iterdir() if path.name != "__pycache__"} == named


def test_azures_names_are_only_names():
    for path in (*(PACKAGE / "azureml" / "core").rglob("*.py"), *(PACKAGE / "azureml" / "train").rglob("*.py")):
        if path.parts[-2:] not in {("core", "__init__.py"), ("core", "authentication.py")}:
            assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in parsed(path).body)


def test_there_are_no_import_cycles():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules()}
    graph = {}
    for path in modules():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {one for one in imports(path, functions=False, annotations=False) if one in names and one != name}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("library", sorted(SINGLE_HOMES))
def test_library_has_one_home(library):
    if library == "pickle":
        homes = {
            str(path.relative_to(ROOT)) for path in modules() if library in imports(path) and room(path) != "serving"
        }
    else:
        homes = {
            str(path.relative_to(ROOT))
            for path in modules()
            if any(one == library or one.startswith(f"{library}.") for one in imports(path)) and room(path) != "serving"
        }
    assert homes <= SINGLE_HOMES[library]


def test_public_functions_of_the_package_have_docstrings():
    missing = []
    for path in modules():
        if "shim" in path.parts:
            continue
        for node in parsed(path).body:
            if (
                isinstance(node, (ast.FunctionDef, ast.ClassDef))
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not missing


def test_no_function_is_longer_than_sixty_lines():
    long = []
    for path in modules():
        for node in nodes(path):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not long


def test_no_python_file_lies_under_templates():
    assert not list((ROOT / "templates").rglob("*.py"))


def test_no_package_registry_is_named():
    # the names are put together here so that this file does not hold them either
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("anaconda", "org"),
            ("registry", "npmjs", "org"),
            ("deb", "debian", "org"),
            ("archive", "ubuntu", "com"),
        )
    ]
    pattern = re.compile("|".join(map(re.escape, hosts)))
    named = []
    for folder in ("envbuild", "templates", "tests", "fixtures", "docs", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc" and pattern.search(path.read_text(errors="ignore")):
                named.append(str(path.relative_to(ROOT)))
    assert not named
