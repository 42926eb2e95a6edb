"""The HTTP scoring server that runs inside an image and behind local services.

The folder is complete in itself: it imports nothing else of envbuild, so it can be copied into an image under any
name and started with `python -m serving`, `python -m envbuild.serving` or `python /opt/envbuild/serving`.
It needs Python 3.8 or later and the standard library; granian and Werkzeug make it fast and complete (requirements.py).
"""

from __future__ import annotations

__version__ = "0.1.0"
