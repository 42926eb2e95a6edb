"""The documents' code, block by block: read where it lies, run in one project with the small replacements that each needs."""

import json
import re
import shlex
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.cli.main import run as envbuild
from tests.conftest import SHARED

FENCE = re.compile(r"^[ ]*```[ ]*(?P<language>[\w-]+)\n(?P<text>.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
CLI = ("azurecli-interactive", "azurecli", "cli")
FOLDER = SHARED / "documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(slots=True)
class Reader:
    """Somebody who types a document's blocks into one session, in the folder of one project.

    `replacements` are pairs of texts: what a block says, and what it says here. `before` are pairs of a text and what is
    done first where a block holds it. `skipped` are texts whose blocks are left out; `seen` are the blocks that ran.
    """

    project: Path
    replacements: tuple[tuple[str, str], ...] = ()
    before: tuple[tuple[str, Callable[[dict], object]], ...] = ()
    skipped: tuple[str, ...] = ()
    names: dict = field(default_factory=dict)
    seen: list[Block] = field(default_factory=list)

    def read(self, document: str) -> None:
        """Run all blocks of `document`."""
        for block in blocks(document):
            if not any(one in block.text for one in self.skipped):
                self.type(block)
                self.seen.append(block)

    def type(self, block: Block) -> None:
        """Run one block; what it raises names it."""
        for text, first in self.before:
            if text in block.text:
                first(self.names)
        text = textwrap.dedent(block.text)
        for old, new in self.replacements:
            text = text.replace(old, new)
        try:
            if block.language in CLI:
                self.command(text)
            elif block.language == "python":
                self.python(text, str(block))
        except Exception as error:
            raise AssertionError(f"{block} does not run: {error!r}\n{text}") from error

    def python(self, text: str, name: str) -> None:
        """Run Python, `envbuild.azureml` in the place of `azureml`."""
        moved = re.sub(r"^(\s*(?:from|import) )azureml\b", r"\1envbuild.azureml", text, flags=re.MULTILINE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(moved, name, "exec"), self.names)

    def command(self, text: str) -> None:
        """Run command lines, `envbuild` in the place of `az ml`."""
        for line in text.splitlines():
            if line.strip():
                code = envbuild(shlex.split(line.strip().removeprefix("az ml ")))
                assert code == 0, f"{line}: exit code {code}"


def blocks(document: str) -> Iterator[Block]:
    """Yield the blocks of one document, languages in lower case."""
    text = (FOLDER / document).read_text()
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(document=document, line=line, language=found["language"].lower(), text=found["text"])


def conda_environment(place: Path, channel: str) -> None:
    """Write what a conda environment with Python and NumPy has to say of itself."""
    (place / "conda-meta").mkdir(parents=True)
    for name, version in (("python", "3.11.4"), ("numpy", "1.26.0")):
        record = {"name": name, "version": version, "build": "h1_0", "channel": f"{channel}/linux-64"}
        (place / f"conda-meta/{name}-{version}-h1_0.json").write_text(json.dumps(record))
