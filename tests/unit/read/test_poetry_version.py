from __future__ import annotations

import pytest

from envbuild.read.poetry_version import to_pep440


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^1", ">=1,<2.0"),
        ("~1.2.3", ">=1.2.3,<1.3.0"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2.0"),
        ("~=1.2", "~=1.2"),
        ("1.2.*", "==1.2.*"),
        ("1.2.3", "==1.2.3"),
        ("*", ""),
        (">=1,<2", ">=1,<2"),
        (">= 1 <2", ">=1,<2"),
        ("!=1.3", "!=1.3"),
        ("~2.6 || ^2.7", ">=2.6,<3.0"),
        (">=1.0||^2.1", ">=1.0"),
    ],
)
def test_a_constraint_is_translated(written, specifier):
    assert to_pep440(written) == specifier


@pytest.mark.parametrize("written", ["2.18.^", "^1 || ^3", "latest", "1.*.2", ">1 || <0.5"])
def test_what_pep_440_cannot_say_is_refused(written):
    with pytest.raises(ValueError):
        assert to_pep440(written) is None
