"""How headers of delimited files are taken."""

from __future__ import annotations

from enum import IntEnum


class PromoteHeadersBehavior(IntEnum):
    """Which files of a dataset begin with a line of column names."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3
