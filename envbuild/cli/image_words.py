"""What `envbuild image` prints of an image; also where that is known before the command line is understood."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def image_words(
    image: Mapping[str, object], tags: Sequence[str], layers: Sequence[tuple[str, str]], *, as_json: bool
) -> str:
    """Return the lines on `image` (`name`, `key`, `engine`, `built`, `id`, `digest`, `size`, `seconds`) with its `tags` and `layers`."""
    if as_json:
        told = [{"kind": kind, "key": key} for kind, key in layers]
        return json.dumps({**image, "tags": list(tags), "layers": told}) + "\n"
    engine = image["engine"]
    place = f"the registry as {image['digest']}" if engine == "registry" else engine
    did = f"built by {engine} in {image['seconds']:.1f} s" if image["built"] else f"exists in {place}, nothing to do"
    return "".join(f"{line}\n" for line in (f"{image['name'] or image['id']}: {did}", *tags))
