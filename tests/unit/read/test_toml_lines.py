"""TOML's reader tells no places; a text that stands once in the file has its line all the same."""

from envbuild.read.toml_nodes import parse_toml

TEXT = '''a = "once" # "comment"
b = [
  "comment",
  'literal', "twice",
  """many
lines""",
  "esc\\"aped", "last",
]
c = "twice"
'''


def test_a_text_that_stands_once_has_its_line():
    root = parse_toml(TEXT, "f.toml")
    assert str(root.get("a").origin) == "f.toml:1"
    assert [one.origin.line for one in root.get("b")] == [3, 4, None, None, None, 7]
    assert root.get("c").origin.line is None
    assert root.get("b").origin.line is None
