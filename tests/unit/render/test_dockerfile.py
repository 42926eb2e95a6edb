"""Quoting: what is written as one word is read as that word by Docker's own parser and by a model of its expansion."""

from __future__ import annotations

import json
import shlex

import dockerfile as go_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.core.errors import PlanError
from envbuild.core.names import is_one_line
from envbuild.render.dockerfile import instructions, json_array, shell_word, word

HOSTILE = [
    "$(touch /tmp/x)",
    "`id`",
    "${PATH}",
    "$PATH",
    "\\$PATH",
    "a\\",
    'say "no"',
    "it's",
    "a b\tc",
    "# comment",
    "<<EOF",
    "\\\\",
    '"; RUN id; "',
    "ünïcode ✓",
    "",
    " ",
]
one_line = st.text().filter(is_one_line)


def expanded(text: str, variables: dict[str, str]) -> str:
    """Expand one word in double quotes as Docker's reference describes it: `\\` before `"`, `$` and `\\` escapes."""
    assert text[0] == text[-1] == '"'
    inner, result, position = text[1:-1], "", 0
    while position < len(inner):
        char = inner[position]
        if char == "\\" and inner[position + 1 : position + 2] in ('"', "$", "\\"):
            result += inner[position + 1]
            position += 2
            continue
        assert char != '"', "the word ends early"
        if char == "$":
            return f"{result}{variables}"
        result += char
        position += 1
    return result


@pytest.mark.parametrize("value", HOSTILE)
def test_a_word_is_one_argument_of_one_instruction(value: str) -> None:
    parsed = go_parser.parse_string(f"FROM a\nENV NAME={word(value)}\nUSER 1")
    assert [one.cmd.upper() for one in parsed] == ["FROM", "ENV", "USER"]
    assert parsed[1].value[:1] == ("NAME",)
    assert parsed[1].value[1] == word(value)
    assert expanded(parsed[1].value[1], {"PATH": "leaked"}) == value


@given(one_line)
def test_any_line_survives_as_a_word(value: str) -> None:
    assert expanded(word(value), {}) == value


@given(one_line)
def test_any_line_survives_as_a_shell_word(value: str) -> None:
    assert shlex.split(shell_word(value)) == [value]


@pytest.mark.parametrize("value", HOSTILE)
def test_the_exec_form_holds_any_line(value: str) -> None:
    parsed = go_parser.parse_string(f"FROM a\nCMD {json_array([value, 'b'])}")
    assert parsed[1].json
    assert parsed[1].value == (value, "b")
    assert json.loads(json_array([value])) == [value]


@pytest.mark.parametrize("quote", [word, shell_word, lambda value: json_array([value])])
@pytest.mark.parametrize("breaker", ["\n", "\r", "\0", "\x1b", "\x85", "\u2028"])
def test_a_line_break_or_control_character_is_refused(quote: object, breaker: str) -> None:
    with pytest.raises(PlanError, match="line break or a control character"):
        quote(f"a{breaker}RUN id")  # type: ignore[operator]


def test_instructions_are_joined_and_numbered() -> None:
    text = "FROM a\n\n# c\nRUN one && \\\n    # note\n    two\nUSER 1\n"
    assert list(instructions(text)) == [(1, "FROM a"), (4, "RUN one && two"), (7, "USER 1")]
