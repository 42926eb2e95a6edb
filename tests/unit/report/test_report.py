"""The report: all that it tells, nothing that it could be told to do."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envbuild.core.definition import Definition
from envbuild.core.lock import CondaPackage, Lock, LockedBase, LockedPython
from envbuild.core.plan import make_plan
from envbuild.report import gather, page
from envbuild.report.markup import raw, tag
from envbuild.report.treemap import Box, squarify
from tests.support.locked_project import pip_package
from tests.unit.core.values import code

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "a\x00b\x1bc\u202ed",
    "https://evil.example/x.png",
]


def conda(name, version="1.0", *, size=1000, depends=(), license="MIT"):  # noqa: A002
    url = f"https://conda.example/channel/linux-64/{name}-{version}-0.conda"
    return CondaPackage(
        name=name, version=version, build="0", platform="linux-64", subdir="linux-64", channel="c", url=url, md5="ab" * 16,
        size=size, depends=tuple(depends), license=license,
    )  # fmt: skip


def lock(packages=(), pip=()):
    return Lock(
        definition_hash="d" * 64,
        platforms=("linux-64",),
        channels=("https://conda.example/channel",),
        conda=tuple(packages),
        pip=tuple(pip),
        python=LockedPython(version="3.12.1", provider="conda"),
        base=LockedBase(reference="ubuntu:24.04", digest="sha256:" + "ab" * 32),
    )


SMALL = lock(
    [conda("numpy", depends=["openssl >=3"], size=9_000_000), conda("openssl", license="Apache-2.0")],
    [pip_package("flask", "3.0")],
)


class Elements(HTMLParser):
    """Every element with its attributes, and all text that is shown."""

    def __init__(self, markup):
        super().__init__()
        self.elements = []
        self.shown = []
        self.feed(markup)

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_data(self, data):
        self.shown.append(data)

    def all(self, name):
        return [attributes for one, attributes in self.elements if one == name]


def test_everything_is_told_without_javascript():
    text = page(gather(SMALL, title="science", file="conda-lock.yml", requested=["numpy"]))
    shown = " ".join(" ".join(Elements(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)).shown).split())
    for part in (
        "science",
        "conda-lock.yml",
        "numpy",
        "8.6 MiB",
        "openssl",
        ">=3",
        "flask",
        "Apache-2.0",
        "MIT",
        "d" * 64,
        "ubuntu:24.04@sha256",
    ):
        assert part in shown


def test_it_names_nothing_outside_itself():
    found = Elements(page(gather(SMALL, title="t", file="f")))
    targets = [
        value
        for _, attributes in found.elements
        for key, value in attributes.items()
        if key in ("href", "src", "xlink:href", "action")
    ]
    assert targets
    assert all(one.startswith("#") or one == "data:," for one in targets)
    ids = {attributes["id"] for _, attributes in found.elements if "id" in attributes}
    assert {one[1:] for one in targets if one.startswith("#")} <= ids
    [policy] = [one["content"] for one in found.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_lock_becomes_markup(text):
    plain = Elements(page(gather(SMALL, title="t", file="f", previous=lock(), against="old")))
    packages = [
        replace(conda("numpy"), version=text, license=text, url=text, depends=("openssl >=3",)),
        replace(conda("openssl"), channel=text, build=text),
    ]
    hostile = replace(lock(packages, [replace(pip_package("flask", "3"), name=text)]), channels=(text,), solver=text)
    found = Elements(page(gather(hostile, title=text, file=text, requested=[text], previous=lock(), against=text)))
    assert len(found.all("script")) == len(plain.all("script")) == 1
    assert found.all("img") == []
    names = {key for _, attributes in found.elements for key in attributes}
    assert names == {key for _, attributes in plain.elements for key in attributes} | ({"data-requested"} & names)
    assert all(one.get("href", "#").startswith(("#", "data:,")) for _, one in found.elements)


def test_the_script_reads_nothing_as_markup():
    from pathlib import Path

    import envbuild.report

    script = Path(envbuild.report.__file__).with_name("report.js").read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"):
        assert word not in script


def test_what_moved_is_told():
    old = lock([conda("numpy", "0.9"), conda("gone")])
    text = page(gather(SMALL, title="t", file="f", previous=old, against="HEAD of conda-lock.yml"))
    shown = " ".join(Elements(text).shown)
    assert "HEAD of conda-lock.yml" in shown
    assert "0.9 → 1.0" in shown
    assert "2 added, 1 removed, 1 changed" in shown


def test_sizes_that_a_lock_does_not_say_are_said_to_be_unknown():
    text = page(gather(lock([conda("numpy", size=None)]), title="t", file="f"))
    assert "does not say the size of 1 packages: numpy" in text
    assert "<svg" not in text


def test_a_cycle_and_a_long_chain_end():
    ring = [conda("a", depends=["b"]), conda("b", depends=["a"])]
    chain = [conda(f"n{at}", depends=[f"n{at + 1}"]) for at in range(300)]
    assert "n299" in page(gather(lock([*ring, *chain]), title="t", file="f"))


def test_the_same_lock_gives_the_same_page():
    assert page(gather(SMALL, title="t", file="f")) == page(gather(SMALL, title="t", file="f"))


def test_markup_is_made_only_by_tag_and_raw():
    assert (
        tag("p", "<b>", raw("<i>"), None, ["&", 3], class_='x"y', number=0, hidden=True, gone=None)
        == '<p class="x&quot;y" number="0" hidden>&lt;b&gt;<i>&amp;3</p>'
    )


@given(
    st.lists(st.floats(min_value=1, max_value=1e9), min_size=1, max_size=60).map(
        lambda sizes: sorted(sizes, reverse=True)
    )
)
@example([811163333.1071743] * 4 + [1.0])
def test_a_treemap_fills_its_box_with_areas_that_are_the_sizes(sizes):
    box = Box(x=10, y=20, width=800, height=400)
    boxes = squarify(sizes, box)
    total = sum(sizes)
    for size, one in zip(sizes, boxes, strict=True):
        assert one.area == pytest.approx(box.area * size / total, rel=1e-6, abs=1e-6)
        assert one.x >= box.x - 1e-6
        assert one.y >= box.y - 1e-6
        assert one.x + one.width <= box.x + box.width + 1e-4
        assert one.y + one.height <= box.y + box.height + 1e-4


def test_a_treemap_of_nothing_is_nothing():
    assert squarify([], Box(x=0, y=0, width=1, height=1)) == []
    assert squarify([1.0], Box(x=0, y=0, width=0, height=1))[0].area == 0


def test_own_code_and_licences_that_the_lock_does_not_say_are_told():
    mine = replace(code("mine"), license="LicenseRef-Ours")
    plan = make_plan(Definition(kind="requirements"), SMALL, code=(mine,))
    report = gather(SMALL, title="t", file="f", plan=plan, licenses={("flask", "3.0"): "BSD-3-Clause"})
    [own] = [one for one in report.entries if one.layer == "code"]
    assert (own.name, own.version, own.license, own.place) == ("mine", "0.1", "LicenseRef-Ours", "./mine")
    assert [one.name for one in report.licenses["BSD-3-Clause"]] == ["flask"]
    shown = " ".join(Elements(page(report)).shown)
    assert "LicenseRef-Ours" in shown
