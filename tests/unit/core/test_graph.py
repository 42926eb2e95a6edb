from envbuild.core.graph import Node, installation_order, tree, why
from tests.unit.formats.locks import conda_package, pip_package, small_lock

LOCK = small_lock(
    conda=(
        conda_package("app", depends=("numpy >=1.20", "python >=3.11")),
        conda_package("numpy", depends=("libblas >=3,<4", "python >=3.11,<3.12.0a0")),
        conda_package("libblas", depends=()),
        conda_package("python", "3.11.9", depends=("libz", "pip")),
        conda_package("pip", depends=("python >=3",)),
        conda_package("libz", depends=("__glibc >=2.17",)),
        conda_package("other", platform="win-64"),
    ),
    pip=(
        pip_package("lightgbm", dependencies=("numpy", "scipy-stubs")),
        pip_package("scipy-stubs"),
        pip_package("elsewhere", platforms=("win-64",)),
        pip_package("never", marker="sys_platform == 'win32'"),
    ),
    platforms=("linux-64", "win-64"),
)


def names(way):
    return [f"{step.node.name} {step.asks}".rstrip() for step in way]


def test_why_gives_the_shortest_way_from_each_root():
    assert [names(way) for way in why(LOCK, "libblas", "linux-64")] == [
        ["app", "numpy >=1.20", "libblas >=3,<4"],
        ["lightgbm", "numpy", "libblas >=3,<4"],
    ]


def test_why_starts_from_what_was_requested():
    ways = why(LOCK, "Libz", "linux-64", requested=["numpy"])
    assert names(ways[0]) == ["numpy", "python >=3.11,<3.12.0a0", "libz"]


def test_a_package_that_was_requested_itself_is_its_own_way():
    assert names(why(LOCK, "app", "linux-64", requested=["app"])[0]) == ["app"]


def test_a_package_of_another_platform_is_not_there():
    assert why(LOCK, "other", "linux-64") == ()
    assert why(LOCK, "elsewhere", "linux-64") == ()
    assert why(LOCK, "never", "linux-64") == ()
    assert len(why(LOCK, "never", "win-64")) == 1


def test_the_tree_unfolds_each_package_once():
    app, lightgbm = tree(LOCK, "linux-64")
    assert [one.node.name for one in app.branches] == ["numpy", "python"]
    assert [(one.node.name, one.repeated) for one in lightgbm.branches] == [("numpy", True), ("scipy-stubs", False)]
    assert app.node == Node(name="app", manager="conda", version="1.26.4")


def test_a_cycle_without_a_root_is_in_the_tree():
    lock = small_lock(conda=(conda_package("a", depends=("b",)), conda_package("b", depends=("a",))), pip=())
    (root,) = tree(lock, "linux-64")
    assert (root.node.name, root.branches[0].node.name) == ("a", "b")


def test_installation_order_puts_dependencies_first_and_survives_cycles():
    ordered = [one.name for one in installation_order(one for one in LOCK.conda if one.platform == "linux-64")]
    assert sorted(ordered) == ["app", "libblas", "libz", "numpy", "pip", "python"]
    assert ordered.index("libblas") < ordered.index("numpy") < ordered.index("app")
    assert ordered.index("libz") < ordered.index("python") < ordered.index("app")
