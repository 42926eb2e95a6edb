"""An engine that is reached over TCP: `DOCKER_HOST=tcp://…`."""

from __future__ import annotations

import json
import os

import pytest

from envbuild.cli.main import run
from envbuild.engines.docker import DockerEngine
from tests.support.forward import over_tcp

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("builder", ["buildkit", "rest"])
def test_an_image_is_built_found_again_and_run_over_tcp(  # noqa: PLR0917
    builder, on_engine, index, base_image, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(DockerEngine, "builder", (builder, "" if builder == "rest" else on_engine.client))
    index.add("adder", "1.0", files={"adder.py": f"x = {os.getpid()}\n"})
    path = tmp_path / "pyproject.toml"
    path.write_text(
        f'[tool.envbuild]\nbase = "{base_image.reference}"\nallow-distribution = ["debian"]\npython = "3.11"\n'
        f'pip = ["adder"]\nindex-url = "{index.url}"\n[tool.envbuild.variables]\nBY = "{builder}"\n'
    )
    said = ["image", str(path), "--network=host", "--json"]
    with over_tcp(on_engine.docker_host) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        assert run(said) == 0
        first = json.loads(capsys.readouterr().out)
        assert run(said) == 0
        second = json.loads(capsys.readouterr().out)
        program = "import adder; print(adder.x)"
        printed = on_engine.docker("--host", host, "run", "--rm", first["name"], "python", "-c", program).stdout
    assert (first["built"], second["built"]) == (True, False)
    assert second["id"] == first["id"]
    assert printed.strip() == str(os.getpid())
    assert host.startswith("tcp://")
