"""What the METADATA file of a wheel says of its licence (core metadata 2.4 and before). Pure."""

from __future__ import annotations

from email.parser import HeaderParser

_CLASSIFIER = "License :: "
_LONGEST = 100
"""Letters; what is longer in the old `License` field is the licence itself, not its name."""


def license_in(metadata: str) -> str:
    """Return the licence: the SPDX expression, else the one name in the old field, else what the classifiers call it; or nothing."""
    found = HeaderParser().parsestr(metadata)
    if expression := str(found.get("License-Expression") or "").strip():
        return expression
    written = str(found.get("License") or "").strip()
    if written and written != "UNKNOWN" and "\n" not in written and len(written) <= _LONGEST:
        return written
    classifiers = [str(one) for one in found.get_all("Classifier") or () if str(one).startswith(_CLASSIFIER)]
    names = dict.fromkeys(one.rpartition(" :: ")[2].strip() for one in classifiers if not one.endswith("OSI Approved"))
    return ", ".join(names)
