"""docs/serving.md holds the table of options as the code has it: run this file to write it anew."""

from __future__ import annotations

from pathlib import Path

from envbuild.serving.options import OPTIONS

DOCUMENT = Path(__file__).parents[3] / "docs" / "serving.md"
BEGIN, END = "<!-- options -->\n", "<!-- end of options -->"


def table() -> str:
    rows = [f"| `{option.flag}` | `{'`, `'.join(option.variables)}` | {option.help} |\n" for option in OPTIONS]
    return "| option | variable | meaning (default) |\n| --- | --- | --- |\n" + "".join(rows)


def test_options_of_the_document_are_those_of_the_code():
    text = DOCUMENT.read_text()
    assert text.split(BEGIN)[1].split(END)[0] == table()


if __name__ == "__main__":
    before, rest = DOCUMENT.read_text().split(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + rest.split(END)[1])
