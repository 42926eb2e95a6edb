"""What reading a damaged or hostile ZIP archive raises, besides errors of the file itself."""

from __future__ import annotations

import lzma
import zipfile
import zlib

ZIP_DAMAGES: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError),
    RuntimeError,  # an encrypted member
)
