"""What uv prints, read: its log, its annotations, and the versions to keep."""

from envbuild.core.lock import PipFile, PipPackage, Vcs
from envbuild.core.platforms import PLATFORMS
from envbuild.solve.uv_output import parse_annotations, parse_log, read_pylock, without_log, write_previous

LOG = """DEBUG Solving with target Python version: >=3.11
DEBUG Adding direct dependency: flask*
DEBUG Adding transitive dependency for flask==3.1.3: blinker>=1.9.0
DEBUG Adding transitive dependency for flask==3.1.2: simplejson*
DEBUG Adding transitive dependency for uvicorn[standard]==0.30: uvicorn==0.30
DEBUG Adding transitive dependency for uvicorn[standard]==0.30: httptools>=0.5
DEBUG Adding transitive dependency for pandas{python_full_version < '3.12'}==3.1.1: numpy{python_full_version < '3.12'}>=2.3.3
"""


def raw(*pins):
    return [dict(zip(("name", "version"), pin.split("=="), strict=True)) for pin in pins]


def test_the_log_tells_what_the_chosen_versions_need():
    found = parse_log(LOG, raw("flask==3.1.3", "uvicorn==0.30", "pandas==3.1.1"), "https://index.example/simple")
    assert found.dependencies == {
        "flask": ("blinker",),
        "uvicorn": ("httptools", "uvicorn"),
        "pandas": ("numpy",),
    }
    assert set(found.indexes.values()) == {"https://index.example/simple"}


def test_a_log_that_says_nothing_of_needs_is_not_believed():
    assert parse_log("DEBUG something else\n", raw("flask==3.1.3", "blinker==1.9"), "") is None


def test_annotations_tell_parents_and_indexes():
    text = """blinker==1.9.0
    # via flask
    # from https://index.example/simple
flask[async]==3.1.3
    # via -r requirements.in
mark-up==1 ; sys_platform == 'win32'
    # via
    #   -c constraints.txt
    #   Flask
    #   mine
mine @ file:///wheels/mine-1-py3-none-any.whl
"""
    found = parse_annotations(text)
    assert found.dependencies == {"flask": ("blinker", "mark-up"), "mine": ("mark-up",)}
    assert found.indexes == {"blinker": "https://index.example/simple"}


def test_the_previous_versions_of_a_platform_are_written_for_uv(tmp_path):
    commit = Vcs(type="git", url="https://index.example/v.git", commit="c" * 40, requested_revision="main")
    packages = [
        PipPackage(name="a", version="1.0"),
        PipPackage(name="b", version="2.0", platforms=("win-64",)),
        PipPackage(
            name="c", version="3.0", archive=PipFile(filename="c-3.0-py3-none-any.whl", path="c-3.0-py3-none-any.whl")
        ),
        PipPackage(name="v", version="4.0", vcs=commit),
    ]
    write_previous(tmp_path / "pylock.toml", packages, PLATFORMS["linux-64"])
    kept = read_pylock(tmp_path / "pylock.toml")
    assert [(one["name"], one["version"]) for one in kept] == [("a", "1.0"), ("v", "4.0")]
    assert kept[1]["vcs"] == {
        "type": "git",
        "url": "https://index.example/v.git",
        "commit-id": "c" * 40,
        "requested-revision": "main",
    }


def test_the_log_with_its_warnings_of_several_lines_is_no_part_of_what_uv_says():
    log = "DEBUG a\nWARN `x` has invalid metadata: odd\n  ^^^\nerror: No solution\n  cause: Because\n"
    assert without_log(log) == "error: No solution\n  cause: Because"
    assert without_log("DEBUG a\nsomething else") == "something else"
