"""Every code block of the documentation is run, or read by the reader that it is written for."""

import ast
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from envbuild import programs
from envbuild.cli.main import HOMES, parser
from envbuild.cli.reference import reference
from envbuild.completion import levels
from envbuild.core.errors import EnvbuildError
from envbuild.read import read_definition
from tests.docs.blocks import DOCS, blocks, commands, documents
from tests.support.conda_archive import make_conda

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ALL = [block for document in documents() for block in blocks(document)]
KNOWN = {one.path: {name for option in one.options for name in option.names} for one in levels(parser())}
RUN = [path for path in documents() if path.parent.name in ("tutorials", "how-to", "migrate")]
# each has a reader below; `text` is what nobody can run: a file that is written, or a drawing
LANGUAGES = {"console", "sh", "toml", "yaml", "json", "python", "text", "dockerfile", "jinja"}


def of(*languages):
    return [pytest.param(one, id=one.place) for one in ALL if one.language in languages]


def test_every_block_says_what_it_is():
    assert {one.language for one in ALL} <= LANGUAGES
    assert len(RUN) >= 10


def test_no_block_hides_outside_of_a_fence():
    for document in documents():
        text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
        hidden = re.search(r"(?:\A|\n\n|\n#[^\n]*\n) {4}[^\n]*", text)
        assert hidden is None, f"{document.name}: {hidden and hidden[0]}"


@pytest.mark.parametrize("block", of("dockerfile"))
def test_a_dockerfile_is_one(block):
    dockerfile = pytest.importorskip("dockerfile")
    assert dockerfile.parse_string(block.text)[0].cmd.lower() == "from"


@pytest.mark.parametrize("block", of("jinja"))
def test_a_template_is_one(block):
    from jinja2 import Environment

    assert Environment(autoescape=False).parse(block.text).body


@pytest.mark.parametrize("block", of("toml"))
def test_toml_is_read(block, tmp_path):
    data = tomllib.loads(block.text)
    if "envbuild" in data.get("tool", {}):
        (tmp_path / "pyproject.toml").write_text(block.text)
        for name in re.findall(r'"([\w.-]+\.(?:txt|in|ya?ml|dockerfile))"', block.text):
            (tmp_path / name).write_text(
                "dependencies: [python=3.12]\n" if name.endswith("ml") else "FROM a\n" if "docker" in name else "six\n"
            )
        several = data["tool"]["envbuild"].get("environments", {})
        for name in several or [""]:
            try:
                read_definition(tmp_path / "pyproject.toml", environment=name)
            except EnvbuildError as error:  # noqa: PERF203
                raise AssertionError(f"{block.place}: {error}") from None


@pytest.mark.parametrize("block", of("yaml", "json"))
def test_yaml_and_json_are_read(block, tmp_path):
    data = json.loads(block.text) if block.language == "json" else list(yaml.safe_load_all(block.text))
    assert data, block.place
    if isinstance(data, list) and isinstance(data[0], dict) and "dependencies" in data[0] and "$schema" not in data[0]:
        (tmp_path / "environment.yml").write_text(block.text)
        (tmp_path / "requirements.txt").write_text("six\n")
        read_definition(tmp_path / "environment.yml")


@pytest.mark.parametrize("block", of("python"))
def test_python_is_python_and_imports_what_there_is(block):
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("envbuild"):
            module = __import__(node.module, fromlist=["x"])
            for alias in node.names:
                assert hasattr(module, alias.name) or __import__(f"{node.module}.{alias.name}"), (
                    f"{block.place}: {alias.name}"
                )


@pytest.mark.parametrize("block", of("console", "sh"))
def test_every_command_and_option_is_one_of_ours(block):
    for line in block.text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||[;|]", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True) if part.strip().startswith("envbuild") else []
            if len(words) < 2 or words[0] != "envbuild" or words[1].startswith(("-", "…")) or words[1] == "COMMAND":
                continue
            if words[1] in ("run", "azureml-run"):
                # what is behind a script is the script's
                words = words[: next((at for at, word in enumerate(words) if word.endswith(".py")), len(words))]
            path = (words[1],)
            assert path in KNOWN, f"{block.place}: {words[1]}"
            while len(words) > len(path) + 1 and (*path, words[len(path) + 1].removeprefix("envbuild-")) in KNOWN:
                path = (*path, words[len(path) + 1].removeprefix("envbuild-"))
            options = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(?:=.*)?", word)}
            assert options <= KNOWN[path], f"{block.place}: {options - KNOWN[path]} of {' '.join(path)}"


class Project:
    """A folder where the blocks of one document are written and run."""

    def __init__(self, folder, replaced, env):
        self.folder, self.replaced, self.env = folder, replaced, env

    def write(self, block):
        file = self.folder / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.to_loopback(block.text))

    def to_loopback(self, text):
        for written, real in self.replaced.items():
            text = text.replace(written, real)
        return text

    def from_loopback(self, text):
        for written, real in self.replaced.items():
            text = text.replace(real, written)
        return text

    def run(self, block):
        for command in commands(block.text):
            argv = ["bash", "-o", "pipefail", "-c", self.to_loopback(command.text)]
            done = programs.run(argv, cwd=self.folder, env=self.env, check=False, timeout=180)
            printed = self.from_loopback(done.stdout + done.stderr)
            assert done.code == 0, f"{block.place}: $ {command.text}\n{printed}"
            self.compare(command, printed, block)

    @staticmethod
    def compare(command, printed, block):
        lines = iter(" ".join(line.split()) for line in printed.splitlines())
        for expected in command.expected:
            wanted = re.compile(
                ".*".join(re.escape(" ".join(part.split())) for part in expected.split("…")).replace("\\ .*", ".*")
            )
            if not any(wanted.fullmatch(line.strip()) for line in lines):
                raise AssertionError(f"{block.place}: $ {command.text}\ndid not print: {expected}\nbut:\n{printed}")


@pytest.fixture
def project(tmp_path, index, channel):
    for name, version, requires in (
        ("flask", "3.0.0", ["werkzeug>=3"]),
        ("flask", "3.1.0", ["werkzeug>=3"]),
        ("werkzeug", "3.1.0", []),
        ("requests", "2.32.0", []),
        ("uv", "0.9.0", []),
        ("granian", "2.5.0", []),
        ("scikit-learn", "1.5.0", []),
    ):
        index.add(name, version, requires=requires)
    for name, version, depends in (("openssl", "3.3.0", []), ("curl", "8.9.0", ["openssl >=3"]), ("jq", "1.7.1", [])):
        channel.add(make_conda(name, version, depends=depends))
    folder = tmp_path / "project"
    folder.mkdir()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "envbuild").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m envbuild "$@"\n')
    (bin_folder / "envbuild").chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    env |= {"PATH": f"{bin_folder}:{Path(sys.executable).parent}:{env['PATH']}", "PYTHONPATH": str(DOCS.parent)}
    env |= {"HOME": str(tmp_path), "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com"}
    env |= {
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.com",
        "ENVBUILD_DOCS_CHECKOUT": str(DOCS.parent),
    }
    return Project(
        folder, {"https://index.example/simple": index.url, "https://conda.example/channel": channel.url}, env
    )


@pytest.mark.parametrize("document", [pytest.param(one, id=one.stem) for one in RUN])
def test_what_a_document_shows_happens(document, project):
    did = 0
    for block in blocks(document):
        if block.file:
            project.write(block)
        if block.language == "console":
            project.run(block)
            did += 1
    assert did >= 1


def test_the_reference_is_that_of_the_parsers():
    written = (DOCS / "reference/commands.md").read_text()
    assert written == reference(), "run: python -m envbuild.cli.reference > docs/reference/commands.md"
    assert all(f"## `envbuild {name}`" in written for name in HOMES)


def test_every_link_between_documents_leads_somewhere():
    for document in documents():
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_every_document_is_linked_from_the_first_page():
    index = (DOCS / "README.md").read_text()
    for document in DOCS.rglob("*.md"):
        name = document.relative_to(DOCS).as_posix()
        assert name == "README.md" or f"({name})" in index, name
