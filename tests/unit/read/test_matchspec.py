"""The light MatchSpec reader says what conda says: `rattler` is the judge."""

from __future__ import annotations

import pytest

from envbuild.read.matchspec import MatchSpecError, parse_matchspec

SPECS = [
    ("numpy", "numpy"),
    ("numpy=1.26", "numpy =1.26"),
    ("numpy = 1.26", "numpy =1.26"),
    ("numpy =1.26.*", "numpy =1.26"),
    ("numpy=1.26*", "numpy =1.26"),
    ("numpy==1.26", "numpy ==1.26"),
    ("numpy 1.26", "numpy ==1.26"),
    ("numpy==1.26.*", "numpy =1.26"),
    ("numpy=1.26=py39_0", "numpy ==1.26 py39_0"),
    ("x264=1!164.3095=h166bdaf_2", "x264 ==1!164.3095 h166bdaf_2"),
    ("numpy 1.26 py39_0", "numpy ==1.26 py39_0"),
    ("numpy=1.26.*=py39*", "numpy 1.26.* py39*"),
    ("jaxlib>=0.4.23=cuda120*", "jaxlib >=0.4.23 cuda120*"),
    ("jaxlib==*=*cuda*", "jaxlib * *cuda*"),
    ("python >=3.8 , <3.10", "python >=3.8,<3.10"),
    ("numpy=1.2|1.4.*", "numpy 1.2.*|1.4.*"),
    ("conda-forge::jq", "conda-forge::jq"),
    ("conda-forge/linux-64::jq=1", "conda-forge/linux-64::jq =1"),
    ("rapidsai/label/xgboost::xgboost=0.90.rapidsdev1", "rapidsai/label/xgboost::xgboost =0.90.rapidsdev1"),
    ("https://conda.example/channel::flask=1.0.2", "https://conda.example/channel::flask =1.0.2"),
    ("https://conda.example:8443/t/${TOKEN}/channel::flask", "https://conda.example:8443/t/${TOKEN}/channel::flask"),
    ("pkg[version='>=1,<2',build_number='>3']", "pkg >=1,<2[build_number='>3']"),
    ("pkg[version=1.2]", "pkg ==1.2"),
    ("defaults::numpy=1.8[channel=other, version=1.9]", "other::numpy ==1.9"),
    ("PyJWT < 2.0.0", "pyjwt <2.0.0"),
    ("fsspec!=2021.7.*", "fsspec !=2021.7.*"),
    ("pynio=dev", "pynio =dev"),
]


@pytest.mark.parametrize(("written", "canonical"), SPECS)
def test_a_spec_gets_its_canonical_form(written, canonical):
    assert parse_matchspec(written).spec.text == canonical


@pytest.mark.parametrize("written", [written for written, _ in SPECS if "|" not in written])
def test_rattler_gives_the_canonical_form_the_meaning_of_the_written_one(written):
    rattler = pytest.importorskip("rattler")
    ours = rattler.MatchSpec(parse_matchspec(written).spec.text, strict=False)
    assert str(ours) == str(rattler.MatchSpec(written, strict=False))


def test_the_parts_are_told_apart():
    spec = parse_matchspec("conda-forge/noarch::NumPy=1.2=py_0").spec
    assert (spec.channel, spec.name, spec.version, spec.build) == ("conda-forge", "numpy", "==1.2", "py_0")


def test_a_channel_option_behind_a_spec_is_understood_and_said():
    found = parse_matchspec("pytorch==1.4.0 -c pytorch")
    assert found.spec.text == "pytorch::pytorch ==1.4.0"
    assert "-c pytorch" in found.mended[0]


def test_the_compatible_release_operator_is_understood_and_said():
    found = parse_matchspec("pandas~=1.1.5")
    assert found.spec.version == "~=1.1.5"
    assert ">=1.1.5,1.1.*" in found.mended[0]


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("numpy==", "no version", "numpy"),
        ("numpy=1.26=", "no build", "write numpy=1.26"),
        ("numpy >=1.26 =", "no build", "write numpy >=1.26"),
        ("numpy; python_version < '3.8'", "marker", "pip:"),
        ("dask[complete]", "complete", "pip"),
        ("-r requirements.txt", "option", "pip:"),
        ("pkg @ https://example.org/pkg.whl", "URL", "pip:"),
        ("conda-forge:numpy", "one colon", "conda-forge::numpy"),
        ("numpy ~=1", "two parts", ">=1.2"),
        ("numpy ^1.2$", "regular expression", ">=1.2"),
        ("num*", "pattern", ""),
        ("{{ name }}", "template", "render"),
        ("numpy --strict", "option", "alone"),
        ("numpy 1.2 3 4", "not understood", "name=version=build"),
        ("numpy >=1.2.", "not a version", "1.2"),
        ("https://user:secret@conda.example/channel::numpy", "credential", "${"),
        ("", "empty", ""),
    ],
)
def test_what_is_no_spec_is_refused_with_what_to_write(written, said, hint):
    with pytest.raises(MatchSpecError, match=said) as caught:
        parse_matchspec(written)
    assert hint in caught.value.hint
    assert "secret" not in str(caught.value)
