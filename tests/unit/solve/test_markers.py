"""What a marker still says once the Python is known."""

import pytest
from packaging.markers import Marker

from envbuild.core.platforms import PLATFORMS
from envbuild.solve.markers import environments, simplified


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("", ""),
        ("python_full_version < '3.12'", ""),
        ("python_version in '3.10 3.11'", ""),
        ("python_full_version >= '3.12'", None),
        ("python_full_version == '3.12.*' and sys_platform == 'win32'", None),
        ("python_full_version < '3.12' and sys_platform == 'win32'", "sys_platform == 'win32'"),
        ("'3.12' > python_version", ""),
        ("sys_platform == 'win32' or python_version >= '3.8'", ""),
        ("sys_platform == 'win32' or python_version >= '3.12'", "sys_platform == 'win32'"),
        ("python_full_version < '3.11.4'", "python_full_version < '3.11.4'"),
        (
            "(python_version < '3.12' and os_name == 'nt') or (sys_platform == 'darwin' and platform_machine != 'arm64')",
            "os_name == 'nt' or (sys_platform == 'darwin' and platform_machine != 'arm64')",
        ),
        (
            "(os_name == 'nt' or sys_platform == 'darwin') and python_version == '3.11' and platform_machine == 'x86_64'",
            "(os_name == 'nt' or sys_platform == 'darwin') and platform_machine == 'x86_64'",
        ),
    ],
)
def test_what_a_marker_says_of_the_python_is_decided_and_the_rest_stays(marker, left):
    assert simplified(marker, (3, 11)) == left


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_the_simplified_marker_means_the_same_on_that_python(system, machine):
    marker = (
        "(python_full_version >= '3.11' and (sys_platform == 'linux' or platform_machine == 'arm64')) or "
        "(python_version < '3.9' and sys_platform == 'win32') or (sys_platform == 'darwin' and platform_machine != 'arm64')"
    )
    environment = {
        "python_version": "3.11",
        "python_full_version": "3.11.5",
        "sys_platform": system,
        "platform_machine": machine,
    }
    left = simplified(marker, (3, 11))
    assert Marker(left).evaluate(environment) == Marker(marker).evaluate(environment)


def test_conditions_that_change_nothing_on_the_known_platforms_are_dropped():
    marker = "platform_machine == 'arm64' and sys_platform == 'darwin'"
    assert simplified(marker, (3, 11), [LINUX, MAC]) == "sys_platform == 'darwin'"
    assert simplified(marker, (3, 11)) == marker


LINUX = PLATFORMS["linux-64"]
MAC = PLATFORMS["osx-arm64"]


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("sys_platform == 'linux'", ""),
        ("sys_platform == 'win32'", None),
        ("platform_machine == 'aarch64'", None),
        ("platform_python_implementation != 'PyPy'", ""),
        ("implementation_name == 'pypy' and sys_platform == 'linux'", None),
    ],
)
def test_known_platforms_decide_what_depends_on_them(marker, left):
    assert simplified(marker, (3, 11), [LINUX]) == left


def test_what_differs_between_the_known_platforms_stays():
    marker = "python_version < '3.12' and sys_platform == 'linux'"
    assert simplified(marker, (3, 11), [LINUX, MAC]) == "sys_platform == 'linux'"


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=str)
def test_the_environments_hold_on_their_python_and_platforms_only(platform):
    known = {"platform_python_implementation": "CPython"}
    place = {**known, "sys_platform": platform.sys_platform, "platform_machine": platform.platform_machine}
    [everywhere] = map(Marker, environments([], (3, 9)))
    [there] = map(Marker, environments([platform], (3, 9)))
    for marker in (everywhere, there):
        assert marker.evaluate({**place, "python_full_version": "3.9.20"})
        assert not marker.evaluate({**place, "python_full_version": "3.10.0"})
        assert not marker.evaluate({**place, "sys_platform": "emscripten", "python_full_version": "3.9.20"})
    assert not there.evaluate({**place, "platform_machine": "riscv64", "python_full_version": "3.9.20"})
