"""Index options with variables and credentials: used in full, shown and locked without."""

import pytest

from envbuild.core.definition import IndexOptions
from envbuild.core.errors import SolveError
from envbuild.solve.indexes import index_access


def access(tmp_path, environ=None, *texts, **options):
    return index_access(IndexOptions(**options), tmp_path, {"HOME": str(tmp_path), **(environ or {})}, *texts)


def test_variables_are_filled_in_for_use_and_masked_for_show(tmp_path):
    found = access(
        tmp_path, {"TOKEN": "tok-12345"}, index_url="https://user:${TOKEN}@index.example/simple", no_index=False
    )
    assert found.default == "https://user:tok-12345@index.example/simple"
    assert found.public(found.default) == "https://index.example/simple"
    assert "tok-12345" not in found.safe(f"cannot fetch {found.default} with tok-12345")


def test_a_variable_in_a_path_stands_in_the_lock_again(tmp_path):
    found = access(tmp_path, {"FEED": "s3cretfeed"}, index_url="https://index.example/${FEED}/simple")
    assert (
        found.public("https://index.example/s3cretfeed/files/a-1.whl") == "https://index.example/${FEED}/files/a-1.whl"
    )


def test_a_variable_that_is_not_set_is_named_and_nothing_else_is_shown(tmp_path):
    with pytest.raises(SolveError, match="TOKEN") as caught:
        access(tmp_path, index_url="https://me:pass:${TOKEN}@index.example/simple")
    assert "pass" not in str(caught.value)


def test_the_default_index_can_be_replaced_by_the_environment_but_not_over_the_definition(tmp_path):
    environ = {"ENVBUILD_INDEX_URL": "https://mirror.example/simple"}
    assert access(tmp_path, environ).default == "https://mirror.example/simple"
    assert access(tmp_path, environ, index_url="https://index.example/simple").default == "https://index.example/simple"


def test_credentials_of_netrc_and_of_the_environment_are_used(tmp_path):
    (tmp_path / ".netrc").write_text("machine index.example login reader password s3cret-pass\n")
    found = access(
        tmp_path,
        {"ENVBUILD_AUTH_OTHER_EXAMPLE_TOKEN": "tok-678"},
        index_url="https://index.example/simple",
        extra_index_urls=("https://other.example/simple",),
    )
    assert found.default == "https://reader:s3cret-pass@index.example/simple"
    assert found.extra == ("https://__token__:tok-678@other.example/simple",)
    assert set(found.secrets) >= {"s3cret-pass", "tok-678"}


def test_folders_of_find_links_start_at_the_definition(tmp_path):
    found = access(tmp_path, find_links=("wheels", "https://index.example/files/"))
    assert found.find_links == (str(tmp_path / "wheels"), "https://index.example/files/")


def test_a_local_folder_is_no_index_of_a_lock(tmp_path):
    assert access(tmp_path).public(tmp_path.as_uri()) == ""
