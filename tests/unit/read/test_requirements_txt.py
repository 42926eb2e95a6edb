from __future__ import annotations

import pytest

from envbuild.core.errors import DefinitionError
from envbuild.read.requirements_txt import logical_lines, parse_requirements


def read(text, **files):
    contents = {name.replace("__", "/") + ".txt": content for name, content in files.items()}
    return parse_requirements(text, "requirements.txt", lambda path: contents[path].encode())


def one(text):
    [found] = read(text).pip
    return found


def problem(text, **files):
    with pytest.raises(DefinitionError) as caught:
        read(text, **files)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("line", "kind", "name", "target"),
    [
        ("flask", "name", "flask", ""),
        ("Flask_Cors>=1", "name", "flask-cors", ""),
        ("a @ https://files.example/a-1.0.tar.gz", "url", "a", "https://files.example/a-1.0.tar.gz"),
        ("https://files.example/Some_Pkg-1.0-py3-none-any.whl", "url", "some-pkg", None),
        ("https://files.example/archive/main.zip", "url", "", "https://files.example/archive/main.zip"),
        ("git+https://git.example/x.git@main#egg=x", "vcs", "x", "git+https://git.example/x.git@main"),
        ("git+https://git.example/x.git", "vcs", "", "git+https://git.example/x.git"),
        ("./wheels/b-2.0-py3-none-any.whl", "path", "b", "./wheels/b-2.0-py3-none-any.whl"),
        ("../lib", "path", "", "../lib"),
        ("-e .", "editable", "", "."),
        ("--editable=./src[dev]", "editable", "", "./src"),
        ("-e git+ssh://git@git.example/x.git#egg=x", "editable", "x", "git+ssh://git@git.example/x.git"),
    ],
)
def test_every_kind_of_requirement_is_told_apart(line, kind, name, target):
    found = one(line)
    assert (found.kind, found.name) == (kind, name)
    assert target is None or found.target == target


def test_markers_of_places_and_names_are_kept():
    assert one('./x ; python_version < "3.9"').text == './x ; python_version < "3.9"'
    assert one("-e ./x ; sys_platform == 'linux'").marker == 'sys_platform == "linux"'
    assert one("https://files.example/x;v=1/x-1.0.tar.gz").target == "https://files.example/x;v=1/x-1.0.tar.gz"


def test_one_name_under_different_markers_stays_twice():
    found = read("torch==1 ; sys_platform == 'linux'\ntorch==2 ; sys_platform != 'linux'\n")
    assert [item.specifier for item in found.pip] == ["==1", "==2"]


def test_lines_are_joined_as_pip_joins_them():
    text = "a==1 \\\n  --hash=sha256:00 # comment\n# b \\\nc#d # e\n\n  f \\\n# not joined"
    assert list(logical_lines(text)) == [(1, "a==1   --hash=sha256:00"), (4, "c#d"), (6, "f")]


def test_hashes_belong_to_their_requirement():
    digest = "a" * 64
    assert one(f"a==1 \\\n --hash=sha256:{digest}\n").hashes == (f"sha256:{digest}",)


def test_includes_are_read_in_place_relative_to_the_file_that_names_them():
    found = read("a\n-r sub/one.txt\nz\n", sub__one="b\n-r two.txt\n-f links\n", sub__two="c\n")
    assert [item.name for item in found.pip] == ["a", "b", "c", "z"]
    assert found.pip[2].origin.file == "sub/two.txt"
    assert found.index.find_links == ("sub/links",)


def test_constraints_stay_apart_also_when_they_include():
    found = read("a\n-c one.txt\n", one="b<2\n-r two.txt\n", two="c\n")
    assert [item.name for item in found.pip] == ["a", "c"]
    assert [item.text for item in found.constraints] == ["b<2"]


def test_a_cycle_is_named():
    assert (
        "requirements.txt → one.txt → two.txt → one.txt"
        in problem("-r one.txt", one="-r two.txt", two="-r one.txt").message
    )


def test_one_file_may_be_included_twice():
    found = read("-r one.txt\n-r one.txt\n", one="a\n")
    assert [item.name for item in found.pip] == ["a"]


def test_variables_in_urls_are_kept_as_references():
    assert (
        one("a @ https://${TOKEN}@files.example/a-1.0.tar.gz").target == "https://${TOKEN}@files.example/a-1.0.tar.gz"
    )


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://me:hunter2@files.example/a.whl",
        "git+https://hunter2@git.example/x.git",
        "--index-url=https://me:hunter2@index.example/simple",
        "https://files.example/a.whl?sig=hunter2",
    ],
)
def test_credentials_are_refused_and_not_repeated(line):
    found = problem(line)
    assert "credential" in found.message
    assert "hunter2" not in str(found)


def test_only_binary_and_no_binary_undo_one_another():
    found = read("--only-binary :all:\n--no-binary Foo_Bar,baz\n--only-binary baz\n").index
    assert found.only_binary == (":all:", "baz")
    assert found.no_binary == ("foo-bar",)


@pytest.mark.parametrize(
    ("line", "write"),
    [
        ("numpy=1.26", "write numpy==1.26"),
        ("numpy = 1.26", "write numpy==1.26"),
        ("numpy=1.26=py39_0", "write numpy==1.26"),
        ("conda-forge::numpy", "write numpy"),
        ("'numpy',", "write numpy without"),
        ("pip install numpy", "write numpy"),
        ("git@git.example:me/x.git", "git+ssh://git@git.example/me/x.git"),
        ("-e git+ssh://git@git.example:me/x.git", "git+ssh://git@git.example/me/x.git"),
        ("numpy --strict", "lines of their own"),
    ],
)
def test_mistakes_are_refused_with_what_to_write(line, write):
    assert write in problem(line).hint


def test_what_has_no_effect_is_noted():
    assert [note.line for note in read("--prefer-binary\na --config-settings x=y\n").notes] == [1, 2]
