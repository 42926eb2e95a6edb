"""One self-contained HTML page about a lock: no network, readable without JavaScript, everything that is not ours escaped."""

from envbuild.report.facts import Report, gather
from envbuild.report.page import page

__all__ = ["Report", "gather", "page"]
