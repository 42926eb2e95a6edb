import pytest
import yaml

from envbuild.core.errors import LockError
from envbuild.formats.environment_yml import write_environment_yml
from tests.unit.formats.locks import CHANNEL, INDEX, small_lock


def test_everything_is_pinned():
    data = yaml.safe_load(write_environment_yml(small_lock(), "linux-64", "mine"))
    assert data == {
        "name": "mine",
        "channels": [CHANNEL, "nodefaults"],
        "dependencies": [
            "numpy=1.26.4=h1_0",
            "python=3.11.9=h1_0",
            {"pip": [f"--index-url {INDEX}", "flask==3.0.0"]},
        ],
    }


def test_with_several_channels_each_package_names_its_own():
    text = write_environment_yml(small_lock(channels=(CHANNEL, "https://conda.example/other"), pip=()), "linux-64")
    assert yaml.safe_load(text)["dependencies"][0] == f"{CHANNEL}::numpy=1.26.4=h1_0"


def test_another_platform_is_refused():
    with pytest.raises(LockError, match="not for win-64"):
        write_environment_yml(small_lock(), "win-64")
