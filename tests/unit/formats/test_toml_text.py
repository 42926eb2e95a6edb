import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.core.errors import LockError
from envbuild.formats.toml_text import Moment, entry, key, load, string, value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

texts = st.text(st.characters(codec="utf-8"), max_size=40)
values = st.recursive(
    st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(one=values)
def test_a_value_reads_back(one):
    assert tomllib.loads(f"a = {value(one)}\n") == {"a": one}


@given(text=texts)
def test_a_string_and_a_key_are_one_line_and_read_back(text):
    assert len(string(text).splitlines()) == 1
    assert tomllib.loads(f"{key(text)} = {string(text)}\n") == {text: text}


@given(items=st.lists(texts, max_size=4))
def test_an_entry_reads_back(items):
    assert tomllib.loads("\n".join(entry("a", items))) == {"a": items}


def test_a_moment_is_a_date_time_only_in_utc():
    assert value(Moment("2026-01-02T03:04:05.5Z")) == "2026-01-02T03:04:05.5Z"
    assert value(Moment("yesterday")) == '"yesterday"'


def test_a_syntax_error_names_its_line():
    with pytest.raises(LockError, match=r"f:2: is not TOML: "):
        load("a = 1\nb = \n", "f")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, f"a = {'9' * 10_000}"])
def test_what_would_exhaust_the_parser_is_refused(text):
    with pytest.raises(LockError):
        load(text, "f")
