"""Locks for the tests: any lock that a solve could give (hypothesis), and one small one written out."""

import hashlib

from hypothesis import strategies as st

from envbuild.core.definition import IndexPin, Source
from envbuild.core.lock import (
    CondaPackage,
    Lock,
    LockedApt,
    LockedBase,
    LockedPython,
    PipFile,
    PipPackage,
    Vcs,
)
from envbuild.core.names import is_one_line

CHANNEL = "https://conda.example/channel"
INDEX = "https://index.example/simple"
PINS = (
    IndexPin(name="torch", url="https://wheels.example/cu124", marker="sys_platform == 'linux'"),
    IndexPin(name="torch", url="https://wheels.example/cpu"),
)
PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64", "win-64")
WHEEL_TAGS = {
    "linux-64": "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-aarch64": "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "osx-arm64": "cp311-cp311-macosx_11_0_arm64",
    "win-64": "cp311-cp311-win_amd64",
}


def digest(text, algorithm="sha256"):
    return hashlib.new(algorithm, text.encode()).hexdigest()


one_line = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(is_one_line)
names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
conda_names = st.one_of(names, st.from_regex(r"_[a-z][a-z0-9_]{1,8}", fullmatch=True))
versions = st.one_of(
    st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3}){0,3}((a|b|rc|\.post|\.dev)[0-9])?", fullmatch=True),
    st.sampled_from(["1.0", "2024.1", "1e5", "0x1", "1_0", "20261121", "1!2.0", "2.0+cu121"]),
)
conda_versions = st.one_of(versions, st.sampled_from(["no", "on", "9e", "2026a", "1.1.1w"]))
builds = st.one_of(
    st.from_regex(r"(py311)?h[0-9a-f]{7}_[0-9]{1,2}", fullmatch=True),
    st.sampled_from(["0", "1_cp311", "conda_forge", "2_gnu", "cuda120_mkl_h1_3"]),
)
specs = st.one_of(
    conda_names,
    st.builds(
        "{} {}".format,
        conda_names,
        st.sampled_from(
            [">=1.2,<2.0a0", "3.11.*", "3.11.* *_cp311", "* mkl", "!=1.3", "1.0 h12_0", "~=2.1", ">=1,<2 *_cuda*"]
        ),
    ),
    st.sampled_from(["__glibc >=2.17,<3.0.a0", "python", "python >=3.11", "foo[version='>=1',build=*x]"]),
)
spec_lists = st.lists(specs, max_size=5).map(tuple)
sizes = st.one_of(st.none(), st.integers(0, 2**40))
licences = st.one_of(st.just(""), st.sampled_from(["MIT", "BSD-3-Clause", "LGPL-2.1-or-later WITH x"]), one_line)


@st.composite
def conda_packages(draw, platform):
    name, version, build = draw(conda_names), draw(conda_versions), draw(builds)
    subdir = draw(st.sampled_from([platform, "noarch"]))
    channel = draw(st.sampled_from([CHANNEL, "https://conda.example/other", "https://conda.example/t/token/private"]))
    extension = draw(st.sampled_from([".conda", ".tar.bz2"]))
    key = f"{channel}/{subdir}/{name}-{version}-{build}{extension}"
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        platform=platform,
        subdir=subdir,
        channel=draw(st.sampled_from([channel, "named"])),
        url=key,
        md5=digest(key, "md5"),
        sha256=draw(st.sampled_from(["", digest(key)])),
        size=draw(sizes),
        build_number=draw(st.sampled_from([0, 1, 7, 1013])),
        depends=draw(spec_lists),
        constrains=draw(spec_lists),
        license=draw(licences),
        noarch=draw(st.sampled_from(["", "python", "generic"])),
    )


@st.composite
def pip_files(draw, filename):
    private = draw(st.booleans())
    hashes = {"sha256": digest(filename)}
    if draw(st.booleans()):
        hashes |= {"md5": digest(filename, "md5"), "sha512": digest(filename, "sha512")}
    return PipFile(
        filename=filename,
        url="" if private else f"https://files.example/packages/{draw(st.sampled_from(['a', 'b']))}/{filename}",
        path=f"wheels/{filename}" if private else "",
        size=draw(sizes),
        hashes=tuple(sorted(hashes.items())),
        upload_time=draw(st.sampled_from(["", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z"])),
    )


@st.composite
def pip_packages(draw, name):
    version = draw(versions.filter(lambda text: "_" not in text and "x" not in text and "e" not in text))
    kind = draw(st.sampled_from(["pure", "native", "sdist", "archive", "vcs", "directory"]))
    stem = f"{name.replace('-', '_')}-{version}"
    wheels, sdist, archive, vcs, directory = (), None, None, None, ""
    if kind == "pure":
        wheels = (draw(pip_files(f"{stem}-py3-none-any.whl")),)
    elif kind == "native":
        wheels = tuple(draw(pip_files(f"{stem}-{tag}.whl")) for tag in WHEEL_TAGS.values())
        sdist = draw(st.one_of(st.none(), pip_files(f"{stem}.tar.gz")))
    elif kind == "sdist":
        sdist = draw(pip_files(f"{stem}.tar.gz"))
    elif kind == "archive":
        archive = draw(pip_files(draw(st.sampled_from([f"{stem}.zip", f"{stem}-py3-none-any.whl"]))))
    elif kind == "vcs":
        url = draw(st.sampled_from(["https://git.example/a/b.git", "ssh://git@git.example/a/b"]))
        vcs = Vcs(
            type="git",
            url=url,
            commit=digest(name, "sha1"),
            requested_revision=draw(st.sampled_from(["", "v1.0", "feature/x"])),
            subdirectory=draw(st.sampled_from(["", "python/pkg"])),
        )
    else:
        directory = draw(st.sampled_from(["src/pkg", "../other"]))
    return PipPackage(
        name=name,
        version=version,
        marker=draw(st.sampled_from(["", "sys_platform == 'linux'", "python_version < '3.13'"])),
        requires_python=draw(st.sampled_from(["", ">=3.8", ">=3.9,<4"])),
        index=draw(st.sampled_from(["", INDEX, "https://index.example/extra/simple"])),
        dependencies=draw(st.lists(names, max_size=3).map(tuple)),
        wheels=wheels,
        sdist=sdist,
        archive=archive,
        vcs=vcs,
        directory=directory,
        platforms=draw(st.sampled_from([(), ("linux-64",), ("linux-64", "win-64")])),
    )


@st.composite
def locks(draw, conda=True):
    platforms = tuple(draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True)))
    packages = [
        one
        for platform in platforms
        for one in draw(st.lists(conda_packages(platform), max_size=4 if conda else 0, unique_by=lambda one: one.name))
    ]
    pip = [draw(pip_packages(name)) for name in draw(st.lists(names, max_size=4, unique=True))]
    sources = draw(st.lists(one_line, max_size=3, unique=True))
    return Lock(
        definition_hash=draw(st.sampled_from([digest("definition"), digest("x").replace("a", "1")])),
        platforms=platforms,
        channels=draw(
            st.sampled_from([(), (CHANNEL,), (CHANNEL, "https://conda.example/other"), ("channel", CHANNEL)])
        ),
        conda=tuple(packages),
        pip=tuple(pip),
        python=LockedPython(
            version=draw(st.sampled_from(["3.11", "3.11.9"])),
            provider=draw(st.sampled_from(["conda", "base", "apt", "user"])),
            interpreter=draw(st.one_of(st.just(""), one_line)),
        ),
        base=draw(bases),
        apt=LockedApt(
            packages=draw(st.sampled_from([(), ("libgomp1", "git=1:2.34.1-1ubuntu1~1")])),
            snapshot=draw(st.sampled_from(["", "20261121T000000Z"])),
        ),
        index_url=draw(st.sampled_from(["", INDEX])),
        extra_index_urls=draw(st.sampled_from([(), ("https://index.example/extra/simple",)])),
        index_pins=draw(st.sampled_from([(), PINS])),
        extras=draw(st.sampled_from([(), ("requests[socks]", "uvicorn[a,standard]")])),
        virtual_packages=draw(st.sampled_from([(), ("__glibc=2.35=0", "__cuda=12.4=0")])),
        tools=tuple(draw(pip_packages(name)) for name in draw(st.lists(names, max_size=2, unique=True))),
        solver=draw(st.sampled_from(["", "rattler 0.28.0"])),
        pip_resolver=draw(st.sampled_from(["", "uv 0.13.8"])),
        exclude_newer=draw(st.sampled_from(["", "2026-11-21T00:00:00Z"])),
        conda_content_hash=tuple((one, digest(one)) for one in platforms),
        sources=tuple(Source(path=path, sha256=digest(path)) for path in sources),
    )


bases = st.one_of(
    st.just(LockedBase()),
    st.builds(
        LockedBase,
        reference=one_line,
        digest=st.sampled_from(["", "sha256:" + digest("base")]),
        platform_digests=st.sampled_from([(), (("linux-64", "sha256:" + digest("amd")),)]),
        distribution=st.sampled_from(["", "ubuntu 22.04"]),
    ),
)


def conda_package(name="numpy", version="1.26.4", platform="linux-64", **changes):
    url = f"{CHANNEL}/{platform}/{name}-{version}-h1_0.conda"
    known = {
        "name": name,
        "version": version,
        "build": "h1_0",
        "platform": platform,
        "subdir": platform,
        "channel": CHANNEL,
        "url": url,
        "md5": digest(url, "md5"),
        "sha256": digest(url),
        "size": 1000,
        "license": "MIT",
    }
    return CondaPackage(**{**known, **changes})


def wheel(name="flask", version="3.0.0", tag="py3-none-any", **changes):
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    known = {
        "filename": filename,
        "url": f"https://files.example/{filename}",
        "size": 2000,
        "hashes": (("sha256", digest(filename)),),
    }
    return PipFile(**{**known, **changes})


def pip_package(name="flask", version="3.0.0", **changes):
    known = {"name": name, "version": version, "wheels": (wheel(name, version),), "index": INDEX}
    return PipPackage(**{**known, **changes})


def small_lock(**changes):
    known = {
        "definition_hash": digest("definition"),
        "platforms": ("linux-64",),
        "channels": (CHANNEL,),
        "conda": (conda_package("python", "3.11.9"), conda_package(depends=("python >=3.11,<3.12",))),
        "pip": (pip_package(),),
        "python": LockedPython(version="3.11.9", provider="conda"),
        "index_url": INDEX,
        "sources": (Source(path="environment.yml", sha256=digest("file")),),
    }
    return Lock(**{**known, **changes})
