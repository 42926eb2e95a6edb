import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from envbuild.core.errors import LockError
from envbuild.formats.yaml_text import line_of, load, scalar

texts = st.text(st.characters(codec="utf-8"), max_size=40)
AWKWARD = [
    "1.10",
    "1e5",
    "0x1f",
    "0o7",
    "012",
    "1:30",
    "1_000",
    ".5",
    ".inf",
    "~",
    "null",
    "no",
    "Yes",
    "y",
    "=",
    "<<",
    "2026-01-01",
    "'",
    '"',
    "a'b",
    "%a",
    "@a",
    "`a",
    "!a",
    "&a",
    "*a",
    "a:",
    ":a",
    "#a",
    "[a",
    "{a",
    "a,b",
    "+1",
    "-1",
    "1e",
    "0b1",
]
awkward = st.sampled_from(
    [
        *AWKWARD,
        "",
        " ",
        "2026-1-1 10:00:00",
        "a: b",
        "a #b",
        "- a",
        "? a",
        "--- a",
        "...",
        "\ta",
        "a\nb",
        "a\x85b",
        "\ufeffa",
    ]
)


@given(text=st.one_of(texts, awkward))
def test_a_scalar_is_the_same_text_again_as_value_and_as_key(text):
    assert yaml.safe_load(f"- {scalar(text)}\n") == [text]
    assert yaml.safe_load(f"{scalar(text)}: 1\n") == {text: 1}
    assert load(f"a: {scalar(text)}\n", "f").data == {"a": text}


@given(text=texts)
def test_a_scalar_is_one_line(text):
    assert len(scalar(text).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["numpy", "1.2.3", "https://conda.example/c/linux-64/a-1-0.conda", "0f1e2d", "3.11.2rc1"]
)
def test_what_no_reader_mistakes_stays_plain(text):
    assert scalar(text) == text


def test_all_scalars_but_null_are_texts():
    assert load("a: 1.10\nb: yes\nc: null\nd:\ne: ''\nf: 2026-01-01\n", "f").data == {
        "a": "1.10",
        "b": "yes",
        "c": None,
        "d": None,
        "e": "",
        "f": "2026-01-01",
    }


@pytest.mark.parametrize(
    "text", ["- 1\n", "a\n", "? [a]\n: 1\n", "a: [\n", "a: !!python/object:os.system x\nb: [", "{a: 1}: 2\n"]
)
def test_what_is_no_mapping_of_texts_is_refused(text):
    with pytest.raises(LockError, match="f"):
        load(text, "f")


def test_a_key_that_is_there_twice_is_refused_with_its_line():
    with pytest.raises(LockError, match=r"f:2: is not YAML: a key of this mapping is there twice"):
        load("a:\n  b: 1\n  b: 2\n", "f")


def test_tags_make_no_objects():
    assert load("a: !!python/object/apply:os.getcwd []\n", "f").data == {"a": []}


def test_deep_nesting_is_refused():
    with pytest.raises(LockError):
        load("a: " + "[" * 20_000 + "]" * 20_000, "f")


def test_a_file_of_that_length_is_no_lock():
    with pytest.raises(LockError, match="64 MiB"):
        load("#" * (64 * 1024 * 1024 + 1), "f")


def test_the_line_of_a_path_is_that_of_its_key():
    text = "a:\n  b:\n  - x: 1\n  - x: 2\n    y: 3\n"
    assert [line_of(text, path) for path in (("a",), ("a", "b", 1), ("a", "b", 1, "y"), ("a", "gone"))] == [1, 4, 5, 1]
