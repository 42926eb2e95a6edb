"""setuptools' `setup.cfg`: what `[options]` requires."""

from __future__ import annotations

import configparser
from dataclasses import replace

from envbuild.core.definition import Definition, Origin
from envbuild.read.findings import Findings, fatal
from envbuild.read.pip_side import PipSide
from envbuild.read.requirement import read_requirement
from envbuild.read.requirements_txt import logical_lines, read_lines
from envbuild.read.sources import Include
from envbuild.read.text import decode


def parse_setup_cfg(text: str, file: str, include: Include) -> Definition:
    """Return what `install_requires` and `python_requires` of the setup.cfg `text` say.

    Raises:
        DefinitionError: every problem of the file, or that it requires nothing.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise fatal(f"is not a setup.cfg: {str(error).splitlines()[0]}", file=file) from error
    if not parser.has_option("options", "install_requires"):
        raise fatal("defines no environment: it has no install_requires under [options]", file=file)
    findings, side, at = Findings(), PipSide(), Origin(file=file, key="options.install_requires")
    written = parser.get("options", "install_requires").strip()
    if written.startswith("file:"):
        for path in written.removeprefix("file:").split(","):
            read_lines(decode(include(path.strip()), path.strip(), pep263=True), path.strip(), include, findings, side)
    else:
        for _, line in logical_lines(written.replace(";\n", "\n")):
            one = read_requirement(line, at, findings)
            if one is not None:
                side.add(one)
    found = Definition(
        kind="setup.cfg",
        name=parser.get("metadata", "name", fallback=""),
        python=parser.get("options", "python_requires", fallback="").replace(" ", ""),
        pip=tuple(side.requirements),
        constraints=tuple(side.constraints),
        index=side.index(),
        origin=at,
    )
    return replace(found, notes=findings.close())
