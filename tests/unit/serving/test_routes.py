"""The table of routes: what its file may say, and how requests are split."""

import json
import random
from collections import Counter

import pytest

from envbuild.serving.deployments import MISSES, Deployments
from envbuild.serving.routes import Route, RoutesError, Table, read_routes


def table(seed=1, **traffic):
    return Table([Route(name, "127.0.0.1", 1, percent) for name, percent in traffic.items()], random.Random(seed))


@pytest.mark.parametrize(
    "traffic",
    [{"a": 100}, {"a": 90, "b": 10}, {"a": 33, "b": 33, "c": 34}, {"a": 0.5, "b": 99.5}, {"a": 12.34, "b": 87.66}],
)
def test_requests_are_split_as_the_percents_say(traffic):
    routes = table(**traffic)
    drawn = Counter(routes.draw().name for _ in range(10_000))
    assert drawn == {name: percent * 100 for name, percent in traffic.items()}


def test_the_order_is_not_one_that_a_client_falls_in_step_with():
    first = [table(seed=1, a=50, b=50).draw().name for _ in range(1)]
    orders = {tuple(one.draw().name for _ in range(100)) for one in (table(seed=n, a=50, b=50) for n in range(5))}
    assert len(orders) == 5
    assert first


def test_nobody_is_drawn_where_nobody_gets_traffic():
    assert table(a=0, b=0).draw() is None


def test_others_are_those_with_traffic_and_the_heavy_come_first_more_often():
    routes = table(a=10, b=80, c=10, d=0)
    first = Counter(routes.others(routes.routes["a"])[0].name for _ in range(1000))
    assert set(first) == {"b", "c"}
    assert first["b"] > 4 * first["c"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[]", "deployments"),
        ("{", "not JSON"),
        ({"deployments": {"a": {"url": "http://x:1", "traffic": 50}}}, "add up to 100"),
        ({"deployments": {"a": {"url": "http://x:1", "traffic": 101}}}, "deployments.a.traffic"),
        ({"deployments": {"a": {"url": "http://x:1", "traffic": "9"}}}, "deployments.a.traffic"),
        ({"deployments": {"a": {"url": "http://x:1", "mirror": -1}}}, "deployments.a.mirror"),
        ({"deployments": {"a": {"url": "https://x:1"}}}, "deployments.a.url"),
        ({"deployments": {"a": {"url": "http://x:99999"}}}, "deployments.a.url"),
        ({"deployments": {"a": {"url": "http://x/path"}}}, "deployments.a.url"),
        ({"deployments": {"a": {"weight": 1}}}, "deployments.a"),
        ({"deployments": {"a": {"url": "http://x:1", "scoring": "predict"}}}, "deployments.a.scoring"),
        ({"deployments": {"a": {"url": "http://x:1", "scoring": "/a\nb"}}}, "deployments.a.scoring"),
        ({"deployments": {"a": {"url": "http://x:1", "health": "http://y:2/"}}}, "deployments.a.health"),
        ({"deployments": {"a": {"url": "http://x:1", "health": "http://x:2"}}}, "deployments.a.health"),
        ({"deployments": {"a\nb": {"url": "http://x:1"}}}, "cannot name"),
        ({"deployments": {n: {"url": "http://x:1", "mirror": 5} for n in "ab"}}, "mirror"),
        ({"deployments": {"a": {"url": "http://x:1", "traffic": 0.001}, "b": {"url": "http://x:1", "traffic": 99.999}}}, "decimals"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_its_key(tmp_path, content, named):
    path = tmp_path / "routes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RoutesError, match=named):
        read_routes(path)


def write(path, **traffic):
    ports = {name: 1000 + at for at, name in enumerate(traffic)}
    found = {name: {"url": f"http://127.0.0.1:{ports[name]}", "traffic": percent} for name, percent in traffic.items()}
    path.write_text(json.dumps({"deployments": found}))


def test_who_is_down_comes_last_and_comes_back(tmp_path):
    write(tmp_path / "routes.json", a=50, b=50)
    found = Deployments(tmp_path / "routes.json", 1)
    a = found.table.routes["a"]
    found.missed(a, "refused", count=MISSES)
    assert {found.candidates()[0].name for _ in range(200)} == {"b"}
    assert found.is_healthy
    found.answered(a)
    assert {found.candidates()[0].name for _ in range(200)} == {"a", "b"}
    assert [one.name for one in found.candidates("a")] == ["a"]
    assert found.candidates("nobody") == []


def test_one_probe_that_fails_is_not_the_end(tmp_path):
    write(tmp_path / "routes.json", a=100)
    found = Deployments(tmp_path / "routes.json", 1)
    route = found.table.routes["a"]
    found.missed(route, "late")
    assert found.is_up(route)
    found.missed(route, "late")
    assert not found.is_healthy
    assert [one.name for one in found.candidates()] == ["a"]  # nobody else is there: better tried than refused


def test_a_file_that_changes_holds_at_once_and_a_wrong_one_never(tmp_path):
    path = tmp_path / "routes.json"
    write(path, a=100)
    found = Deployments(path, 1)
    write(path, a=0, b=100)
    found.refresh()
    assert found.candidates()[0].name == "b"
    path.write_text("{")
    found.refresh()
    path.unlink()
    found.refresh()
    assert found.candidates()[0].name == "b"
