"""The conda side, through the solver's process, on channels of records."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from envbuild.core.errors import SolveError
from envbuild.net.clean import AUTHORITIES
from envbuild.solve.conda import CondaSolver
from envbuild.solve.conda_process import _engine_folder
from envbuild.solve.options import SolveOptions
from tests.solve.conda_asking import answer, request, solve, spec, versions
from tests.solve.repodata import Records

DAY_20 = "2024-01-20"
"""Before what is made on day 30, behind the rest."""


@pytest.fixture
def records(tmp_path):
    channel = Records()
    channel.python("3.11.4", "3.12.1", subdirs=("linux-64", "osx-arm64"))
    channel.add("alpha", "1.0", "python >=3.8")
    channel.add("alpha", "2.0", "python >=3.8", "beta >=2", day=30)
    channel.add("beta", "1.0", "python >=3.8")
    channel.add("beta", "2.0", "python >=3.8", day=30)
    return channel


def test_newest_versions_are_taken_from_a_folder(records, tmp_path):
    found = solve("python=3.11", "alpha", channels=[records.write(tmp_path)])
    assert versions(found) == {"python": "3.11.4", "alpha": "2.0", "beta": "2.0"}


def test_a_package_has_everything_that_its_record_has(records, tmp_path):
    records.add("tool", "1.2", subdir="linux-64", build="h1_7", constrains=["beta <2", "alpha <9"], build_number=7)
    url = records.write(tmp_path)
    one = solve("tool", channels=[url])["tool"]
    record = records.records["linux-64"]["tool-1.2-h1_7.conda"]
    assert (one.md5, one.sha256, one.size) == (record["md5"], record["sha256"], record["size"])
    assert (one.build, one.build_number, one.license, one.noarch) == ("h1_7", 7, "MIT", "")
    assert (one.channel, one.url) == (url, f"{url}/linux-64/tool-1.2-h1_7.conda")
    assert one.constrains == ("alpha <9", "beta <2")
    assert (one.platform, one.subdir) == ("linux-64", "linux-64")


def test_noarch_packages_belong_to_the_platform_that_is_solved(records, tmp_path):
    one = solve("python", "beta", channels=[records.write(tmp_path)])["beta"]
    assert (one.platform, one.subdir, one.noarch) == ("linux-64", "noarch", "python")


def test_two_platforms_are_answered_in_the_order_asked(records, tmp_path):
    records.add("only", "1.0", subdir="osx-arm64")
    records.add("only", "2.0", subdir="linux-64")
    url = records.write(tmp_path)
    asked = [request("python", "only", channels=[url], platform=name) for name in ("osx-arm64", "linux-64")]
    mac, linux = answer(*asked)
    assert [mac.platform, linux.platform] == ["osx-arm64", "linux-64"]
    assert [one.version for one in (*mac.packages, *linux.packages) if one.name == "only"] == ["1.0", "2.0"]


def test_strict_priority_hides_a_lower_channel_even_for_a_spec_with_a_version(tmp_path):
    first, second = Records("first"), Records("second")
    first.add("foo", "1.0")
    second.add("foo", "2.0")
    channels = [first.write(tmp_path), second.write(tmp_path)]
    assert solve("foo", channels=channels)["foo"].version == "1.0"
    with pytest.raises(SolveError, match="foo"):
        solve("foo >=2", channels=channels)


def test_strict_priority_holds_for_dependencies(tmp_path):
    first, second = Records("first"), Records("second")
    first.add("foo", "1.0")
    second.add("foo", "2.0")
    second.add("needs", "1.0", "foo")
    found = solve("needs", channels=[first.write(tmp_path), second.write(tmp_path)])
    assert versions(found) == {"foo": "1.0", "needs": "1.0"}


def test_a_spec_may_name_a_channel_that_the_list_has_not(tmp_path):
    first, second = Records("first"), Records("second")
    first.add("foo", "2.0")
    second.add("foo", "1.0")
    url = second.write(tmp_path)
    found = solve(f"{url}::foo", channels=[first.write(tmp_path)])
    assert (found["foo"].version, found["foo"].channel) == ("1.0", url)


def test_the_cutoff_hides_what_is_newer(records, tmp_path):
    found = solve("python", "alpha", channels=[records.write(tmp_path)], exclude_newer=DAY_20)
    assert found["alpha"].version == "1.0"


def test_locked_packages_stay_while_they_fit(records, tmp_path):
    old = solve("python=3.11", "alpha", channels=[records.write(tmp_path)], exclude_newer=DAY_20)
    url = records.write(tmp_path)
    again = solve("python=3.11", "alpha", channels=[url], locked=tuple(old.values()))
    assert again == old


def test_leaving_out_one_locked_package_moves_only_what_must_move(records, tmp_path):
    records.add("gamma", "1.0")
    url = records.write(tmp_path)
    old = solve("python=3.11", "alpha", "gamma", channels=[url], exclude_newer=DAY_20)
    records.add("gamma", "2.0", day=30)
    url = records.write(tmp_path)
    locked = tuple(one for one in old.values() if one.name != "alpha")
    found = solve("python=3.11", "alpha", "gamma", channels=[url], locked=locked)
    assert versions(found) == {"python": "3.11.4", "alpha": "2.0", "beta": "2.0", "gamma": "1.0"}


def test_a_locked_package_that_is_newer_than_the_cutoff_does_not_stay(records, tmp_path):
    url = records.write(tmp_path)
    new = solve("python=3.11", "alpha", channels=[url])
    found = solve("python=3.11", "alpha", channels=[url], locked=tuple(new.values()), exclude_newer=DAY_20)
    assert found["alpha"].version == "1.0"


def test_a_locked_package_that_the_channel_withdrew_does_not_stay(records, tmp_path):
    url = records.write(tmp_path)
    new = solve("python=3.11", "alpha", channels=[url])
    del records.records["noarch"]["alpha-2.0-0.conda"]
    records.write(tmp_path)
    assert solve("python=3.11", "alpha", channels=[url], locked=tuple(new.values()))["alpha"].version == "1.0"


def test_constraints_hold_only_for_what_is_needed(records, tmp_path):
    url = records.write(tmp_path)
    found = solve("python=3.11", "alpha", channels=[url], constraints=("beta <2", "gamma <1"))
    assert versions(found) == {"python": "3.11.4", "alpha": "1.0"}


def test_virtual_packages_decide_what_fits(tmp_path):
    channel = Records()
    channel.add("gpu", "1.0", subdir="linux-64")
    channel.add("gpu", "2.0", "__cuda >=12", subdir="linux-64")
    url = channel.write(tmp_path)
    assert solve("gpu", channels=[url])["gpu"].version == "1.0"
    assert solve("gpu", channels=[url], virtual=("__cuda=12.4",))["gpu"].version == "2.0"


def test_purls_of_the_records_come_along(tmp_path):
    channel = Records()
    channel.add("odd", "1.0", purls=["pkg:pypi/even@1.0"])
    (found,) = answer(request("odd", channels=[channel.write(tmp_path)]))
    assert dict(found.purls) == {"odd": ("pkg:pypi/even@1.0",)}


def test_a_relative_channel_starts_at_the_definition(records, tmp_path):
    records.write(tmp_path)
    assert "alpha" in solve("python", "alpha", channels=["./channel"], folder=tmp_path)


def test_a_missing_package_is_told_at_its_line_with_names_that_look_like_it(records, tmp_path):
    with pytest.raises(SolveError) as caught:
        solve("python", "alpah", channels=[records.write(tmp_path)])
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("environment.yml", 2)
    assert "no package 'alpah' for linux-64" in problem.message
    assert problem.hint == "did you mean alpha?"


def test_a_missing_version_is_told_with_those_that_there_are(records, tmp_path):
    with pytest.raises(SolveError) as caught:
        solve("python", "alpha >=9", channels=[records.write(tmp_path)])
    (problem,) = caught.value.problems
    assert problem.line == 2
    assert "`alpha >=9`" in problem.message
    assert "alpha 1.0, 2.0" in problem.message


def test_all_specs_that_nothing_fits_are_told_at_once(records, tmp_path):
    for number in range(9):
        records.add("many", f"{number}.0")
    with pytest.raises(SolveError) as caught:
        solve("python", "many=77", "nowhere", channels=[records.write(tmp_path)])
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert "many 0.0, …, 5.0, 6.0, 7.0, 8.0" in caught.value.problems[0].message


def test_a_conflict_names_only_the_lines_that_contradict_each_other(records, tmp_path):
    records.add("old", "1.0", "beta <2")
    with pytest.raises(SolveError) as caught:
        solve("python=3.11", "pip", "alpha=2", "old", channels=[records.write(tmp_path)])
    text = str(caught.value)
    assert "environment.yml:3: alpha=2" in text
    assert "environment.yml:4: old" in text
    assert "environment.yml:1" not in text
    assert "environment.yml:2" not in text
    assert "beta" in text.partition("because")[2]


def test_the_same_conflict_on_two_platforms_is_told_for_each(records, tmp_path):
    url = records.write(tmp_path)
    asked = [request("nowhere", channels=[url], platform=name) for name in ("linux-64", "osx-arm64")]
    with pytest.raises(SolveError) as caught:
        answer(*asked)
    assert [problem.message.rpartition(" ")[2] for problem in caught.value.problems] == ["linux-64", "osx-arm64"]


def test_a_missing_channel_is_named(tmp_path):
    with pytest.raises(SolveError, match="nothing-here"):
        solve("foo", channels=[(tmp_path / "nothing-here").as_uri()])


def test_over_http_a_second_solve_asks_only_whether_anything_changed(records):
    with records as site:
        solve("python", "alpha", channels=[site.url])
        before = len(site.requests)
        solve("python", "alpha", channels=[site.url])
        again = site.requests[before:]
    assert {one.status for one in again if one.path.endswith("/repodata.json")} == {304}


def test_offline_uses_what_was_fetched_before(records):
    with records as site:
        first = solve("python", "alpha", channels=[site.url])
        before = len(site.requests)
        assert solve("python", "alpha", channels=[site.url], offline=True) == first
        assert len(site.requests) == before


def test_offline_without_a_cache_says_so(records):
    with records as site, pytest.raises(SolveError, match="not in the cache") as caught:
        solve("python", channels=[site.url], offline=True)
    assert "--offline" in str(caught.value)
    assert not site.requests


def test_a_mirror_is_asked_and_the_canonical_url_is_locked(records):
    canonical = "https://conda.example/channel"
    with records as site:
        found = solve("python", "alpha", channels=[canonical], mirrors={canonical: (site.url,)})
    assert {one.channel for one in found.values()} == {canonical}
    assert all(one.url.startswith(f"{canonical}/") for one in found.values())


def test_credentials_in_a_channel_are_used_and_never_locked():
    with Records(user="reader", password="s3cret-pass") as site:
        site.add("foo", "1.0")
        found = solve("foo", channels=[site.with_credentials(site.url)])
    assert found["foo"].url == f"{site.url}/noarch/foo-1.0-0.conda"
    assert found["foo"].channel == site.url


def test_credentials_may_stand_in_variables(monkeypatch):
    monkeypatch.setenv("CHANNEL_USER", "reader")
    monkeypatch.setenv("CHANNEL_PASSWORD", "s3cret-pass")
    with Records(user="reader", password="s3cret-pass") as site:
        site.add("foo", "1.0")
        url = site.url.replace("http://", "http://${CHANNEL_USER}:${CHANNEL_PASSWORD}@")
        assert solve("foo", channels=[url])["foo"].channel == site.url


def test_credentials_come_from_netrc(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password s3cret-pass\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Records(user="reader", password="s3cret-pass") as site:
        site.add("foo", "1.0")
        assert solve("foo", channels=[site.url])["foo"].version == "1.0"


def test_credentials_come_from_rattlers_own_file(tmp_path, monkeypatch):
    (tmp_path / "auth.json").write_text(
        json.dumps({"127.0.0.1": {"BasicHTTP": {"username": "reader", "password": "s3cret-pass"}}})
    )
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "auth.json"))
    with Records(user="reader", password="s3cret-pass") as site:
        site.add("foo", "1.0")
        assert solve("foo", channels=[site.url])["foo"].version == "1.0"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
def test_a_private_authority_is_trusted_where_a_variable_names_it(authority, monkeypatch, variable):
    for name in AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    site = Records()
    authority.secure(site)
    with site:
        site.add("foo", "1.0")
        with pytest.raises(SolveError, match="cannot be read"):
            solve("foo", channels=[site.url])
        monkeypatch.setenv(variable, str(authority.certificate))
        assert solve("foo", channels=[site.url])["foo"].version == "1.0"


def test_a_channel_that_wants_credentials_says_where_to_put_them_and_shows_none():
    with Records(user="reader", password="s3cret-pass") as site:
        wrong = site.url.replace("http://", "http://reader:wr0ng-pass@")
        with pytest.raises(SolveError) as caught:
            solve("foo", channels=[wrong])
    assert "RATTLER_AUTH_FILE" in str(caught.value)
    assert "wr0ng-pass" not in str(caught.value)


def test_a_version_of_the_engine_that_is_not_known_runs_over_asyncio(records, tmp_path, monkeypatch):
    engine = tmp_path / "engine"
    (engine / "py_rattler-9.0.dist-info").mkdir(parents=True)
    (engine / "rattler").symlink_to(Path(_engine_folder(), "rattler"), target_is_directory=True)
    monkeypatch.setattr("envbuild.solve.conda_process._engine_folder", lambda: str(engine))
    found = solve("python=3.11", "alpha", channels=[records.write(tmp_path)])
    assert found["alpha"].version == "2.0"


def test_one_conversation_answers_many_questions_and_fetches_once(records):
    with records as site, CondaSolver() as solver:
        solver.open(SolveOptions(), Path())
        first = solver.solve([request("python", "alpha", channels=[site.url])])
        before = len(site.requests)
        second = solver.solve([request("python", "alpha <2", channels=[site.url])])
        assert len(site.requests) == before
    assert [one.version for found in (*first, *second) for one in found.packages if one.name == "alpha"] == [
        "2.0",
        "1.0",
    ]


def test_a_solver_that_dies_is_one_clear_error(records, tmp_path):
    with CondaSolver() as solver:
        solver.open(SolveOptions(), Path())
        os.kill(solver.pid, signal.SIGKILL)
        with pytest.raises(SolveError, match="ended without an answer"):
            solver.solve([request("python", channels=[records.write(tmp_path)])])


def test_a_spec_that_the_engine_does_not_understand_is_named(records, tmp_path):
    broken = request("python", channels=[records.write(tmp_path)])
    with pytest.raises(SolveError, match="InvalidMatchSpec"):
        answer(type(broken)(platform="linux-64", specs=(spec("python"), _broken()), channels=broken.channels))


def _broken():
    from envbuild.core.definition import CondaSpec

    return CondaSpec(text="foo[[", name="foo")
