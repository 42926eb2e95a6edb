"""The `local` engine: a locked environment as a prefix on this machine, no container and no resolver."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from envbuild import files, programs
from envbuild.core.errors import EngineError, IntegrityError, NetworkError
from envbuild.core.keys import canonical, sha256
from envbuild.core.lock import Lock, PipFile
from envbuild.core.platforms import this_platform
from envbuild.core.progress import SILENT, Progress
from envbuild.core.selection import Chosen, Selection
from envbuild.engines.interpreters import find_interpreter
from envbuild.engines.libraries import note_missing
from envbuild.engines.library_check import missing_in_prefix
from envbuild.net.clean import clean_environment
from envbuild.net.credentials import CredentialFinder, mask
from envbuild.net.url_variables import UrlVariables
from envbuild.programs import uv_argv

_UNREACHED = ("failed to fetch", "error sending request", "network was disabled", "network connectivity is disabled")
"""What releases of uv say of a file that they cannot have."""

MARKER = ".envbuild-prefix.json"
UNFINISHED = ".envbuild-unfinished"
"""A file that is in a prefix of ours before anything else, and until all of it is there or gone: so it is known as ours."""
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEnvironment:
    """An installed environment: its prefix, and its interpreter (which a lock without Python has not)."""

    prefix: Path
    python: Path

    def variables(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the variables for a program that runs in it: its programs first, and no other Python's settings."""
        kept = {name: value for name, value in clean_environment(environ).items() if name != "PYTHONSTARTUP"}
        own = "CONDA_PREFIX" if (self.prefix / "conda-meta").is_dir() else "VIRTUAL_ENV"
        path = os.pathsep.join([str(self.prefix / "bin"), environ.get("PATH") or os.defpath])
        return {**kept, "PATH": path, own: str(self.prefix)}


def install(
    lock: Lock,
    selection: Selection,
    prefix: Path | None = None,
    *,
    folder: Path,
    interpreter: str = "",
    offline: bool = False,
    progress: Progress = SILENT,
    urls: UrlVariables | None = None,
) -> LocalEnvironment:
    """Install `selection` of `lock` as `prefix` (one in the cache where none is given), or return it where it is complete.

    `folder` is where the lock's relative paths start; `urls` fills variables in its URLs. An interrupted installation leaves no marker and is begun anew;
    two at once wait for each other. Every file is checked against the lock's hash.

    Raises:
        EngineError: no interpreter of the lock's version, a platform that is not this machine's, a foreign `prefix`, or an
            installer failed.
        IntegrityError: a file's hash is not the lock's.
        NetworkError: a file cannot be fetched.
    """
    if selection.platform != this_platform():
        raise EngineError(
            f"the local engine installs for this machine ({this_platform().subdir}), not for {selection.platform.subdir}"
        )
    key = prefix_key(lock, selection, interpreter)
    place = (prefix or files.cache_root() / "prefixes" / key[:32]).absolute()
    environment = LocalEnvironment(prefix=place, python=place / "bin" / "python")
    with files.exclusive(place.with_name(f".{place.name}.lock")):
        if _installed(place) != key:
            # looked for before anything is changed
            python = _python(lock, selection, interpreter)
            _make_room(place)
            pip = _PipSide(folder=folder, offline=offline, urls=urls or UrlVariables())
            _fill(lock, selection, environment, pip, python=python, progress=progress)
            note_missing(missing_in_prefix(place), progress)
            files.write_atomic(place / MARKER, json.dumps({"format": _FORMAT, "key": key}))
            (place / UNFINISHED).unlink(missing_ok=True)
    return environment


def prefix_key(lock: Lock, selection: Selection, interpreter: str = "") -> str:
    """Return the key of what would be installed: the files, by hash, and whose Python runs them."""
    conda = [[one.name, one.version, one.build, one.sha256 or one.md5] for one in selection.conda]
    pip = [
        [one.package.name, one.package.version, *(map(list, one.file.hashes) if one.file else [_commit(one)])]
        for one in selection.pip
    ]
    python = list(lock.python.minor) if lock.python else []
    code = [[one.package.name, one.file.sha256] for one in selection.code if one.file is not None]
    parts = [_FORMAT, selection.platform.subdir, python, interpreter, conda, pip]
    return sha256(canonical([*parts, code] if code else parts))


def _commit(chosen: Chosen) -> str:
    return chosen.package.vcs.commit if chosen.package.vcs else ""


def _installed(place: Path) -> str:
    try:
        return str(json.loads((place / MARKER).read_bytes())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _make_room(place: Path) -> None:
    """Make `place` a folder with nothing in it but the file that says whose it is; it must be empty or hold an environment."""
    if place.exists():
        ours = [place / name for name in (MARKER, UNFINISHED, "pyvenv.cfg", "conda-meta")]
        if not place.is_dir() or (any(place.iterdir()) and not any(one.exists() for one in ours)):
            raise EngineError(f"{place} exists and is no environment", hint="name another prefix, or remove it")
    place.mkdir(parents=True, exist_ok=True)
    (place / UNFINISHED).touch()
    for one in place.iterdir():
        if one.name != UNFINISHED:
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()


def _fill(
    lock: Lock,
    selection: Selection,
    environment: LocalEnvironment,
    pip: _PipSide,
    *,
    python: str,
    progress: Progress,
) -> None:
    if selection.conda:
        from envbuild.engines.conda_link import LinkJob, link_conda

        job = LinkJob(packages=selection.conda, folder=environment.prefix, places={})
        with progress.step(f"installing {len(selection.conda)} conda packages"):
            link_conda([job], platform=selection.platform)
    else:
        _make_venv(lock, environment.prefix, python, progress)
    if wheels := (*selection.pip, *selection.code):
        with progress.step(f"installing {len(wheels)} distributions", total=len(wheels)):
            _install_pip(wheels, environment, pip)


def _python(lock: Lock, selection: Selection, interpreter: str) -> str:
    """Return the Python whose virtual environment it will be, an empty text where conda's packages bring one."""
    if selection.conda:
        return ""
    if lock.python is None:
        raise EngineError("the lock has no Python, so there is nothing to install on this machine")
    return interpreter or str(find_interpreter(lock.python.minor))


def _make_venv(lock: Lock, place: Path, python: str, progress: Progress) -> None:
    assert lock.python is not None  # noqa: S101 - see _python
    with progress.step("making a virtual environment"):
        programs.run(
            uv_argv("venv", "--quiet", "--allow-existing", "--python", python, str(place)),
            env=clean_environment(os.environ),
        )
    found = programs.run(
        [str(place / "bin" / "python"), "-I", "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    ).stdout.strip()
    wanted = ".".join(map(str, lock.python.minor))
    if found != wanted:
        _make_room(place)
        shutil.rmtree(place)
        raise EngineError(f"{python} is Python {found}; the lock is for {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _PipSide:
    """Where files of pip's side come from: paths start at `folder`; `urls` and `finder` complete URLs."""

    folder: Path
    offline: bool
    urls: UrlVariables
    finder: CredentialFinder = field(default_factory=lambda: CredentialFinder(environ=os.environ, home=Path.home()))


def _install_pip(chosen: Sequence[Chosen], environment: LocalEnvironment, side: _PipSide) -> None:
    with tempfile.TemporaryDirectory(prefix="envbuild-local-") as temporary:
        pylock = Path(temporary) / "pylock.toml"
        pylock.write_text("\n".join(_pylock(chosen, side)))
        # a lock holds no credentials; a private index's were just put in
        pylock.chmod(0o600)
        argv = uv_argv(
            "pip", "install", "--quiet", "--python", str(environment.python), "--no-deps", "--break-system-packages"
        )
        built = [text for one in chosen if not one.is_wheel for text in ("--no-binary", one.package.name)]
        argv += ["--only-binary", ":all:", *built, *(["--offline"] if side.offline else []), "-r", str(pylock)]
        done = programs.run(argv, cwd=side.folder, env=clean_environment(os.environ), check=False)
    if done.code != 0:
        raise _failure(done, temporary, [*_secrets(chosen, side)])


def _failure(
    done: programs.Completed, temporary: str, secrets: Sequence[str]
) -> EngineError | IntegrityError | NetworkError:
    said = mask(done.stderr.replace(f"{temporary}/", ""), secrets).strip()
    if "Hash mismatch" in said:
        return IntegrityError(f"a file is not what the lock says:\n{said}")
    if any(one in said.lower() for one in _UNREACHED):
        return NetworkError(f"a distribution cannot be fetched:\n{said}")
    return EngineError(f"the distributions cannot be installed:\n{said}")


def _pylock(chosen: Sequence[Chosen], side: _PipSide) -> Iterator[str]:
    """Yield a pylock.toml with the one file of each distribution, so that nothing is left to choose."""
    yield 'lock-version = "1.0"'
    yield 'created-by = "envbuild"'
    for one in chosen:
        package = one.package
        yield "[[packages]]"
        yield f"name = {json.dumps(package.name)}"
        if package.version:
            yield f"version = {json.dumps(package.version)}"
        if package.vcs is not None:
            place = f", subdirectory = {json.dumps(package.vcs.subdirectory)}" if package.vcs.subdirectory else ""
            source = f"url = {json.dumps(package.vcs.url)}, commit-id = {json.dumps(package.vcs.commit)}"
            yield f"vcs = {{ type = {json.dumps(package.vcs.type)}, {source}{place} }}"
        elif one.file is not None:
            yield _source(one, _location(one.file, side))
        else:
            raise EngineError(f"{package.name} is a folder; the local engine installs files and commits only")


def _source(chosen: Chosen, location: str) -> str:
    file = chosen.file
    assert file is not None  # noqa: S101 - the caller chose by it
    if not file.hashes:
        raise EngineError(f"{file.filename} has no hash in the lock", hint="lock again")
    hashes = ", ".join(f"{name} = {json.dumps(digest)}" for name, digest in file.hashes)
    table = f"{{ name = {json.dumps(file.filename)}, {location}, hashes = {{ {hashes} }} }}"
    if chosen.package.archive is not None:
        return f"archive = {table.replace(f'name = {json.dumps(file.filename)}, ', '')}"
    return f"wheels = [{table}]" if chosen.is_wheel else f"sdist = {table}"


def _location(file: PipFile, side: _PipSide) -> str:
    if file.path:
        return f"path = {json.dumps(str((side.folder / file.path).resolve()))}"
    url = side.urls.fill(file.url)
    credential = side.finder.for_url(url)
    if credential is None or not (credential.password or credential.token):
        return f"url = {json.dumps(url)}"
    parts = urlsplit(url)
    user, password = credential.username or "__token__", credential.token or credential.password
    host = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return f"url = {json.dumps(urlunsplit(parts._replace(netloc=host)))}"


def _secrets(chosen: Sequence[Chosen], side: _PipSide) -> Iterator[str]:
    yield from side.urls.secrets()
    for one in chosen:
        credential = side.finder.for_url(side.urls.fill(one.file.url)) if one.file and one.file.url else None
        if credential is not None:
            yield from credential.secrets
