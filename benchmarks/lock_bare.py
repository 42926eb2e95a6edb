"""What a person would write with py-rattler alone: `python lock_bare.py CHANNEL CACHE PLATFORMS SPEC…` prints what is chosen."""

import asyncio
import os
import sys

from rattler import BuildString, Gateway, GenericVirtualPackage, MatchSpec, PackageName, Version
from rattler.solver import solve

VIRTUAL = {
    "linux-64": (("__unix", "0"), ("__linux", "5.10"), ("__glibc", "2.35"), ("__archspec", "1")),
    "osx-arm64": (("__unix", "0"), ("__osx", "13.0"), ("__archspec", "1")),
}


async def main(channel: str, cache: str, platforms: list[str], specs: list[str]) -> list[str]:
    gateway = Gateway(cache_dir=cache)
    build = {"linux-64": "x86_64", "osx-arm64": "m1"}
    questions = [
        solve(
            [channel],
            [MatchSpec(text, strict=False) for text in specs],
            gateway=gateway,
            platforms=[platform, "noarch"],
            virtual_packages=[
                GenericVirtualPackage(
                    PackageName(name), Version(version), BuildString(build[platform] if "arch" in name else "0")
                )
                for name, version in VIRTUAL[platform]
            ],
        )
        for platform in platforms
    ]
    return [record.url for answer in await asyncio.gather(*questions) for record in answer]


if __name__ == "__main__":
    print("\n".join(sorted(asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4:])))))
    sys.stdout.flush()
    os._exit(0)
