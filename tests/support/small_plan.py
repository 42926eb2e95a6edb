"""A plan of one tiny wheel and one script, which every engine builds in seconds; and what its build fetched."""

from __future__ import annotations

from envbuild.core.definition import Definition
from envbuild.core.keys import sha256
from envbuild.core.lock import Lock, LockedBase, LockedPython
from envbuild.core.plan import App, AppFile, Plan, make_plan
from tests.support.base_image import BaseImage
from tests.support.index import Index
from tests.support.installers import locked, publish_installers


def plan_of(index: Index, base_image: BaseImage, script: str) -> Plan:
    """Return the plan of the first release of `index`, installed by uv, and a scoring script with the text `script`."""
    lock = Lock(
        definition_hash="",
        platforms=("linux-64",),
        pip=(locked(index, index.releases[0]),),
        index_url=index.url,
        tools=publish_installers(index),
        python=LockedPython(version="3.11", provider="base", interpreter="/usr/bin/python3"),
        base=LockedBase(reference=base_image.reference, digest=base_image.digest, distribution="debian 12"),
    )
    content = script.encode()
    app = App(files=(AppFile(path="/var/azureml-app/main.py", content=content, sha256=sha256(content)),))
    return make_plan(Definition(kind="requirements", name="shared", allow_distribution=("debian",)), lock, app=app)


def downloads(index: Index) -> list[str]:
    """Return the paths of the wheels that were fetched."""
    return [request.path for request in index.requests if request.path.endswith(".whl")]
