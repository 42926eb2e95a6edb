"""Problems as annotations, on the line."""

import json

import pytest

from envbuild.annotations import annotate, toml_line
from envbuild.core.errors import Problem

TOML = """\
[project]
name = "x"

[tool.envbuild]
base = "ubuntu:24.04"
pip = [
  "alpha",  # first, "not an entry"
  "beta>=2",
]

[tool.envbuild.environments."gpu.big"]
pip = ["gamma"]
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("tool.envbuild.base", 5),
        ("tool.envbuild", 4),
        ("tool.envbuild.pip", 6),
        ("tool.envbuild.pip[0]", 7),
        ('tool.envbuild.environments."gpu.big".pip[0]', 12),
        ("tool.envbuild.unknown", 4),
        ("nothing.of.this", None),
    ],
)
def test_the_line_of_a_toml_key(key, line):
    assert toml_line(TOML, key) == line


def test_github_commands_cannot_be_broken_out_of(tmp_path):
    hostile = Problem(message="a\n::error file=x::b %", file="a,b:c.yml", line=3)
    text = annotate([hostile], "github", rule="lock-check")
    assert text == "::error file=a%2Cb%3Ac.yml,line=3,title=envbuild lock-check::a%0A::error file=x::b %25\n"


def test_gitlab_has_what_code_quality_needs_and_stable_fingerprints():
    problems = [Problem(message="m", file="environment.yml", line=4, hint="h"), Problem(message="n", file="a.yml")]
    first, second = json.loads(annotate(problems, "gitlab", rule="lock-check"))
    assert first["location"] == {"path": "environment.yml", "lines": {"begin": 4}}
    assert first["description"] == "m (hint: h)"
    assert first["severity"] == "major"
    assert second["location"]["lines"]["begin"] == 1
    assert first["fingerprint"] != second["fingerprint"]
    assert first == json.loads(annotate(problems[:1], "gitlab", rule="lock-check"))[0]


def test_sarif_places_each_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(TOML)
    problem = Problem(message="m", file=str(tmp_path / "pyproject.toml"), key="tool.envbuild.pip[1]")
    [run] = json.loads(annotate([problem], "sarif", rule="show", version="1"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "pyproject.toml"
    assert run["tool"]["driver"]["rules"] == [{"id": "envbuild/show"}]


def test_json_is_a_list_even_of_nothing():
    assert json.loads(annotate([], "json", rule="show")) == []
