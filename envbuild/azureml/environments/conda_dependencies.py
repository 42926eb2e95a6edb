"""`CondaDependencies`: a conda file that is changed entry by entry, its comments and its order kept."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from envbuild.azureml.environments.conda_lists import conda_name, is_python, merge, pip_key, python_version, same_option
from envbuild.azureml.environments.conda_yaml import DEFAULT_TEXT, checked, dump, lines_of, parse, plain, read_text
from envbuild.core.errors import DefinitionError
from envbuild.files import write_atomic

DEFAULT_PYTHON = "3.10.18"
"""One default for every way to make an environment."""


class CondaDependencies:
    """The packages of an environment as a conda file: read, changed, written; nothing is solved here.

    Versions and operators stay as they are written. A package that is added again takes the place of its first entry.
    """

    __slots__ = ("_source", "_structure")

    def __init__(
        self, conda_dependencies_file_path: str | Path | None = None, _underlying_structure: Any = None
    ) -> None:
        """Read the file, or start with Python and what Azure's default has.

        Raises:
            DefinitionError: the file cannot be read or is not a conda file.
        """
        self._source = ""
        if _underlying_structure is not None:
            self._structure = checked(_underlying_structure, "")
        elif conda_dependencies_file_path is not None:
            path = Path(conda_dependencies_file_path)
            self._structure = checked(parse(read_text(path), str(path)), str(path))
        else:
            self._structure = parse(DEFAULT_TEXT.format(python=DEFAULT_PYTHON), "")

    @classmethod
    def from_text(cls, text: str, file: str = "", *, verbatim: bool = False) -> CondaDependencies:
        """Return what `text` says; with `verbatim` it is written back byte for byte as long as nothing is changed.

        Raises:
            DefinitionError: it is not a conda file; `file` is named then.
        """
        made = cls(_underlying_structure=checked(parse(text, file), file))
        made._source = text if verbatim else ""
        return made

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str | None = DEFAULT_PYTHON,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Return dependencies with these packages; `pip_packages` None means Azure's default, an empty list none.

        `pip_indexurl` becomes pip's `--index-url`. `pin_sdk_version` is accepted and has no effect: a lock pins everything.

        Raises:
            DefinitionError: a name or an option is not accepted.
        """
        del pin_sdk_version
        made = CondaDependencies()
        if python_version:
            made.set_python_version(python_version)
        if pip_packages is not None:
            made.set_pip_requirements([])
            for package in pip_packages:
                made.add_pip_package(package)
        if pip_indexurl:
            made.set_pip_index_url(f"--index-url {pip_indexurl}")
        for package in conda_packages or ():
            made.add_conda_package(package)
        entries = made._changed()
        entries[:] = [one for one in entries if not (isinstance(one, dict) and one.get("pip") == [])]
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """Return one requirement for each name, with all its versions and extras."""
        return merge(requirements)

    # what there is

    @property
    def conda_channels(self) -> Iterator[str]:
        """The channels, in their order."""
        return iter([str(one) for one in self._structure.get("channels") or []])

    @property
    def conda_packages(self) -> Iterator[str]:
        """The conda specs, Python's among them."""
        return iter([str(one) for one in self._entries if not isinstance(one, dict)])

    @property
    def pip_packages(self) -> Iterator[str]:
        """The requirements of pip's side, of every `pip:` list, without options, comments and blank lines."""
        return iter(
            [
                one
                for one in self._pip_lines()
                if not one.startswith(("-", "#")) or one.startswith(("-e ", "--editable "))
            ]
        )

    @property
    def pip_options(self) -> Iterator[str]:
        """The options of pip's side."""
        return iter(
            [one for one in self._pip_lines() if one.startswith("-") and not one.startswith(("-e ", "--editable "))]
        )

    def get_python_version(self) -> str | None:
        """Return Python's version as it is written (`3.10`, `>=3.9`), or None."""
        return next((python_version(one) for one in self.conda_packages if is_python(one)), None)

    @property
    def has_python(self) -> bool:
        """Whether Python is among the conda packages."""
        return any(is_python(one) for one in self._entries)

    # conda's side

    def set_python_version(self, version: str) -> None:
        """Ask for another Python: `3.11`, or with an operator `>=3.9,<3.12`."""
        self._put_conda(f"python{version}" if version[:1] in "=<>!~" else f"python={version}")

    def add_conda_package(self, conda_package: str) -> None:
        """Add a conda spec, or put it in the place of the one for the same package.

        Raises:
            DefinitionError: it is not a spec.
        """
        if not conda_package.strip() or conda_package.lstrip().startswith("-"):
            raise DefinitionError(f"{conda_package!r} is not a conda package", hint="write name, or name=version")
        self._put_conda(conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Remove the package that `conda_package` names, whatever its version; nothing happens without one.

        Raises:
            DefinitionError: it is Python, which an environment needs.
        """
        name = conda_name(conda_package)
        if name == "python":
            raise DefinitionError(
                "python must not be removed from conda dependencies", hint="set_python_version changes it"
            )
        entries = self._changed()
        entries[:] = [one for one in entries if isinstance(one, dict) or conda_name(str(one)) != name]

    def add_channel(self, channel: str) -> None:
        """Add a channel behind the others, unless it is there."""
        if channel not in self.conda_channels:
            self._source = ""
            if self._structure.get("channels") is None:
                self._structure["channels"] = []
            self._structure["channels"].append(channel)

    def remove_channel(self, channel: str) -> None:
        """Remove a channel, if it is there."""
        if channel in self.conda_channels:
            self._source = ""
            self._structure["channels"].remove(channel)
            if not self._structure["channels"]:
                self._structure["channels"] = []

    # pip's side

    def add_pip_package(self, pip_package: str) -> None:
        """Add a requirement behind the others; an earlier one of the same name and marker goes.

        Raises:
            DefinitionError: it is empty, a comment or an option.
        """
        if not pip_package.strip() or pip_package.strip().startswith(("-", "#")):
            raise DefinitionError(f"Invalid package name {pip_package!r}", hint="options are set with set_pip_option")
        self.remove_pip_package(pip_package)
        self._pip_list().append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Remove the requirements of that name and marker; nothing happens without one."""
        self._filter_pip(lambda line: line.startswith("-") or pip_key(line) != pip_key(pip_package))

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Put these lines of a requirements file in the place of all that pip's side has; comments and blank lines go."""
        lines = [line.strip() for line in pip_requirements]
        self._filter_pip(lambda _line: False)
        self._pip_list().extend(line for line in lines if line and not line.startswith("#"))

    def set_pip_option(self, pip_option: str) -> None:
        """Set an option, in the place of one of the same name; a repeatable one (`--extra-index-url`) is added.

        Raises:
            DefinitionError: it does not begin with `-`.
        """
        option = pip_option.strip()
        if not option.startswith("-"):
            raise DefinitionError(
                f"Invalid pip option {pip_option!r}", hint="an option begins with -, as --index-url URL"
            )
        lines = self._pip_list()
        for place, line in enumerate(lines):
            if str(line).startswith("-") and same_option(str(line), option):
                lines[place] = option
                return
        lines.insert(0, option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Remove every option of that name (and value, where one is given); nothing happens without one."""
        word, _, value = pip_option.strip().partition(" ")
        self._filter_pip(lambda line: line != pip_option.strip() if value else line.split(maxsplit=1)[:1] != [word])

    def set_pip_index_url(self, index_url: str) -> None:
        """Set the option that says where pip looks: `--index-url URL`, or a URL alone."""
        self.set_pip_option(index_url if index_url.startswith("-") else f"--index-url {index_url}")

    # frameworks, as the documents name them

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow for `cpu` or `gpu` to pip's side."""
        self.add_pip_package(f"{_tensorflow(core_type)}=={version or '2.2.0'}")

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow for `cpu` or `gpu` to conda's side."""
        self.add_conda_package(f"{_tensorflow(core_type)}={version or '2.2.0'}")

    def add_cntk_package(self, core_type: str = "cpu") -> None:
        """Add CNTK for `cpu` or `gpu` to pip's side."""
        self.add_pip_package("cntk==2.7" if core_type == "cpu" else "cntk-gpu==2.7")

    # written out

    def as_dict(self) -> dict[str, Any]:
        """Return the file as plain values."""
        return dict(plain(self._structure))

    def serialize_to_string(self) -> str:
        """Return the file as YAML, comments kept, list dashes under their key."""
        if self._source:
            return self._source
        return dump(self._structure)

    def save(self, path: str | Path | None = None) -> str:
        """Write the file, to `conda_dependencies.yml` here by default, and return its path.

        Raises:
            DefinitionError: `path` is a folder or lies in none, or there is no Python among the packages.
        """
        target = Path(path or "conda_dependencies.yml")
        if target.is_dir() or not target.parent.is_dir():
            raise DefinitionError(
                f"{target} is not a file that can be written", hint="name a file in a folder that exists"
            )
        if not self.has_python:
            raise DefinitionError("Python package is missing.", hint="set_python_version adds it")
        write_atomic(target, self.serialize_to_string())
        return str(target)

    def save_to_file(self, base_directory: str | Path, conda_file_path: str | None = None) -> str:
        """Write the file below `base_directory` and return its name."""
        name = conda_file_path or "conda_dependencies.yml"
        self.save(Path(base_directory) / name)
        return name

    def __deepcopy__(self, memo: dict[int, Any]) -> CondaDependencies:
        made = CondaDependencies(_underlying_structure=copy.deepcopy(self._structure, memo))
        made._source = self._source
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaDependencies) and self.serialize_to_string() == other.serialize_to_string()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CondaDependencies({', '.join([*self.conda_packages, *self.pip_packages])})"

    @property
    def _entries(self) -> list[Any]:
        return self._structure.get("dependencies") or []

    def _changed(self) -> list[Any]:
        self._source = ""
        if self._structure.get("dependencies") is None:
            self._structure["dependencies"] = []
        entries: list[Any] = self._structure["dependencies"]
        return entries

    def _put_conda(self, spec: str) -> None:
        entries, name = self._changed(), conda_name(spec)
        places = [at for at, one in enumerate(entries) if not isinstance(one, dict) and conda_name(str(one)) == name]
        if not places:
            entries.append(spec)
            return
        entries[places[0]] = spec
        for place in reversed(places[1:]):
            del entries[place]

    def _blocks(self) -> list[Any]:
        self._adopt()
        return [one for one in self._entries if isinstance(one, dict) and "pip" in one]

    def _adopt(self) -> None:
        """Make maps of the caller's into ruamel's, which can hold comments."""
        from ruamel.yaml.comments import CommentedMap

        entries = self._entries
        for place, one in enumerate(entries):
            if isinstance(one, dict) and not isinstance(one, CommentedMap):
                entries[place] = CommentedMap(one)

    def _pip_lines(self) -> list[str]:
        lines = [one for block in self._blocks() for one in lines_of(block["pip"])]
        return [str(one).strip() for one in lines if one is not None and str(one).strip()]

    def _pip_list(self) -> list[Any]:
        entries, blocks = self._changed(), self._blocks()
        if not blocks:
            entries.append({"pip": []})
            blocks = self._blocks()
        if not isinstance(blocks[0]["pip"], list):
            blocks[0]["pip"] = lines_of(blocks[0]["pip"])
        found: list[Any] = blocks[0]["pip"]
        return found

    def _filter_pip(self, keep: Any) -> None:
        self._source = ""
        for block in self._blocks():
            lines = block["pip"]
            if isinstance(lines, list):
                for place in reversed(range(len(lines))):
                    if not keep(str(lines[place]).strip()):
                        del lines[place]
                if not lines:
                    # comments of a list that is empty would be written where they break it
                    block["pip"] = []
                    block.ca.items.pop("pip", None)


def _tensorflow(core_type: str) -> str:
    if core_type not in ("cpu", "gpu"):
        raise DefinitionError(f"core type {core_type!r} is not known", hint="cpu or gpu")
    return "tensorflow" if core_type == "cpu" else "tensorflow-gpu"
