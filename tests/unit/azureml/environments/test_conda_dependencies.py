"""`CondaDependencies`: the file is changed entry by entry, and nothing that was written is lost."""

import pytest

from envbuild.azureml.core.conda_dependencies import DEFAULT_PYTHON, CondaDependencies
from envbuild.core.errors import DefinitionError

TEXT = """\
# mine
name: proj
channels:
- conda-forge
dependencies:
- python>=3.9
- numpy=1.26   # not 2
- pip:
  - --index-url https://index.example/simple
  - scikit-learn==1.4.2
"""


@pytest.fixture
def conda():
    return CondaDependencies.from_text(TEXT)


def test_what_is_read_is_written_with_comments_and_order(conda):
    assert conda.serialize_to_string() == TEXT


def test_lists_of_a_fresh_one_are_azures():
    fresh = CondaDependencies()
    assert list(fresh.conda_packages) == [f"python={DEFAULT_PYTHON}"]
    assert list(fresh.pip_packages) == ["azureml-defaults"]
    assert list(fresh.conda_channels) == ["conda-forge"]
    assert fresh.get_python_version() == DEFAULT_PYTHON


def test_parts_are_told_apart(conda):
    assert list(conda.conda_packages) == ["python>=3.9", "numpy=1.26"]
    assert list(conda.pip_packages) == ["scikit-learn==1.4.2"]
    assert list(conda.pip_options) == ["--index-url https://index.example/simple"]


def test_python_keeps_its_operator(conda):
    assert conda.get_python_version() == ">=3.9"
    conda.add_conda_package("python>=3.10,<3.12")
    assert next(conda.conda_packages) == "python>=3.10,<3.12"
    conda.set_python_version("3.11")
    assert next(conda.conda_packages) == "python=3.11"
    conda.set_python_version(">=3.11")
    assert next(conda.conda_packages) == "python>=3.11"


@pytest.mark.parametrize("spec", ["python", "python=3.10.*", "python=3.11.0rc1", "conda-forge::python=3.11"])
def test_every_way_to_write_python_replaces_python(conda, spec):
    conda.add_conda_package(spec)
    assert list(conda.conda_packages) == [spec, "numpy=1.26"]


def test_a_conda_package_that_is_added_again_takes_its_place(conda):
    conda.add_conda_package("numpy")
    conda.add_conda_package("pillow")
    conda.add_conda_package("conda-forge::numpy=1.25")
    assert list(conda.conda_packages) == ["python>=3.9", "conda-forge::numpy=1.25", "pillow"]


def test_a_conda_package_is_removed_by_name(conda):
    conda.remove_conda_package("numpy")
    conda.remove_conda_package("absent")
    assert list(conda.conda_packages) == ["python>=3.9"]
    with pytest.raises(DefinitionError, match="python must not be removed"):
        conda.remove_conda_package("python")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("NumPy==1", "numpy>=2"),
        ("scikit_learn", "scikit-learn[a]==1"),
        ("a @ https://h/a-1-py3-none-any.whl", "a==2"),
        ("https://h/x/my_pkg-1.0-py3-none-any.whl", "my-pkg"),
        ("git+https://h/x.git#egg=My_Pkg", "my.pkg"),
        ("foo ; python_version < '3'", "foo==2; python_version<'3'"),
    ],
)
def test_a_pip_package_that_is_added_again_takes_the_place_of_the_first(first, second):
    made = CondaDependencies.create(pip_packages=[first, "other", second])
    assert list(made.pip_packages) == ["other", second]


def test_the_same_name_under_other_markers_stays():
    both = ["foo==1 ; python_version < '3'", "foo==2 ; python_version >= '3'"]
    assert list(CondaDependencies.create(pip_packages=both).pip_packages) == both


def test_create_invents_no_options_and_keeps_the_index():
    plain = CondaDependencies.create(pip_packages=["a"], conda_packages=["b"], python_version="3.9")
    assert list(plain.pip_options) == []
    assert list(plain.conda_packages) == ["python=3.9", "b"]
    own = CondaDependencies.create(pip_indexurl="https://index.example/simple", pip_packages=[])
    assert list(own.pip_options) == ["--index-url https://index.example/simple"]
    assert list(own.pip_packages) == []


def test_repeatable_options_are_added_and_others_replaced(conda):
    conda.set_pip_option("--extra-index-url https://one.example")
    conda.set_pip_option("--extra-index-url https://two.example")
    conda.set_pip_option("--extra-index-url https://two.example")
    conda.set_pip_index_url("https://new.example/simple")
    assert sorted(conda.pip_options) == [
        "--extra-index-url https://one.example",
        "--extra-index-url https://two.example",
        "--index-url https://new.example/simple",
    ]
    conda.remove_pip_option("--extra-index-url https://one.example")
    conda.remove_pip_option("--index-url")
    assert list(conda.pip_options) == ["--extra-index-url https://two.example"]


def test_two_pip_lists_are_both_seen():
    conda = CondaDependencies.from_text("dependencies:\n- python\n- pip:\n  - a\n- pip:\n  - b\n")
    assert list(conda.pip_packages) == ["a", "b"]
    conda.add_pip_package("b==2")
    assert list(conda.pip_packages) == ["a", "b==2"]


def test_comments_and_blank_lines_are_no_packages(conda):
    conda.set_pip_requirements(["# why", "", "  ", "a==1", "-e git+https://h/x.git#egg=x"])
    assert list(conda.pip_packages) == ["a==1", "-e git+https://h/x.git#egg=x"]
    assert list(conda.pip_options) == []


@pytest.mark.parametrize("line", ["", "# comment", "--pre"])
def test_what_is_no_package_is_refused(conda, line):
    with pytest.raises(DefinitionError, match="Invalid package name"):
        conda.add_pip_package(line)


def test_what_is_no_option_is_refused(conda):
    with pytest.raises(DefinitionError, match="Invalid pip option"):
        conda.set_pip_option("numpy")


def test_channels(conda):
    conda.add_channel("pytorch")
    conda.add_channel("pytorch")
    conda.remove_channel("conda-forge")
    conda.remove_channel("absent")
    assert list(conda.conda_channels) == ["pytorch"]


def test_requirements_of_one_name_are_merged_with_their_extras():
    merged = CondaDependencies.merge_requirements(["a>=1", "a<2", "b", "A[x]==1.5", "a[y]", "c @ https://h/c.zip"])
    assert merged == ["a[x,y]>=1,<2,==1.5", "b", "c @ https://h/c.zip"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a valid YAML structure"),
        ("- a", "not a valid YAML structure"),
        ("packages: [a]", "unknown packages key"),
        ("a: [", "is not YAML"),
        ("dependencies: 3", "dependencies: a list is needed"),
        ("channels: conda-forge", "channels: a list is needed"),
        ("dependencies: [{pip: 3}]", "dependencies.pip: a list is needed"),
    ],
)
def test_what_is_no_conda_file_is_refused(tmp_path, text, message):
    path = tmp_path / "x.yml"
    path.write_text(text)
    with pytest.raises(DefinitionError, match=message) as refused:
        CondaDependencies(path)
    assert "x.yml" in str(refused.value)


def test_save_writes_a_file_and_refuses_what_is_none(conda, tmp_path):
    assert conda.save(tmp_path / "c.yml") == str(tmp_path / "c.yml")
    assert (tmp_path / "c.yml").read_text() == TEXT
    with pytest.raises(DefinitionError):
        conda.save(tmp_path)
    with pytest.raises(DefinitionError):
        conda.save(tmp_path / "absent" / "c.yml")
    with pytest.raises(DefinitionError, match="Python package is missing"):
        CondaDependencies.from_text("dependencies: [numpy]").save(tmp_path / "d.yml")


def test_what_is_added_is_what_the_reader_understands(conda, tmp_path):
    from envbuild.read import read_definition

    conda.add_pip_package("flask[async]==3 ; python_version >= '3.9'")
    conda.save(tmp_path / "environment.yml")
    definition = read_definition(tmp_path / "environment.yml")
    assert [one.name for one in definition.pip] == ["scikit-learn", "flask"]
    assert definition.python == ">=3.9"
    assert definition.index.index_url == "https://index.example/simple"


def test_a_framework_is_added_as_the_documents_name_it():
    conda = CondaDependencies()
    conda.add_tensorflow_pip_package("gpu")
    conda.add_tensorflow_conda_package(version="2.5")
    conda.add_cntk_package()
    assert "tensorflow-gpu==2.2.0" in conda.pip_packages
    assert "cntk==2.7" in conda.pip_packages
    assert "tensorflow=2.5" in conda.conda_packages
    with pytest.raises(DefinitionError):
        conda.add_tensorflow_pip_package("tpu")


def test_a_deep_copy_is_another_one(conda):
    from copy import deepcopy

    other = deepcopy(conda)
    other.add_pip_package("x")
    assert "x" not in conda.pip_packages
    assert conda != other
    assert conda == CondaDependencies.from_text(TEXT)


def test_lists_that_were_emptied_are_written_as_they_should_be():
    conda = CondaDependencies()
    conda.remove_pip_package("azureml-defaults")
    conda.remove_channel("conda-forge")
    again = CondaDependencies.from_text(conda.serialize_to_string())
    assert (list(again.pip_packages), list(again.conda_channels)) == ([], [])
    conda.add_pip_package("a")
    conda.add_channel("c")
    again = CondaDependencies.from_text(conda.serialize_to_string())
    assert (list(again.pip_packages), list(again.conda_channels)) == (["a"], ["c"])


def test_a_map_of_the_callers_is_changed_like_a_file():
    conda = CondaDependencies(_underlying_structure={"dependencies": ["python", {"pip": ["a"]}]})
    conda.remove_pip_package("a")
    conda.add_pip_package("b")
    assert conda.as_dict() == {"dependencies": ["python", {"pip": ["b"]}]}
