"""A folder with one item a file."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, PeerError
from cardsync.terminal.databases.dates import newer
from cardsync.terminal.databases.vdir import Folder

HOUR = 3600 * 10**9


def files(folder: Path) -> dict[str, bytes]:
    """Give what everybody sees."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def test_items_are_files(tmp_path: Path) -> None:
    """Hidden files, folders and names that cannot be printed are no items."""
    folder = Folder(tmp_path / "made" / "here")
    folder.write("a.txt", b"x")
    (tmp_path / "made" / "here" / ".hidden").write_bytes(b"y")
    (tmp_path / "made" / "here" / "within").mkdir()
    (tmp_path / "made" / "here" / "a\nb").write_bytes(b"z")

    assert ["a.txt"] == list(folder.stamps())
    assert (b"x", None, None) == tuple(folder.read(name) for name in ("a.txt", "b", "within"))


def test_stamp_changes_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A young file has no stamp to be trusted; an older one has, until it is written again.

    Nor has one of the future, where the clock was put back, nor one that only claims to be old.
    """
    folder, now = Folder(tmp_path), time.time_ns()
    found = []

    def look(later: int) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(time, "time_ns", lambda: now + later)
            found.append(folder.stamps()["a"])

    folder.write("a", b"x")
    os.utime(tmp_path / "a", (1_700_000_000, 1_700_000_000))
    for later in (-HOUR, 0, HOUR, HOUR):
        look(later)
    (tmp_path / "a").write_bytes(b"y")
    os.utime(tmp_path / "a", (1_700_000_000, 1_700_000_000))
    look(HOUR)

    assert ["", ""] == found[:2]
    assert "" != found[2] == found[3] != found[4] != ""


def test_batch_is_put_in_place_at_its_end(tmp_path: Path) -> None:
    """Until then the folder is as it was, and what is within sees what will be."""
    folder = Folder(tmp_path)
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"old")
    with folder.batch():
        folder.write("a", b"first")
        folder.write("a", b"new")
        folder.write("c", b"new")
        folder.remove("b")
        within = [folder.read(name) for name in "abc"], set(folder.stamps())
        names = folder.name("c", b"") == "c", files(tmp_path)

    assert ([b"new", None, b"new"], {"a", "c"}) == within
    assert (False, {"a": b"old", "b": b"old"}) == names
    assert {"a": b"new", "c": b"new"} == files(tmp_path)
    assert 2 == len(list(tmp_path.iterdir()))


def test_owner_who_was_faster_than_a_batch(tmp_path: Path) -> None:
    """What he wrote, made or removed since the batch looked stays as he wants it."""
    folder = Folder(tmp_path)
    for name in "ab":
        (tmp_path / name).write_bytes(b"old")
    with folder.batch():
        for name in "abc":
            folder.write(name, b"of the peer")
        (tmp_path / "a").write_bytes(b"of the owner")
        (tmp_path / "b").unlink()
        (tmp_path / "c").write_bytes(b"of the owner")

    assert {"a": b"of the owner", "c": b"of the owner"} == files(tmp_path)
    assert 2 == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(("number", "answer"), [(errno.ENOSPC, 420), (errno.EROFS, 510)])
def test_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, answer: int
) -> None:
    """Full or read-only: the peer hears of it, nothing is left of the attempt."""
    folder = Folder(tmp_path)
    (tmp_path / "a").write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PeerError) as caught:
        folder.write("a", b"new")

    assert answer == caught.value.answer
    assert [b"old"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_on_the_disk_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content, then its name, then the folder: a loss of power leaves the old or the new."""
    folder, calls = Folder(tmp_path), []
    sync, replace = os.fsync, os.replace

    def synced(number: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        sync(number)

    def replaced(*names: Path) -> None:
        calls.append("name")
        replace(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with folder.batch():
        folder.write("a", b"x")
        folder.write("b", b"y")

    assert ["file", "file", "name", "name", "folder"] == calls


def test_many_files_go_to_the_disk_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a large batch is on the disk before the first file is in its place."""
    folder, calls = Folder(tmp_path), []
    sync, replace = os.sync, os.replace

    def synced() -> None:
        calls.append("all")
        sync()

    def replaced(*names: Path) -> None:
        calls.append("name")
        replace(*names)

    monkeypatch.setattr(os, "sync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with folder.batch():
        for number in range(40):
            folder.write(str(number), b"x")

    assert ["all", *["name"] * 40] == calls


def test_left_overs_are_swept(tmp_path: Path) -> None:
    """What a killed process had put aside goes after a day; what is younger may be in use."""
    for name, age in ((".0123456789ab.part", 2 * 86400), (".ba9876543210.part", 60)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / ".profile").write_bytes(b"x")
    os.utime(tmp_path / ".profile", (0, 0))
    Folder(tmp_path)

    assert {".ba9876543210.part", ".profile"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("wanted", ["", ".profile", "../x", "a/b", "a\0b", "x" * 101, "-rf"])
def test_names_of_a_peer_are_no_paths(tmp_path: Path, wanted: str) -> None:
    """What is no plain file name becomes another one."""
    assert wanted != Folder(tmp_path).name(wanted, b"")


def test_name_that_is_taken(tmp_path: Path) -> None:
    """A free name is kept, one that is taken is not."""
    folder = Folder(tmp_path)

    assert "a.txt" == folder.name("a.txt", b"")
    folder.write("a.txt", b"x")
    assert "a.txt" != folder.name("a.txt", b"")


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A failure is the peer's to hear: 510; nothing is left behind."""
    folder = Folder(tmp_path)
    (tmp_path / "within").mkdir()

    with pytest.raises(PeerError) as caught:
        folder.write("within", b"x")
    assert 510 == caught.value.answer
    assert ["within"] == [path.name for path in tmp_path.iterdir()]


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A file in its place is a mistake of the person."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError):
        Folder(tmp_path / "file")


def test_identity_goes_with_the_folder(tmp_path: Path) -> None:
    """A folder that was made anew is another one, even at the same place."""
    path = tmp_path / "f"
    before = Folder(path).identity()
    assert before == Folder(path).identity()
    path.rename(tmp_path / "g")

    assert before == Folder(tmp_path / "g").identity()
    assert before != Folder(path).identity()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "text/vcard"),
        (b"BEGIN:VCARD\r\nVERSION:2.1\r\n", "text/x-vcard"),
        (b"BEGIN:VCALENDAR\nVERSION:2.0\n", "text/calendar"),
        (b"BEGIN:VCALENDAR\nPRODID:x\nVERSION:1.0\n", "text/x-vcalendar"),
        (b"anything", "text/plain"),
        (b"", "text/plain"),
    ],
)
def test_type_by_content(tmp_path: Path, data: bytes, kind: str) -> None:
    """Each item tells its type, unless the folder has one for all."""
    assert kind == Folder(tmp_path).type_of(data)
    assert Folder(tmp_path, "text/vcard").type_of(data) is None


def test_dates_of_items() -> None:
    """REV of a vCard, LAST-MODIFIED of an event; without a date on both sides theirs is newer."""
    old, new = b"BEGIN:VCARD\nREV:20240101T000000Z\n", b"x\nREV:2024-06-01T00:00:00Z\n"

    assert [True, False, False, False] == [
        newer(new, old), newer(old, new), newer(new, b"x"), newer(None, None)
    ]  # fmt: skip
