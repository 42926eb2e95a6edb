from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request

import pytest
import uv

from envbuild import programs
from tests.support.index import JSON_TYPE


def _get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read(), answer.headers


def _compile(url, requirement):
    argv = [
        uv.find_uv_bin(),
        "pip",
        "compile",
        "-q",
        "--no-header",
        "--no-annotate",
        "--no-cache",
        "--index-url",
        url,
        "-",
    ]
    return programs.run(argv, stdin=f"{requirement}\n").stdout.split()


def test_uv_resolves_with_metadata_files_only(index):
    index.add("base", "1.0")
    index.add("top", "1.0", requires=["base<2"])
    assert _compile(index.url, "top") == ["base==1.0", "top==1.0"]
    assert [path for path in index.paths() if path.endswith(".whl")] == []


def test_a_version_that_is_added_while_the_index_runs_is_found(index):
    index.add("base", "1.0")
    before = _compile(index.url, "base")
    index.add("base", "1.1")
    assert (before, _compile(index.url, "base")) == (["base==1.0"], ["base==1.1"])


def test_yanked_files_and_files_for_other_pythons_are_passed_over(index):
    index.add("base", "1.0")
    index.add("base", "1.1", yanked="broken")
    index.add("base", "1.2", requires_python=">=3.99")
    assert _compile(index.url, "base") == ["base==1.0"]


def test_html_and_json_say_the_same(index):
    release = index.add("Base_Thing", "1.0", upload_time="2024-05-01T00:00:00Z")
    page, _ = _get(f"{index.url}/base-thing/")
    listing, _ = _get(f"{index.url}/base-thing/", Accept=JSON_TYPE)
    [file] = json.loads(listing)["files"]
    assert f"{release.file_name}#sha256={release.sha256}".encode() in page
    assert (file["hashes"]["sha256"], file["upload-time"]) == (release.sha256, "2024-05-01T00:00:00Z")
    content, _ = _get(index.file_url(release))
    assert hashlib.sha256(content).hexdigest() == release.sha256


def test_the_list_of_projects_names_each_once(index):
    index.add("base", "1.0")
    index.add("base", "1.1")
    listing, _ = _get(f"{index.url}/", Accept=JSON_TYPE)
    assert json.loads(listing)["projects"] == [{"name": "base"}]


def test_an_unchanged_page_is_not_sent_again(index):
    index.add("base", "1.0")
    _, headers = _get(f"{index.url}/base/")
    with pytest.raises(urllib.error.HTTPError, match="304"):
        _get(f"{index.url}/base/", **{"If-None-Match": headers["ETag"]})
    index.add("base", "1.1")
    page, _ = _get(f"{index.url}/base/", **{"If-None-Match": headers["ETag"]})
    assert b"base-1.1" in page


def test_a_private_index_wants_its_password(private_index):
    private_index.add("base", "1.0")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _get(f"{private_index.url}/base/")
    assert _compile(private_index.with_credentials(private_index.url), "base") == ["base==1.0"]
    assert {request.status for request in private_index.requests} >= {200, 401}


def test_a_failure_on_order(index):
    index.add("base", "1.0")
    index.broken["/simple/base/"] = 503
    with pytest.raises(urllib.error.HTTPError, match="503"):
        _get(f"{index.url}/base/")
