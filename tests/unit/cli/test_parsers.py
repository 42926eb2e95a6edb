"""The command line's own words: help, examples, and what is said of a word that it does not know."""

import argparse
import shlex

import pytest

from envbuild.cli.arguments import solve_options
from envbuild.cli.examples import EXAMPLES
from envbuild.cli.main import GROUPS, HOMES, parser
from envbuild.cli.main import run as command


def every_parser(one):
    yield one
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in {id(inner): inner for inner in action.choices.values()}.values():
                yield from every_parser(inner)


ALL = {one.prog: one for one in every_parser(parser())}
LINES = [(prog, line) for prog, lines in EXAMPLES.items() for line in lines]


def said(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        command(words)
    printed = capsys.readouterr()
    assert printed.out == ""
    return ended.value.code, printed.err


def test_every_command_is_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(HOMES)


def test_every_argument_says_what_it_means():
    silent = [
        f"{prog} {action.option_strings or action.dest}"
        for prog, one in ALL.items()
        for action in one._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert silent == []


@pytest.mark.parametrize(("prog", "line"), LINES)
def test_every_example_is_understood(prog, line):
    assert prog in ALL
    assert len(line) <= 110
    words = shlex.split(line, comments=True)
    if words[0] != "envbuild" or "COMMAND" in words or "--help" in words:
        return
    words = words[1 : words.index(">")] if ">" in words else words[1:]
    assert parser(words[0]).parse_args(words).run


@pytest.mark.parametrize("prog", EXAMPLES)
def test_examples_stand_in_the_help(prog):
    assert EXAMPLES[prog][0] in ALL[prog].format_help()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lok"], "there is no command 'lok'; did you mean lock?"),
        (["model", "regster"], "there is no command 'regster'; did you mean register?"),
        (["zzz"], "there is no command 'zzz'\n"),
        (["lock", "--chekc"], "envbuild lock: error: unrecognized arguments: --chekc; did you mean --check?"),
        (["lock", "--zzz"], "unrecognized arguments: --zzz\n"),
        (["report", "--against"], "try `envbuild report --help`"),
        (["export"], "usage: envbuild export"),
    ],
)
def test_a_word_that_is_not_known(capsys, words, expected):
    code, err = said(capsys, *words)
    assert code == 2
    assert expected in err


@pytest.mark.parametrize("words", [[], ["model"], ["hook"]])
def test_without_a_command_the_help_is_shown(capsys, words):
    code, err = said(capsys, *words)
    assert code == 2
    assert err.startswith("usage: ")
    assert "error:" not in err


def test_a_file_behind_update_is_the_definition(tmp_path, monkeypatch):
    from envbuild.cli.arguments import take_definitions

    monkeypatch.chdir(tmp_path)
    (tmp_path / "environment.yml").write_text("dependencies: [python]\n")
    (tmp_path / "numpy").mkdir()
    found = parser("lock").parse_args(["lock", "--update", "numpy", "pandas", "environment.yml", "sub/b.yml"])
    assert [str(one) for one in take_definitions(found)] == ["environment.yml", "sub/b.yml"]
    assert found.update == ["numpy", "pandas"]
    again = parser("lock").parse_args(["lock", "a.yml", "--update", "numpy", "--update", "ruamel.yaml"])
    assert [str(one) for one in take_definitions(again)] == ["a.yml"]
    assert again.update == ["numpy", "ruamel.yaml"]


@pytest.mark.parametrize(("value", "offline"), [("", False), ("0", False), ("1", True)])
def test_a_solve_is_offline_where_the_variable_says_so(monkeypatch, value, offline):
    monkeypatch.setenv("ENVBUILD_OFFLINE", value)
    arguments = parser("lock").parse_args(["lock", "environment.yml"])
    assert solve_options(arguments).offline is offline
