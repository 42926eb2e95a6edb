"""One build by the oci engine, as `envbuild image --engine oci --locked` walks it: `oci_build.py FOLDER WISHES`.

A process of its own, so that its start is timed too; the wishes are those that the command line has no words for yet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from envbuild import api
from envbuild.engines.oci.engine import OciEngine
from envbuild.engines.oci.settings import OciSettings
from envbuild.engines.protocol import BuildOptions


def main(folder: Path, wishes: dict[str, object]) -> None:
    plan = api.plan(folder, locked=True)
    tags = tuple(map(str, wishes.pop("tags", ())))  # type: ignore[call-overload]
    options = BuildOptions(push=bool(wishes.pop("push", False)), output=str(wishes.pop("output", "")))
    engine = OciEngine(OciSettings(**wishes))  # type: ignore[arg-type]
    image = engine.image(plan, name=plan.image_name, tags=tags, options=options, root=folder)
    print(json.dumps({"digest": image.digest, "id": image.id, "built": image.built, "name": image.name}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
