from __future__ import annotations

import pytest

from envbuild.core.errors import PlanError
from envbuild.render.dockerignore import DockerIgnore


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.pem", "a.pem", True),
        ("*.pem", "deep/a.pem", False),
        ("**/*.pem", "a.pem", True),
        ("**/*.pem", "deep/er/a.pem", True),
        ("build", "build/x/y", True),
        ("/build", "build/x", True),
        ("build/", "build/x", True),
        ("./build", "build/x", True),
        ("a/../b", "b/x", True),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("*/temp*", "one/temporary.txt", True),
        ("*/temp*", "one/two/temporary", False),
        ("docs/**", "docs/a/b", True),
        ("**/node_modules", "a/node_modules/b.js", True),
        ("**foo", "a/xfoo", True),
        ("[ab].txt", "a.txt", True),
        ("[^ab].txt", "a.txt", False),
        ("[^ab].txt", "c.txt", True),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("a.c", "abc", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("*\n!a/b", "a/b", False),
        ("!a\n*", "a", True),
        ("# note\n\n *.log ", "x.log", True),
        ("#not", "#not", False),
        ("\ufeff*.x", "a.x", True),
        (".", "a", False),
        ("(", "(", True),
    ],
)
def test_a_path_is_ignored_as_docker_documents(rules: str, path: str, ignored: bool) -> None:
    assert DockerIgnore.parse(rules).ignores(path) is ignored


def test_a_malformed_pattern_names_its_line() -> None:
    with pytest.raises(PlanError, match="line 2"):
        DockerIgnore.parse("a\n[z-a]\n")
