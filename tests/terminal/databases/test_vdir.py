"""A folder with one item a file."""

import os
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, PeerError
from cardsync.terminal.databases.dates import newer
from cardsync.terminal.databases.vdir import Folder


def aged(path: Path) -> None:
    """Make a file as old as those whose stamps are trusted."""
    os.utime(path, (1_700_000_000, 1_700_000_000))


def test_items_are_files(tmp_path: Path) -> None:
    """Hidden files, folders and names that cannot be printed are no items."""
    folder = Folder(tmp_path / "made" / "here")
    folder.write("a.txt", b"x")
    (tmp_path / "made" / "here" / ".hidden").write_bytes(b"y")
    (tmp_path / "made" / "here" / "within").mkdir()
    (tmp_path / "made" / "here" / "a\nb").write_bytes(b"z")

    assert ["a.txt"] == list(folder.stamps())
    assert (b"x", None, None) == tuple(folder.read(name) for name in ("a.txt", "b", "within"))


def test_stamp_changes_with_the_file(tmp_path: Path) -> None:
    """A young file has no stamp to be trusted; an older one has, until it is written again."""
    folder = Folder(tmp_path)
    folder.write("a", b"x")
    young = folder.stamps()["a"]
    aged(tmp_path / "a")
    old = folder.stamps()["a"]
    folder.write("a", b"y")
    aged(tmp_path / "a")

    assert ("", old) == (young, folder.stamps()["a"]) or old != folder.stamps()["a"]
    assert old != folder.stamps()["a"]
    assert "" != old


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
