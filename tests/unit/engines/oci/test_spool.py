"""Layers that wait uncompressed: as many as there is room for, and never the reason why something fails."""

import io

from envbuild.engines.oci.spool import Room, Spool


def test_what_has_room_is_there_whole():
    spool = Spool(Room(10), io.BytesIO)
    for data in (b"four", b"", b"and"):
        spool.write(data)
    file = spool.whole(7)
    assert file is not None
    assert file.getvalue() == b"fourand"
    assert spool.whole(8) is None


def test_what_has_no_room_leaves_it_to_others():
    room = Room(10)
    first, second, third = (Spool(room, io.BytesIO) for _ in range(3))
    first.write(b"seven b")
    second.write(b"abc")
    second.write(b"d")
    second.write(b"e")
    assert second.whole(5) is None
    third.write(b"abc")
    assert third.whole(3) is not None
    first.close()
    first.close()
    third.write(bytes(7))
    assert third.whole(10) is not None


class Full(io.BytesIO):
    def write(self, data):
        if self.tell() >= 4:
            raise OSError(28, "No space left on device")
        return super().write(data[:2])


def test_a_full_disk_is_no_error():
    spool = Spool(Room(100), Full)
    spool.write(b"four")
    assert spool.whole(4).getvalue() == b"four"
    spool.write(b"more")
    assert spool.whole(8) is None

    def read_only():
        raise OSError(30, "Read-only file system")

    none = Spool(Room(100), read_only)
    none.write(b"x")
    assert none.whole(1) is None
