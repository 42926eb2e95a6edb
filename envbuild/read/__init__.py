"""From files that people write to a `Definition`. Parsing is pure; files are opened at the edge of this room."""

from envbuild.read.kinds import detect_kind
from envbuild.read.load import read_definition

__all__ = ["detect_kind", "read_definition"]
