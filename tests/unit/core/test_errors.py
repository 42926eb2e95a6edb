import pickle

from envbuild.core import errors
from envbuild.core.errors import DefinitionError, EnvbuildError, Problem


def subclasses(root):
    for one in root.__subclasses__():
        yield one
        yield from subclasses(one)


def test_every_kind_of_error_of_the_core_has_an_exit_code_of_its_own():
    kinds = (EnvbuildError, *EnvbuildError.__subclasses__())
    codes = [one.exit_code for one in kinds if one in vars(errors).values()]
    assert len(codes) == len(set(codes))
    assert not {0, 70, 130} & set(codes)


def test_a_problem_says_file_line_and_key_before_the_message():
    problem = Problem(
        message="is not a name", file="environment.yml", line=3, key="dependencies[0]", hint="write numpy"
    )
    assert str(problem) == "environment.yml:3: dependencies[0]: is not a name\n  hint: write numpy"
    assert str(Problem(message="alone")) == "alone"


def test_an_error_holds_all_problems_and_survives_pickling():
    error = DefinitionError([Problem(message="one"), Problem(message="two")])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "one\ntwo"
    assert again.problems == error.problems
