"""Small values that the tests of the core share."""

from envbuild.core.definition import CodeFolder, CondaSpec, Definition, Origin, PipRequirement
from envbuild.core.lock import CondaPackage, Lock, LockedBase, LockedPython, PipFile, PipPackage
from envbuild.core.plan import Code

DIGEST = "sha256:" + "a" * 64


def conda_package(name, version, *depends, platform="linux-64", build="h0_0", channel="conda-forge"):
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        platform=platform,
        subdir=platform,
        channel=channel,
        url=f"https://conda.example/{channel}/{platform}/{name}-{version}-{build}.conda",
        md5="0" * 32,
        sha256="1" * 64,
        depends=depends,
    )


def wheel(name, version, tags="py3-none-any"):
    filename = f"{name.replace('-', '_')}-{version}-{tags}.whl"
    return PipFile(filename=filename, url=f"https://index.example/files/{filename}", hashes=(("sha256", "2" * 64),))


def pip_package(name, version, *needs, tags=("py3-none-any",), marker="", platforms=()):
    return PipPackage(
        name=name,
        version=version,
        dependencies=needs,
        marker=marker,
        platforms=platforms,
        wheels=tuple(wheel(name, version, one) for one in tags),
    )


def requirement(name, specifier="", marker="", line=1):
    text = f"{name}{specifier}" + (f" ; {marker}" if marker else "")
    origin = Origin(file="requirements.txt", line=line)
    return PipRequirement(text=text, name=name, specifier=specifier, marker=marker, origin=origin)


def spec(text, line=1):
    name, _, version = text.partition(" ")
    return CondaSpec(text=text, name=name, version=version, origin=Origin(file="environment.yml", line=line))


def pip_definition(*requirements, **changes):
    return Definition(kind="requirements", pip=requirements, python="3.11", platforms=("linux-64",), **changes)


def pip_lock(definition, *packages, **changes):
    return Lock(
        definition_hash=definition.hash,
        platforms=("linux-64",),
        pip=packages,
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3.11"),
        base=LockedBase(reference="base.example/python:1", digest=DIGEST),
        **changes,
    )


def code(name, version="0.1", sha256="c" * 64, marker=""):
    filename = f"{name}-{version}-py3-none-any.whl"
    file = PipFile(filename=filename, path=f"/cache/{filename}", size=1000, hashes=(("sha256", sha256),))
    origin = Origin(file="requirements.txt", line=9)
    return Code(
        folder=CodeFolder(path=f"./{name}", marker=marker, origin=origin),
        package=PipPackage(name=name, version=version, marker=marker, wheels=(file,)),
        sources="d" * 64,
    )
