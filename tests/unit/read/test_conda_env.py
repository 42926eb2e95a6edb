from __future__ import annotations

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read.conda_env import parse_conda


def nothing(path: str) -> bytes:
    raise AssertionError(path)


def read(text, include=nothing):
    return parse_conda(text, "environment.yml", include)


def problems(text):
    with pytest.raises(DefinitionError) as caught:
        read(text)
    return caught.value.problems


FULL = """\
name: train
channels:
  - conda-forge
  - https://conda.example/t/${TOKEN}/channel/
  - defaults
dependencies:
  - python=3.10
  - numpy >=1.22,<2
  - pip
  - pip:
      - scikit-learn==1.4.2
      - --extra-index-url https://index.example/simple
      - torch ; sys_platform == 'linux'
  - conda-forge::jq
variables:
  DEBUG: 1
prefix: C:\\Users\\me\\env
"""


def test_a_whole_file_is_understood_in_written_order():
    found = read(FULL)
    assert found.name == "train"
    assert found.python == "3.10"
    assert found.channels == ("conda-forge", "https://conda.example/t/${TOKEN}/channel", "defaults")
    assert [one.text for one in found.conda] == ["python =3.10", "numpy >=1.22,<2", "pip", "conda-forge::jq"]
    assert [one.text for one in found.pip] == ["scikit-learn==1.4.2", 'torch; sys_platform == "linux"']
    assert found.index.extra_index_urls == ("https://index.example/simple",)
    assert found.variables == (("DEBUG", "1"),)
    assert [note.key for note in found.notes] == ["prefix"]


def test_every_entry_knows_its_line_and_key():
    found = read(FULL)
    assert (found.conda[1].origin.line, found.conda[1].origin.key) == (8, "dependencies[1]")
    assert (found.pip[0].origin.line, found.pip[0].origin.key) == (11, "dependencies[3].pip[0]")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("  - ", "- "),
        lambda text: text.replace("  - numpy >", "  -\u00a0numpy\u200b >"),
    ],
    ids=["CRLF", "no final newline", "list at column 0", "non-breaking and zero-width spaces"],
)
def test_the_way_of_writing_does_not_matter(change):
    text = FULL.replace("      - s", "    - s").replace("      - -", "    - -").replace("      - t", "    - t")
    assert read(change(text)).hash == read(FULL).hash


@pytest.mark.parametrize(
    ("entry", "write"),
    [("- 3.10", "name=version"), ("- python: 3.10", "python=3.10"), ("- pip: [{numpy: 1.2}]", "numpy==1.2")],
)
def test_a_number_in_place_of_a_package_is_refused_with_what_to_write(entry, write):
    [problem] = problems(f"dependencies:\n{entry}\n")
    assert problem.line == 2
    assert write in problem.hint


@pytest.mark.parametrize("pip", ["pip: numpy==1", "pip:\n    - numpy==1\n- pip:\n    - numpy==1"])
def test_unusual_pip_sections_are_read_with_a_note(pip):
    found = read(f"dependencies:\n- pip\n- {pip}\n")
    assert [one.text for one in found.pip] == ["numpy==1"]
    assert len(found.notes) == 1


def test_an_empty_pip_section_is_noted():
    found = read("dependencies:\n- pip\n- pip:\n")
    assert found.pip == ()
    assert "no entries" in found.notes[0].message


def test_all_problems_are_told_at_once():
    found = problems("dependencies:\n- numpy==\n- a; b\n- pip:\n  - x=1\nchanels: [a]\n")
    assert [one.line for one in found] == [6, 2, 3, 5]
    assert "'channels'" in found[0].hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("- a\n- b\n", "list"),
        ("name: x\nchannels: [a]\n", "no `dependencies:`"),
        ("channels: [a]\ndependencies:\n", "no entries"),
        ("channels:\ndependencies: [a]\n", "no entries"),
        ("dependencies:\n  - a\n  b\n", "not YAML"),
        ("dependencies:\n  - {{ name }}\n", "template"),
        ("dependencies: [a]\n---\ndependencies: [b]\n", "several YAML documents"),
        ("dependencies: [a]\ndependencies: [b]\n", "second time"),
    ],
)
def test_a_malformed_file_is_refused_with_a_reason_that_fits(text, said):
    assert said in problems(text)[0].message


def test_aliases_cannot_blow_up():
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    text = f"a0: &a0 [x]\n{levels}\ndependencies: *a8\n"
    assert "anchors" in problems(text)[0].message


def test_an_alias_within_reason_is_understood():
    found = read("dependencies:\n- &one numpy\n- pip\n- pip: [*one]\n")
    assert [one.name for one in found.pip] == ["numpy"]


def test_deep_nesting_is_refused():
    assert problems("dependencies: " + "[" * 300 + "]" * 300)


def test_selectors_of_conda_lock_and_mamba_become_platforms():
    found = read(
        "platforms: [linux-64, osx-arm64]\ndependencies:\n- gcc  # [linux64]\n- sel(osx): clang\n- pip:\n  - x  # [win]\n"
    )
    assert [one.platforms for one in found.conda] == [("linux-64",), ("osx-64", "osx-arm64")]
    assert found.pip[0].text == 'x; sys_platform == "win32"'
    assert [one.name for one in found.conda_for("linux-64")] == ["gcc"]


def test_a_package_on_both_sides_is_noted():
    found = read("dependencies:\n- pip\n- numpy=1.2\n- pip: [NumPy==1.2]\n")
    assert "numpy" in found.notes[0].message


def test_credentials_never_enter_a_definition():
    found = problems("channels: ['https://me:secret@conda.example/c']\ndependencies: [a]\n")
    assert "secret" not in str(found[0])
