"""What run(mini_batch) may return, as lines."""

import pytest

from envbuild.serving.mini_batches import rows_of


class Frame:
    """What a DataFrame shows of itself here."""

    columns = ("file", "value")

    def to_csv(self, *, header, index, sep):
        assert not header
        assert not index
        return sep.join(("a.txt", "1")) + "\n" + sep.join(("b.txt", "2")) + "\n"


def test_rows_are_texts():
    assert list(rows_of(["a", 1, ["b", 2]])) == ["a", "1", "['b', 2]"]
    assert list(rows_of(None)) == []
    assert list(rows_of(Frame())) == ["a.txt 1", "b.txt 2"]


@pytest.mark.parametrize("result", ["text", 3, {"a": 1}, b"bytes"])
def test_what_is_no_list_is_refused(result):
    with pytest.raises(TypeError, match="a list or a DataFrame is needed"):
        rows_of(result)
