import json
import re

from envbuild.core.diff import LockDiff, diff_locks
from envbuild.core.lock import LockedBase
from envbuild.formats.diff_text import diff_json, diff_markdown, diff_text, size_text
from tests.unit.formats.locks import conda_package, pip_package, small_lock

OLD = small_lock(conda=(conda_package("numpy", "1.26.4", size=10_000), conda_package("gone", size=2048)), pip=())
NEW = small_lock(
    conda=(conda_package("numpy", "2.0.0", size=20_000, license="BSD-3-Clause"),),
    pip=(pip_package(),),
    base=LockedBase(reference="registry.example/a|b:1"),
)
DIFF = diff_locks(OLD, NEW)


def test_text_has_one_line_for_each_change():
    assert diff_text(DIFF) == (
        "- gone   conda  1.26.4           MIT  2.0 KiB\n"
        "~ numpy  conda  1.26.4 -> 2.0.0  licence MIT -> BSD-3-Clause  +9.8 KiB\n"
        "+ flask  pip    3.0.0            2.0 KiB\n"
        "~ base: (none) -> registry.example/a|b:1\n"
        "1 added, 1 removed, 1 changed (+9.7 KiB)\n"
    )


def test_nothing_is_no_text():
    assert diff_text(LockDiff()) == ""
    assert diff_markdown(LockDiff()) == "The lock did not change.\n"


def test_markdown_has_a_table_for_each_kind():
    text = diff_markdown(DIFF)
    assert "**1 added, 1 removed, 1 changed (+9.7 KiB)**" in text
    assert "| `numpy` | conda | 1.26.4 → 2.0.0 | licence MIT → BSD-3-Clause; +9.8 KiB |" in text
    assert re.findall(r"<summary>(.*?)</summary>", text) == ["Changed (1)", "Added (1)", "Removed (1)"]
    assert text.count("<details") == text.count("</details>") == 3


def test_markdown_cannot_be_broken_by_what_a_lock_says():
    hostile = conda_package("evil", license="x | <script> `@someone`")
    text = diff_markdown(diff_locks(small_lock(conda=()), small_lock(conda=(hostile,))))
    assert "<script>" not in text
    assert "@someone" not in text
    row = next(line for line in text.splitlines() if "evil" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_a_rebuild_shows_its_builds():
    text = diff_text(
        diff_locks(
            small_lock(),
            small_lock(conda=(*small_lock().conda[:1], conda_package(build="h2_1", depends=("python >=3.11,<3.12",)))),
        )
    )
    assert "~ numpy  conda  1.26.4 (h1_0 -> h2_1)" in text


def test_json_has_everything():
    data = json.loads(diff_json(DIFF))
    assert [(one["name"], one["kind"]) for one in data["changes"]] == [
        ("gone", "removed"),
        ("numpy", "changed"),
        ("flask", "added"),
    ]
    assert data["changes"][1]["new"]["version"] == "2.0.0"
    assert data["facts"] == [{"name": "base", "old": "", "new": "registry.example/a|b:1"}]


def test_sizes_are_for_people():
    assert [size_text(one) for one in (0, 1023, 1024, 1536 * 1024, 5 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "5120.0 GiB",
    ]
    assert size_text(-2048) == "-2.0 KiB"
