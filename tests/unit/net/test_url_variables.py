"""Whose variables a lock's URLs may read, and where their values may go."""

from __future__ import annotations

import pytest

from envbuild.core.definition import Definition, IndexOptions, PipRequirement
from envbuild.core.errors import LockError, SolveError
from envbuild.net.url_variables import ALLOWED, UrlVariables
from envbuild.solve.channels import expand_channels
from envbuild.solve.indexes import expand

OURS = Definition(
    kind="requirements",
    pip=(PipRequirement(text="x", kind="vcs", target="git+https://${GIT}@git.example/x"),),
    index=IndexOptions(
        index_url="https://index.example/${TOKEN}/simple",
        extra_index_urls=("https://reader:${PASSWORD}@private.example:8443/simple",),
    ),
)
ENVIRON = {"TOKEN": "t-value", "PASSWORD": "p-value", "OTHER": "o-value", "GIT": "g-value"}


def filled(url: str, definition: Definition | None = OURS, **more: str) -> str:
    return UrlVariables.of(definition, {**ENVIRON, **more}).fill(url)


def test_a_variable_goes_to_the_host_that_the_definition_sends_it_to():
    assert filled("https://index.example/${TOKEN}/a.whl") == "https://index.example/t-value/a.whl"


def test_a_login_of_the_definition_is_used_for_the_files_of_the_same_host():
    assert filled("https://private.example:8443/a.whl") == "https://reader:p-value@private.example:8443/a.whl"
    assert filled("https://private.example/a.whl") == "https://private.example/a.whl"
    assert filled("http://private.example:8443/a.whl") == "http://private.example:8443/a.whl"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/${TOKEN}/a.whl",
        "http://index.example/${TOKEN}/a.whl",
        "https://index.example:444/${TOKEN}/a.whl",
        "https://index.example@evil.example/${TOKEN}/a.whl",
        "https://index.example/${OTHER}/a.whl",
        "https://private.example:8443/${TOKEN}/a.whl",
        "https://${TOKEN}.evil.example/a.whl",
        "https://evil.example/a.whl?${PASSWORD}",
        "https://[${TOKEN}/a.whl",
    ],
)
@pytest.mark.parametrize("definition", [OURS, None])
def test_no_other_lock_reads_the_environment(url, definition):
    with pytest.raises(LockError, match="names the environment variable") as caught:
        filled(url, definition)
    assert "-value" not in str(caught.value)


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(LockError, match="needs the environment variable TOKEN, which is not set"):
        UrlVariables.of(OURS, {}).fill("https://index.example/${TOKEN}/a.whl")


@pytest.mark.parametrize("said", ["OTHER", "TOKEN, OTHER@evil.example", "OTHER@evil.example TOKEN"])
def test_the_user_may_allow_one(said):
    assert filled("https://evil.example/${OTHER}", None, **{ALLOWED: said}) == "https://evil.example/o-value"


def test_what_the_user_allows_is_all_that_is_allowed():
    for url in ("https://index.example/${TOKEN}/a.whl", "https://evil.example/${OTHER}"):
        with pytest.raises(LockError):
            filled(url, **{ALLOWED: "OTHER@private.example"})
    # a login that may not be used is left out, so that the server says what it wants
    assert filled("https://private.example:8443/a.whl", **{ALLOWED: ""}) == "https://private.example:8443/a.whl"


def test_that_holds_for_definitions_too(monkeypatch):
    with pytest.raises(SolveError, match=f"TOKEN to a host that {ALLOWED} does not name"):
        expand("https://evil.example/${TOKEN}", {**ENVIRON, ALLOWED: "TOKEN@index.example"})
    assert expand("https://index.example/${TOKEN}", {**ENVIRON, ALLOWED: "TOKEN@index.example"}).endswith("t-value")
    monkeypatch.setenv(ALLOWED, "")
    monkeypatch.setenv("TOKEN", "t-value")
    with pytest.raises(SolveError, match="does not name"):
        expand_channels(["https://evil.example/$TOKEN/channel"], "linux-64")


def test_every_value_that_may_be_filled_in_is_masked():
    assert set(UrlVariables.of(OURS, ENVIRON).secrets()) == {"t-value", "p-value", "g-value"}
    assert "t-value" not in repr(UrlVariables.of(OURS, ENVIRON))
