from __future__ import annotations

import io
import zipfile

from installer.sources import WheelFile
from installer.utils import parse_metadata_file

from tests.support.wheel import make_wheel, wheel_file_name, wheel_metadata


def test_the_record_is_valid_to_installer(tmp_path):
    path = tmp_path / wheel_file_name("Some.Thing", "1.0")
    path.write_bytes(make_wheel("Some.Thing", "1.0", files={"thing/__init__.py": "", "thing/data.bin": b"\0\1"}))
    with WheelFile.open(path) as wheel:
        wheel.validate_record()
        assert wheel.dist_info_dir == "some_thing-1.0.dist-info"


def test_equal_arguments_give_equal_bytes():
    arguments = {"requires": ["a>=1"], "entry_points": {"go": "thing:main"}}
    assert make_wheel("thing", "1.0", **arguments) == make_wheel("thing", "1.0", **arguments)


def test_the_metadata_holds_requirements_extras_and_the_python():
    wheel = make_wheel("thing", "2", requires=["a>=1"], extras={"fast": ["b"]}, requires_python=">=3.8")
    fields = parse_metadata_file(wheel_metadata(wheel).decode())
    assert fields.get_all("Requires-Dist") == ["a>=1", 'b; extra == "fast"']
    assert (fields["Requires-Python"], fields["Provides-Extra"]) == (">=3.8", "fast")


def test_entry_points_are_console_scripts():
    wheel = make_wheel("thing", "1.0", entry_points={"go": "thing:main"})
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        assert archive.read("thing-1.0.dist-info/entry_points.txt") == b"[console_scripts]\ngo = thing:main\n"
